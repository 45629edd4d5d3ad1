//! Redeeming authorization codes.

use std::time::Duration;

use serde_json::json;

use crate::client::{Parameters, Proof, changed, pairs, text};
use crate::server::{SECRET, Server};

#[tokio::test]
async fn public_and_confidential_clients_redeem_codes() {
    let server = Server::start().await;
    let portal = server.portal();
    let clients = [server.cli(), portal.clone(), portal.with_proof(Proof::Post(SECRET.into()))];
    for client in clients {
        let code = client.code_for("ada", &[("scope", "openid tools:use"), ("nonce", "n-1")]).await;
        let answer = client.redeem(&code).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let tokens = answer.ok();
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 900);
        assert_eq!(tokens["scope"], "openid tools:use");
        assert!(text(&tokens, "refresh_token").starts_with("rt_"));
        let access = server.claims(text(&tokens, "access_token"));
        let now = 1_800_000_000;
        assert_eq!(access["iss"], json!(server.issuer));
        assert_eq!(access["sub"], "ada");
        assert_eq!(access["aud"], json!(server.url("/mcp")));
        assert_eq!(access["client_id"], json!(client.id));
        assert_eq!(access["scope"], "openid tools:use");
        assert_eq!((&access["iat"], &access["exp"]), (&json!(now), &json!(now + 900)));
        assert_eq!((&access["auth_time"], &access["amr"]), (&json!(now), &json!(["pwd"])));
        assert!(access["jti"].as_str().unwrap().len() >= 20);
        assert!(access.get("act").is_none());
        let id = server.claims(text(&tokens, "id_token"));
        assert_eq!((&id["sub"], &id["aud"], &id["nonce"]), (&json!("ada"), &json!(client.id), &json!("n-1")));
    }
}

#[tokio::test]
async fn without_openid_there_is_no_id_token() {
    let server = Server::start().await;
    let tokens = server.cli().tokens_for("ada", &[("scope", "tools:use")]).await;
    assert!(tokens.get("id_token").is_none());
}

