//! Refreshing: one successor per token, however often and by however many it is asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Proof, pairs, text};
use crate::server::{Server, Setup};

async fn first(client: &Client<'_>) -> Value {
    client.tokens_for("ada", &[("scope", "openid tools:use"), ("nonce", "n-1")]).await
}

#[tokio::test]
async fn a_refresh_rotates_and_keeps_what_was_granted() {
    let server = Server::start().await;
    let cli = server.cli();
    let tokens = first(&cli).await;
    server.clock.advance(Duration::from_secs(600));
    let next = cli.refresh(text(&tokens, "refresh_token"), &[]).await;
    assert_eq!(next.header("cache-control"), Some("no-store"));
    let next = next.ok();
    assert_ne!(next["refresh_token"], tokens["refresh_token"]);
    assert_eq!((&next["scope"], &next["expires_in"]), (&json!("openid tools:use"), &json!(900)));
    let (old, new) = (server.claims(text(&tokens, "id_token")), server.claims(text(&next, "id_token")));
    for claim in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(old[claim], new[claim], "{claim}");
    }
    assert_ne!(old["iat"], new["iat"]);
    let access = server.claims(text(&next, "access_token"));
    assert_eq!((&access["sub"], &access["aud"]), (&json!("ada"), &json!(server.url("/mcp"))));
    cli.refresh(text(&next, "refresh_token"), &[]).await.ok();
}

#[tokio::test]
async fn scope_may_shrink_and_come_back_but_never_grow() {
    let server = Server::start().await;
    let cli = server.cli();
    let tokens = first(&cli).await;
    let less = cli.refresh(text(&tokens, "refresh_token"), &[("scope", "tools:use")]).await.ok();
    assert_eq!(less["scope"], "tools:use");
    assert!(less.get("id_token").is_none());
    let refresh = text(&less, "refresh_token");
    for scope in ["tools:admin", "tools:use tools:admin", "offline_access"] {
        let answer = cli.refresh(refresh, &[("scope", scope)]).await;
        assert_eq!(answer.error(), (400, "invalid_scope".into()), "{scope}");
    }
    let all = cli.refresh(refresh, &[]).await.ok();
    assert_eq!(all["scope"], "openid tools:use");
}

/// Several processes of one login refresh at the same time: all go on with the same token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_refreshes_converge_on_one_successor() {
    let server = Server::start().await;
    let cli = server.cli();
    let tokens = cli.tokens_for("ada", &[("scope", "tools:use")]).await;
    let refresh = text(&tokens, "refresh_token");
    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(Box::pin(cli.refresh(refresh, &[])));
    }
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    let successors: BTreeSet<String> =
        answers.iter().map(|answer| text(&answer.ok(), "refresh_token").to_owned()).collect();
    assert_eq!((answers.len(), successors.len()), (50, 1));
    let ids: BTreeSet<String> = answers
        .iter()
        .map(|answer| server.claims(text(&answer.ok(), "access_token"))["jti"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 50, "every answer has an access token of its own");
    cli.refresh(successors.first().unwrap(), &[]).await.ok();
}

#[tokio::test]
async fn a_lost_answer_can_be_had_again() {
    let server = Server::start().await;
    let cli = server.cli();
    let tokens = first(&cli).await;
    let refresh = text(&tokens, "refresh_token");
    let once = cli.refresh(refresh, &[]).await.ok();
    server.clock.advance(Duration::from_secs(30));
    let again = cli.refresh(refresh, &[]).await.ok();
    assert_eq!(once["refresh_token"], again["refresh_token"]);
    assert_ne!(once["access_token"], again["access_token"]);
    // Also minutes later, as long as nobody has used the successor: the answer never arrived.
    server.clock.advance(Duration::from_secs(570));
    let late = cli.refresh(refresh, &[]).await.ok();
    assert_eq!(once["refresh_token"], late["refresh_token"]);
    // After ten minutes that nobody was seen means nothing any more.
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(cli.refresh(refresh, &[]).await.error(), (400, "invalid_grant".into()));
    server.records.with_reason("refresh_stale").await;
    cli.refresh(text(&late, "refresh_token"), &[]).await.ok();
}

