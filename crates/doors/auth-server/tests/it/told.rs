//! What an operator reads about a refusal: one line, which names the client and what was asked for.

use std::future::Future;
use std::time::Duration;

use serde_json::json;

use gatehouse_identity::clock::Clock as _;
use gatehouse_testkit::log_capture::{Line, LogCapture};

use crate::browser::Browser;
use crate::client::{Client, Proof, pairs, text};
use crate::idp::Idp;
use crate::server::{PASSWORD, Server, Setup};

/// Two clients that the frame does not have: one whose refresh tokens end soon, and one without a default audience.
const APPS: &str = r#"
  - { name: Brief, type: oidc, clientID: brief, public: true, redirectURLs: ["http://127.0.0.1/callback"],
      defaultAudience: "https://tools.example/api", authentication: { idps: [staff] },
      refreshToken: { lifetimeSeconds: 7200, idleTimeout: 1h } }
  - { name: Many, type: oidc, clientID: many, credentials: { secrets: ["SECRET"] }, grantTypes: [client_credentials],
      allowedAudiences: ["https://tools.example/api", "https://files.example/"] }
"#;

/// The one line that `act` causes.
async fn line_of<T>(heard: &LogCapture, act: impl Future<Output = T>) -> Line {
    let before = heard.from_info_up().len();
    act.await;
    let mut lines = heard.from_info_up().split_off(before);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

#[track_caller]
fn assert_names(line: &Line, message: &str, client: &str, reason: &str, parts: &[&str]) {
    let seen = (line.field("message"), line.field("client.id"), line.field("reason"));
    assert_eq!(seen, (message, client, reason), "{line:#?}");
    for part in parts {
        assert!(line.field("detail").contains(part), "no {part:?}: {line:#?}");
    }
    assert!(line.field("request.id").starts_with("req_") && !line.field("source.ip").is_empty(), "{line:#?}");
}

#[tokio::test]
async fn a_refused_token_request_is_one_line_that_names_the_client() {
    let server = Setup::new().app(APPS).start().await;
    let (portal, gateway) = (server.portal(), server.gateway());
    let many = Client::confidential(&server, "many", "");
    let heard = LogCapture::here();
    let own = |changes: &[(&str, &str)]| {
        let asked = [("grant_type", "client_credentials"), ("audience", "https://tools.example/api")];
        crate::client::changed(pairs(&asked), changes)
    };
    let message = "token request refused";

    let nobody = Client::confidential(&server, "nobody", "");
    let line = line_of(&heard, nobody.token(&own(&[]))).await;
    assert_names(&line, message, "nobody", "client_unknown", &["nobody"]);
    let line =
        line_of(&heard, gateway.with_proof(Proof::Post("an-old-secret".into())).token(&own(&[]))).await;
    assert_names(&line, message, "gateway", "invalid_client", &["none of the 2", "rotated"]);
    let line = line_of(&heard, gateway.with_proof(Proof::Nothing).token(&own(&[]))).await;
    assert_names(&line, message, "gateway", "invalid_client", &["no secret was sent"]);
    let line = line_of(&heard, portal.token(&own(&[]))).await;
    assert_names(
        &line,
        message,
        "portal",
        "unauthorized_client",
        &["asked for client_credentials", "grantTypes of the client: authorization_code, refresh_token"],
    );
    let line = line_of(&heard, gateway.token(&own(&[("grant_type", "password")]))).await;
    assert_names(&line, message, "gateway", "unsupported_grant_type", &["password"]);
    let line =
        line_of(&heard, gateway.token(&own(&[("audience", "https://nowhere.example/?k=s3cret")]))).await;
    assert_names(
        &line,
        message,
        "gateway",
        "invalid_target",
        &[
            "asked for `https://nowhere.example/`;",
            "possible: https://tools.example/api, https://files.example/",
        ],
    );
    let line = line_of(&heard, many.token(&own(&[("audience", "")]))).await;
    assert_names(
        &line,
        message,
        "many",
        "invalid_target",
        &["no resource was named", "https://files.example/"],
    );
    let line = line_of(&heard, gateway.token(&own(&[("scope", "no:such")]))).await;
    assert_names(&line, message, "gateway", "invalid_scope", &["asked for no:such", "ledger:read"]);
    let told = format!("{:?}", heard.from_info_up());
    assert!(!told.contains("s3cret") && !told.contains("an-old-secret"), "{told}");
}

#[tokio::test]
async fn a_refused_exchange_or_revocation_says_what_the_token_is_for() {
    let server = Server::start().await;
    let (portal, cli, gateway) = (server.portal(), server.cli(), server.gateway());
    let tokens = portal.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let access = text(&tokens, "access_token");
    let heard = LogCapture::here();
    let line = line_of(&heard, gateway.exchange(access, &[("scope", "ledger:read")])).await;
    let parts = [
        "cannot have ledger:read",
        "possible with this subject token",
        "client_id \"portal\"",
        "sub \"ada\"",
    ];
    assert_names(&line, "token request refused", "gateway", "exchange_scope", &parts);
    let line = line_of(&heard, cli.post("/oauth2/revoke", &pairs(&[("token", access)]))).await;
    assert_names(&line, "nothing was revoked", "cli", "token_not_of_client", &[]);
}

#[tokio::test]
async fn an_expired_refresh_token_names_whose_sign_in_is_over() {
    let server = Setup::new().app(APPS).start().await;
    let brief = Client::public(&server, "brief", "http://127.0.0.1:6000/callback");
    let heard = LogCapture::here();
    let day = Duration::from_hours(24);
    // Not used for an hour; used until its end; its row long expired, and swept before; and when nothing is left of it.
    let cases = [
        (vec![3600], "refresh_expired", "refreshToken.idleTimeout"),
        (vec![3000, 3000, 1200], "refresh_expired", "refreshToken.lifetimeSeconds"),
        (vec![29 * 86_400], "refresh_expired", "refreshToken.idleTimeout"),
        (vec![31 * 86_400], "refresh_unknown", "ended more than 30 days ago"),
    ];
    for (waits, reason, part) in cases {
        let tokens = brief.tokens_for("ada", &[]).await;
        let mut refresh = text(&tokens, "refresh_token").to_owned();
        let grant = server.claims(text(&tokens, "access_token"))["grant_id"].clone();
        let (last, between) = waits.split_last().unwrap();
        for wait in between {
            server.clock.advance(Duration::from_secs(*wait));
            refresh = text(&brief.refresh(&refresh, &[]).await.ok(), "refresh_token").to_owned();
        }
        server.clock.advance(Duration::from_secs(*last));
        server.store.maintenance().sweep(server.clock.now()).await.unwrap();
        let line = line_of(&heard, brief.refresh(&refresh, &[])).await;
        assert_names(&line, "token request refused", "brief", reason, &[part]);
        let (user, named) = match reason {
            "refresh_expired" => ("ada", grant.as_str().unwrap()),
            _ => ("", ""),
        };
        assert_eq!((line.field("user"), line.field("grant")), (user, named), "{line:#?}");
        let record = server.records.all().pop().unwrap();
        assert_eq!(
            (&record["reason"], &record["event"]),
            (&json!(reason), &json!("token.refresh")),
            "{record}"
        );
        server.clock.advance(day);
    }
}

#[tokio::test]
async fn a_refused_authorization_request_is_one_line_that_names_the_client() {
    let server = Server::start().await;
    let portal = server.portal();
    let heard = LogCapture::here();
    let message = "authorization request refused";
    let cases = [
        ("resource", "https://nowhere.example/", "invalid_target", "possible: http"),
        ("scope", "no:such", "invalid_scope", "possible: "),
        ("response_type", "token", "unsupported_response_type", "must be code"),
        ("code_challenge", "", "invalid_request", "code_challenge"),
        ("prompt", "none", "login_required", "nobody is signed in"),
    ];
    for (name, value, reason, part) in cases {
        let url = portal.authorization_url(&[(name, value)]);
        let line = line_of(&heard, async { Browser::new(&server).get(&url).await }).await;
        assert_names(&line, message, "portal", reason, &[part]);
    }
    let url = portal.authorization_url(&[("client_id", "nobody")]);
    let line = line_of(&heard, async { Browser::new(&server).get(&url).await }).await;
    assert_names(&line, "request refused", "nobody", "client_unknown", &["nobody"]);
}

#[tokio::test]
async fn what_a_person_or_a_provider_refuses_is_one_line_too() {
    let idp = Idp::start().await;
    let server = crate::federation::setup(&idp, "").start().await;
    let portal = server.portal();
    let heard = LogCapture::here();
    let mut browser = Browser::new(&server);
    let page = browser.visit(&portal.authorization_url(&[("scope", "tools:use")])).await;
    let line = line_of(&heard, async { browser.sign_in(&page, "ada", "wrong").await }).await;
    assert_names(&line, "sign-in refused", "portal", "password_wrong", &[]);
    assert_eq!(line.field("connector"), "staff");
    assert!(!line.field("grant").is_empty(), "{line:#?}");
    let consent = browser.sign_in(&page, "ada", PASSWORD).await;
    let line = line_of(&heard, async { browser.decide(&consent, "deny").await }).await;
    let parts = ["tools:use", "http"];
    assert_names(&line, "authorization request refused", "portal", "user_declined", &parts);
    assert_eq!(line.field("user"), "ada");
    let mut leg = crate::federation::Leg::begin(&server, &idp, &[]).await;
    let refused = [("code", ""), ("error", "access_denied"), ("error_description", "not in the group")];
    let line = line_of(&heard, async { leg.come_back(&refused).await }).await;
    let message = "identity provider refused a sign-in";
    assert_names(&line, message, "fed", "upstream_idp_refused", &["not in the group"]);
}

#[tokio::test]
async fn a_redirect_that_is_not_registered_is_told_by_its_parts() {
    let server = Server::start().await;
    let cases = [
        (
            server.portal(),
            "https://portal.example:8443/other?code=s3cret",
            ["differs in port: 8443, registered none; query", "https://portal.example:8443/other"],
            "It differs in port: 8443, registered none",
        ),
        (
            server.cli(),
            "http://localhost:29352/oauth/callback",
            [
                "differs in path: /oauth/callback, registered /callback",
                "http://localhost:29352/oauth/callback",
            ],
            "It differs in path: /oauth/callback, registered /callback",
        ),
        (
            server.portal(),
            "https://evil.example/other",
            ["differs in host: evil.example, registered portal.example", "https://evil.example/other"],
            "No address at this host is registered.",
        ),
    ];
    let heard = LogCapture::here();
    for (client, redirect, [detail, received], told) in cases {
        let url = client.with_redirect(redirect).authorization_url(&[]);
        let mut page = None;
        let line = line_of(&heard, async { page = Some(Browser::new(&server).get(&url).await) }).await;
        let (message, reason) = ("redirect_uri is not registered", "redirect_uri_unregistered");
        assert_names(&line, message, &client.id, reason, &[detail]);
        assert_eq!((line.level, line.field("redirect.received")), ("WARN", received));
        let name = if client.id == "portal" { "The-Portal" } else { "cli" };
        assert_eq!(line.field("client.name"), name);
        let page = page.unwrap();
        page.assert_page(400, told);
        page.assert_page(400, name);
    }
    let told = format!("{:?}", heard.from_info_up());
    assert!(!told.contains("s3cret"), "{told}");
}

/// Looking for documents in several places and signing in is nothing that somebody has to read of.
#[tokio::test]
async fn a_healthy_sign_in_writes_nothing_from_info_up() {
    let server = Server::start().await;
    let heard = LogCapture::here();
    let mut browser = Browser::new(&server);
    let looked_for = [
        "/.well-known/oauth-protected-resource/elsewhere",
        "/.well-known/openid-configuration/no/such/path",
        "/favicon.ico",
        "/apple-touch-icon-precomposed.png",
    ];
    for path in looked_for {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    let cli = server.cli();
    let tokens = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    cli.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
    assert_eq!(heard.from_info_up().len(), 0, "{:#?}", heard.from_info_up());
    let line = line_of(&heard, async { browser.get("/no/such/page").await }).await;
    assert_eq!(line.field("reason"), "route_unknown");
}

/// What a request without scope gets can be less than all, and the refresh token comes all the same [RFC 6749 §3.3].
#[tokio::test]
async fn a_request_without_scope_gets_the_default_scopes() {
    let app = r#"
  - { name: narrow, type: oidc, clientID: narrow, public: true, redirectURLs: ["http://127.0.0.1/callback"],
      defaultAudience: "https://tools.example/api", authentication: { idps: [staff] },
      customScopes: { scopes: [{ name: "tools:use" }, { name: "tools:admin" }] }, defaultScopes: ["tools:use"] }
  - { name: Batch, type: oidc, clientID: batch, credentials: { secrets: ["SECRET"] }, grantTypes: [client_credentials],
      defaultAudience: "https://tools.example/api",
      customScopes: { scopes: [{ name: "tools:use" }, { name: "tools:admin" }] }, defaultScopes: ["tools:admin", openid] }
"#;
    let server = Setup::new().app(app).start().await;
    let narrow = Client::public(&server, "narrow", "http://127.0.0.1:6000/callback");
    let tokens = narrow.tokens_for("ada", &[]).await;
    assert_eq!(tokens["scope"], "tools:use");
    let next = narrow.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
    assert_eq!(next["scope"], "tools:use");
    let asked = narrow.tokens_for("ada", &[("scope", "tools:admin openid")]).await;
    assert_eq!(asked["scope"], "openid tools:admin");
    // Without a user there are no scopes of a sign-in.
    let batch = Client::confidential(&server, "batch", "");
    let tokens = batch.token(&pairs(&[("grant_type", "client_credentials")])).await.ok();
    assert_eq!(tokens["scope"], "tools:admin");
    // All that a client may have, unless written, and the metadata says so.
    let tokens = server.cli().tokens_for("ada", &[]).await;
    assert_eq!(tokens["scope"], "email offline_access openid profile tools:admin tools:use");
    let metadata = Browser::new(&server).get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata["gatehouse_default_scope"].as_str().unwrap().contains("all that it may have"));
}

/// Whoever is refused by a policy holds the number under which an operator finds why.
#[tokio::test]
async fn a_denied_token_request_names_the_request() {
    let policy = r#"authentication: { idps: [staff] }
    authorization:
      tokenMinting:
        accessToken:
          policies:
            - name: nobody
              rego: |
                package orchestrator
                default result := {"allowed": false, "external_message": "Ask the desk.", "internal_message": "closed"}
  # A web application."#;
    let server =
        Setup::new().edit("authentication: { idps: [staff] }\n  # A web application.", policy).start().await;
    let cli = server.cli();
    let code = cli.code_for("ada", &[("scope", "tools:use")]).await;
    let heard = LogCapture::here();
    let mut answer = None;
    let line = line_of(&heard, async { answer = Some(cli.redeem(&code).await) }).await;
    assert_names(&line, "token request refused", "cli", "policy_denied", &["nobody", "closed"]);
    let answer = answer.unwrap();
    let (id, json) = (answer.header("request-id").unwrap().to_owned(), answer.json());
    assert_eq!((&json["error"], &json["request_id"]), (&json!("access_denied"), &json!(id)));
    assert_eq!(json["error_description"], format!("Ask the desk. (request {id})"));
    // Every other refusal says it too, in a member of its own.
    let answer = cli.redeem("no-such-code").await;
    assert_eq!(answer.json()["request_id"], answer.header("request-id").unwrap());
}