/// Who cannot prove that the code is theirs changes nothing: the owner can still redeem it.
#[tokio::test]
async fn a_wrong_redemption_neither_works_nor_consumes() {
    let server = Server::start().await;
    let (portal, cli) = (server.portal(), server.cli());
    let code = portal.code_for("ada", &[]).await;
    let good = portal.redemption(&code);
    let wrong: [(&[(&str, &str)], &str); 6] = [
        (&[("code_verifier", "")], "invalid_grant"),
        (&[("code_verifier", "x")], "invalid_grant"),
        (&[("code_verifier", "aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")], "invalid_grant"),
        (&[("code_verifier", crate::client::CHALLENGE)], "invalid_grant"),
        (&[("redirect_uri", "https://portal.example/other")], "invalid_grant"),
        (&[("resource", "https://tools.example/api")], "invalid_target"),
    ];
    for (changes, expected) in wrong {
        let answer = portal.token(&changed(good.clone(), changes)).await;
        assert_eq!(answer.error(), (400, expected.to_owned()), "{changes:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(cli.token(&good).await.error(), (400, "invalid_grant".into()));
    let thief = portal.with_proof(Proof::Basic("guess".into()));
    assert_eq!(thief.token(&good).await.error(), (401, "invalid_client".into()));
    let thief = portal.with_proof(Proof::Nothing);
    assert_eq!(thief.token(&good).await.error(), (401, "invalid_client".into()));
    portal.token(&good).await.ok();
}

#[tokio::test]
async fn codes_live_for_a_minute() {
    let server = Server::start().await;
    let portal = server.portal();
    let (late, just) = (portal.code_for("ada", &[]).await, portal.code_for("ada", &[]).await);
    server.clock.advance(Duration::from_secs(59));
    portal.redeem(&just).await.ok();
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(portal.redeem(&late).await.error(), (400, "invalid_grant".into()));
}

/// Two parties hold the code: everything that came from it ends.
#[tokio::test]
async fn a_second_redemption_revokes_what_the_first_got() {
    let server = Server::start().await;
    let (portal, gateway) = (server.portal(), server.gateway());
    let code = portal.code_for("ada", &[("scope", "openid tools:use")]).await;
    let tokens = portal.redeem(&code).await.ok();
    let exchanged = gateway.exchange(text(&tokens, "access_token"), &[]).await.ok();
    server.clock.advance(Duration::from_secs(3));
    assert_eq!(portal.redeem(&code).await.error(), (400, "invalid_grant".into()));
    let record = server.records.with_reason("code_reused").await;
    assert_eq!(record["event"], "token.theft");
    assert_eq!(portal.refresh(text(&tokens, "refresh_token"), &[]).await.error().1, "invalid_grant");
    for (client, token) in [(&portal, &tokens), (&gateway, &exchanged)] {
        let asked = pairs(&[("token", text(token, "access_token"))]);
        assert_eq!(client.post("/oauth2/introspect", &asked).await.ok(), json!({ "active": false }));
    }
    assert_eq!(gateway.exchange(text(&tokens, "access_token"), &[]).await.error().1, "invalid_request");
}

/// A network that sends a request twice is not a thief [§3.4].
#[tokio::test]
async fn a_second_redemption_at_once_is_refused_and_revokes_nothing() {
    let server = Server::start().await;
    let portal = server.portal();
    let code = portal.code_for("ada", &[]).await;
    let tokens = portal.redeem(&code).await.ok();
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(portal.redeem(&code).await.error(), (400, "invalid_grant".into()));
    portal.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
}

#[tokio::test]
async fn a_failed_second_redemption_revokes_nothing() {
    let server = Server::start().await;
    let (portal, cli) = (server.portal(), server.cli());
    let code = portal.code_for("ada", &[]).await;
    let tokens = portal.redeem(&code).await.ok();
    server.clock.advance(Duration::from_secs(10));
    let good = portal.redemption(&code);
    let wrong = changed(good.clone(), &[("code_verifier", "aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")]);
    assert_eq!(portal.token(&wrong).await.error().1, "invalid_grant");
    assert_eq!(cli.token(&good).await.error().1, "invalid_grant");
    portal.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_redemptions_one_wins() {
    let server = Server::start().await;
    let cli = server.cli();
    let code = cli.code_for("ada", &[("scope", "tools:use")]).await;
    let mut redemptions = Vec::new();
    for _ in 0..64 {
        redemptions.push(cli.redeem(&code));
    }
    let answers = futures(redemptions).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|answer| answer.error() == (400, "invalid_grant".into())));
    // The winner keeps what it got.
    cli.refresh(text(&won[0].json(), "refresh_token"), &[]).await.ok();
}

#[tokio::test]
async fn token_requests_are_posted_forms() {
    let server = Server::start().await;
    let portal = server.portal();
    let code = portal.code_for("ada", &[]).await;
    let good = portal.redemption(&code);
    let repeated = |name: &str| -> Parameters {
        let mut parameters = good.clone();
        parameters.push((name.into(), "other".into()));
        parameters
    };
    for name in ["code", "grant_type", "code_verifier", "redirect_uri"] {
        assert_eq!(portal.token(&repeated(name)).await.error(), (400, "invalid_request".into()), "{name}");
    }
    let in_url = portal.post("/oauth2/token?code=x", &good).await;
    assert_eq!(in_url.error(), (400, "invalid_request".into()));
    server.records.with_reason("parameters_in_url").await;
    for (change, expected) in [
        (("grant_type", ""), "invalid_request"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), "unsupported_grant_type"),
        (("grant_type", "client_credentials"), "unauthorized_client"),
        (("code", ""), "invalid_request"),
        (("code", "unknown"), "invalid_grant"),
    ] {
        let answer = portal.token(&changed(good.clone(), &[change])).await;
        assert_eq!(answer.error(), (400, expected.to_owned()), "{change:?}");
    }
    let mut long = good.clone();
    long.push(("filler".into(), "x".repeat(70_000)));
    let answer = portal.token(&long).await;
    assert!(matches!(answer.status, 400 | 413), "{answer:#?}");
    portal.token(&good).await.ok();
}

#[tokio::test]
async fn other_media_types_and_methods_are_refused() {
    use http::Request;
    use http_body_util::Full;

    let server = Server::start().await;
    let host = server.address.to_string();
    for (media_type, body) in [("application/json", "{}"), ("", "a=b"), ("multipart/form-data", "a=b")] {
        let request = Request::post("/oauth2/token").header("host", &host).header("content-type", media_type);
        let answer = crate::answer::send(server.address, request.body(Full::from(body)).unwrap()).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{media_type}");
    }
    let request = Request::get("/oauth2/token").header("host", &host).body(Full::default()).unwrap();
    let answer = crate::answer::send(server.address, request).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// Runs them all at the same time.
async fn futures<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, slot) in pending.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(done.drain(..).flatten().collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}