/// A confidential client has the window for requests that cross each other, and nothing for answers that are lost.
#[tokio::test]
async fn a_confidential_client_has_a_minute() {
    let server = Server::start().await;
    let portal = server.portal();
    let tokens = first(&portal).await;
    let refresh = text(&tokens, "refresh_token");
    let once = portal.refresh(refresh, &[]).await.ok();
    server.clock.advance(Duration::from_secs(60));
    let again = portal.refresh(refresh, &[]).await.ok();
    assert_eq!(once["refresh_token"], again["refresh_token"]);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(portal.refresh(refresh, &[]).await.error(), (400, "invalid_grant".into()));
    server.records.with_reason("refresh_theft").await;
}

/// Two programs that present one refresh token within moments both get its successor. That is on record, and policies
/// are told.
#[tokio::test]
async fn two_programs_that_share_a_token_are_on_record() {
    let policy = r#"authentication: { idps: [staff] }
    authorization:
      tokenMinting:
        accessToken:
          policies:
            - name: unshared
              rego: |
                package orchestrator
                default result := {"allowed": true}
                result := {"allowed": false} if {
                  input.request.oauth.refresh_shared_with != ""
                  input.request.http.headers["User-Agent"] == "curl/8.9"
                }
  # A web application."#;
    let server =
        Setup::new().edit("authentication: { idps: [staff] }\n  # A web application.", policy).start().await;
    let claude = server.cli().with_agent("claude-code/2.1.3 (cli)");
    let tokens = first(&claude).await;
    let refresh = text(&tokens, "refresh_token");
    let once = claude.refresh(refresh, &[]).await.ok();
    claude.with_agent("claude-code/2.1.4 (cli)").refresh(refresh, &[]).await.ok();
    let shared =
        || server.records.all().into_iter().filter(|record| record["event"] == "token.refresh_shared");
    assert_eq!(shared().count(), 0, "an update of the program is no other program");
    let other = claude.with_agent("python-requests/2.33").refresh(refresh, &[]).await.ok();
    assert_eq!(once["refresh_token"], other["refresh_token"], "they converge all the same");
    let record = server.records.with_reason("refresh_shared").await;
    assert_eq!((&record["event"], &record["outcome"]), (&json!("token.refresh_shared"), &json!("allow")));
    assert_eq!(record["source"]["ip"], "127.0.0.1");
    assert_eq!(record["source"]["user_agent"], "python-requests/2.33");
    assert_eq!(record["exchange"]["shared_with"], json!({ "ip": "127.0.0.1", "user_agent": "claude-code" }));
    assert_eq!((&record["actor"]["sub"], &record["actor"]["client_id"]), (&json!("ada"), &json!("cli")));
    // The policy is asked with the fact, also by whoever goes on with the successor.
    for token in [refresh, text(&once, "refresh_token")] {
        let refused = claude.with_agent("curl/8.9").refresh(token, &[]).await;
        assert_eq!(refused.error(), (400, "access_denied".into()));
    }
    assert_eq!(shared().count(), 1);
    // A minute later it is one that refreshes from somewhere else.
    server.clock.advance(Duration::from_secs(61));
    claude.with_agent("curl/8.9").refresh(text(&once, "refresh_token"), &[]).await.ok();
    assert_eq!(shared().count(), 1);
}

/// Once an access token that came with the successor is seen in use, its answer has arrived: whoever comes with the
/// token before it now slept through a rotation, or stole it.
#[tokio::test]
async fn a_successor_in_use_is_not_handed_out_again() {
    let server = Server::start().await;
    let (cli, portal) = (server.cli(), server.portal());
    for (client, outcome) in [(&cli, "refresh_stale"), (&portal, "refresh_theft")] {
        let tokens = first(client).await;
        let refresh = text(&tokens, "refresh_token");
        server.clock.advance(Duration::from_secs(1));
        let next = client.refresh(refresh, &[]).await.ok();
        server.clock.advance(Duration::from_secs(1));
        // An old access token of the same grant says nothing about the new ones.
        server.gateway().exchange(text(&tokens, "access_token"), &[]).await.ok();
        server.settle().await;
        server.clock.advance(Duration::from_secs(if outcome == "refresh_stale" { 61 } else { 50 }));
        client.refresh(refresh, &[]).await.ok();
        server.clock.advance(Duration::from_secs(20));
        server.gateway().exchange(text(&next, "access_token"), &[]).await.ok();
        server.settle().await;
        // Within the window it is still a race, after it no longer.
        let refused = client.refresh(refresh, &[]).await;
        assert_eq!(refused.error(), (400, "invalid_grant".into()), "{outcome}");
        server.records.with_reason(outcome).await;
    }
}

/// The gates of this process see the tokens as well.
#[tokio::test]
async fn a_call_through_a_gate_is_a_use_too() {
    let server = Server::start().await;
    let cli = server.cli();
    let tokens = first(&cli).await;
    let refresh = text(&tokens, "refresh_token");
    server.clock.advance(Duration::from_secs(1));
    let next = cli.refresh(refresh, &[]).await.ok();
    server.clock.advance(Duration::from_secs(61));
    server.call_with(text(&tokens, "access_token")).await;
    server.settle().await;
    cli.refresh(refresh, &[]).await.ok();
    server.call_with(text(&next, "access_token")).await;
    server.settle().await;
    assert_eq!(cli.refresh(refresh, &[]).await.error(), (400, "invalid_grant".into()));
    // The login of whoever holds the successor lives on.
    cli.refresh(text(&next, "refresh_token"), &[]).await.ok();
}

/// Everything that belongs to the successor says that it has arrived, wherever it is seen.
#[tokio::test]
async fn whatever_comes_of_a_successor_is_a_use_of_it() {
    let server = Server::start().await;
    let (cli, gateway) = (server.cli(), server.gateway());
    for seen in
        ["introspection", "userinfo", "refused refresh", "refresh token introspected", "exchanged before"]
    {
        let tokens = first(&cli).await;
        let refresh = text(&tokens, "refresh_token");
        let next = cli.refresh(refresh, &[]).await.ok();
        let (access, successor) = (text(&next, "access_token"), text(&next, "refresh_token"));
        server.clock.advance(Duration::from_secs(61));
        cli.refresh(refresh, &[]).await.ok();
        match seen {
            "introspection" => {
                let asked = pairs(&[("token", access)]);
                gateway.post("/oauth2/introspect", &asked).await.ok();
            }
            "userinfo" => {
                let bearer = format!("Bearer {access}");
                assert_eq!(crate::userinfo::get(&server, &[&bearer]).await.status, 200);
            }
            "refused refresh" => {
                let answer = cli.refresh(successor, &[("scope", "tools:admin")]).await;
                assert_eq!(answer.error(), (400, "invalid_scope".into()));
            }
            "refresh token introspected" => {
                let asked = pairs(&[("token", successor)]);
                let answer = gateway.post("/oauth2/introspect", &asked).await.ok();
                assert_eq!(answer, json!({ "active": false }));
            }
            _ => {
                // What was made of the token before says nothing about its successor, however late it is seen.
                let audience = server.url("/mcp");
                let made =
                    gateway.exchange(text(&tokens, "access_token"), &[("audience", &audience)]).await.ok();
                server.call_with(text(&made, "access_token")).await;
            }
        }
        server.settle().await;
        let answer = cli.refresh(refresh, &[]).await;
        let expected = if seen == "exchanged before" { 200 } else { 400 };
        assert_eq!(answer.status, expected, "{seen}: {answer:?}");
    }
}

/// A process that slept for hours: this request is refused, the login of the others lives on.
#[tokio::test]
async fn a_stale_token_is_refused_and_kills_nothing() {
    let server = Server::start().await;
    let cli = server.cli();
    let tokens = first(&cli).await;
    let old = text(&tokens, "refresh_token");
    let second = cli.refresh(old, &[]).await.ok();
    let third = cli.refresh(text(&second, "refresh_token"), &[]).await.ok();
    server.clock.advance(Duration::from_hours(3));
    assert_eq!(cli.refresh(old, &[]).await.error(), (400, "invalid_grant".into()));
    let record = server.records.with_reason("refresh_stale").await;
    assert_eq!((&record["event"], &record["outcome"]), (&json!("token.refresh"), &json!("deny")));
    cli.refresh(text(&third, "refresh_token"), &[]).await.ok();
}

#[tokio::test]
async fn stale_tokens_that_keep_coming_or_come_days_later_are_theft() {
    let server = Server::start().await;
    let cli = server.cli();
    for late in [false, true] {
        let tokens = first(&cli).await;
        let old = text(&tokens, "refresh_token");
        let second = cli.refresh(old, &[]).await.ok();
        let third = cli.refresh(text(&second, "refresh_token"), &[]).await.ok();
        if late {
            server.clock.advance(Duration::from_hours(25));
        } else {
            for _ in 0..5 {
                assert_eq!(cli.refresh(old, &[]).await.error().1, "invalid_grant");
            }
        }
        assert_eq!(cli.refresh(old, &[]).await.error().1, "invalid_grant");
        let dead = cli.refresh(text(&third, "refresh_token"), &[]).await;
        assert_eq!(dead.error(), (400, "invalid_grant".into()), "late: {late}");
        let asked = pairs(&[("token", text(&third, "access_token"))]);
        let seen = server.gateway().post("/oauth2/introspect", &asked).await.ok();
        assert_eq!(seen, json!({ "active": false }));
    }
    let thefts = server.records.all().into_iter().filter(|record| record["event"] == "token.theft").count();
    assert_eq!(thefts, 2);
}

/// A web application is one process: an old token of it is stolen [strict profile].
#[tokio::test]
async fn a_confidential_web_client_has_no_tolerance() {
    let server = Server::start().await;
    let portal = server.portal();
    let tokens = first(&portal).await;
    let old = text(&tokens, "refresh_token");
    let second = portal.refresh(old, &[]).await.ok();
    let third = portal.refresh(text(&second, "refresh_token"), &[]).await.ok();
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(portal.refresh(old, &[]).await.error().1, "invalid_grant");
    assert_eq!(portal.refresh(text(&third, "refresh_token"), &[]).await.error().1, "invalid_grant");
    server.records.with_reason("refresh_theft").await;
}

#[tokio::test]
async fn refresh_tokens_are_bound_to_their_client_and_cannot_be_made_up() {
    let server = Server::start().await;
    let (cli, portal) = (server.cli(), server.portal());
    let tokens = first(&cli).await;
    let good = text(&tokens, "refresh_token");
    assert_eq!(portal.refresh(good, &[]).await.error(), (400, "invalid_grant".into()));
    let unproven = portal.with_proof(Proof::Post("guess".into()));
    assert_eq!(unproven.refresh(good, &[]).await.error(), (401, "invalid_client".into()));
    let (head, secret) = good.rsplit_once('.').unwrap();
    let flipped =
        if secret.starts_with('A') { secret.replacen('A', "B", 1) } else { format!("A{}", &secret[1..]) };
    let (family, generation) = head.rsplit_once('.').unwrap();
    assert_eq!(generation, "1");
    let forged = [
        format!("{head}.{flipped}"),
        format!("{family}.2.{secret}"),
        format!("{family}.0.{secret}"),
        format!("{head}.{}", &secret[..secret.len() - 1]),
        format!("{head}.{secret}="),
        format!("{head}.{secret}.x"),
        "rt_unknown.1.AAAA".to_owned(),
        text(&tokens, "access_token").to_owned(),
    ];
    for token in forged {
        assert_eq!(cli.refresh(&token, &[]).await.error(), (400, "invalid_grant".into()), "{token}");
    }
    cli.refresh(good, &[]).await.ok();
}

#[tokio::test]
async fn families_end_when_idle_or_after_their_life() {
    let app = r#"
  - { name: brief, type: oidc, clientID: brief, credentials: { secrets: ["SECRET"] }, redirectURLs: ["https://brief.example/cb"],
      defaultAudience: "https://tools.example/api", refreshToken: { lifetimeSeconds: 7200, idleTimeout: 45m } }
"#;
    let server = Setup::new().app(app).start().await;
    let brief = Client::confidential(&server, "brief", "https://brief.example/cb");
    let tokens = brief.tokens_for("ada", &[]).await;
    server.clock.advance(Duration::from_mins(45));
    assert_eq!(brief.refresh(text(&tokens, "refresh_token"), &[]).await.error().1, "invalid_grant");
    let mut tokens = brief.tokens_for("ada", &[]).await;
    for _ in 0..2 {
        server.clock.advance(Duration::from_mins(44));
        tokens = brief.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
    }
    server.clock.advance(Duration::from_mins(32));
    assert_eq!(brief.refresh(text(&tokens, "refresh_token"), &[]).await.error().1, "invalid_grant");
}

#[tokio::test]
async fn a_client_without_refresh_tokens_gets_none() {
    let app = r#"
  - { name: short, type: oidc, clientID: short, credentials: { secrets: ["SECRET"] }, redirectURLs: ["https://short.example/cb"],
      grantTypes: [authorization_code], defaultAudience: "https://tools.example/api" }
"#;
    let server = Setup::new().app(app).start().await;
    let short = Client::confidential(&server, "short", "https://short.example/cb");
    let tokens = short.tokens_for("ada", &[("scope", "openid offline_access")]).await;
    assert!(tokens.get("refresh_token").is_none());
    assert_eq!(short.refresh("rt_a.1.b", &[]).await.error().1, "invalid_grant");
}
