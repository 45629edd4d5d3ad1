//! The authorization endpoint: what it accepts, where it answers, and what it never redirects.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::answer::{form, parameters, send};
use crate::browser::Browser;
use crate::client::{CHALLENGE, Client, pairs};
use crate::server::{Server, Setup};

/// `state` values that must come back untouched.
const STATES: [&str; 6] = [
    "simple",
    "a&b=c#d?e",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "ünïcödé ☃ \u{1F980}",
    "plus+and space",
    "%00%25&iss=https://evil.example",
];

#[tokio::test]
async fn success_carries_code_state_and_issuer() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    for state in STATES {
        let url = portal.authorization_url(&[("state", state)]);
        let answer = browser.approve_as("ada", &url).await;
        assert!(answer.location().starts_with("https://portal.example/cb?env=1&"), "{answer:#?}");
        let redirected = answer.redirected();
        let values = |name: &str| {
            redirected
                .iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(values("state"), [state]);
        assert_eq!(values("iss"), [server.issuer.as_str()]);
        assert_eq!(values("code").len(), 1);
        // 256 bits.
        assert_eq!(values("code")[0].len(), 43);
    }
}

#[tokio::test]
async fn errors_go_to_a_registered_redirect_with_state_and_issuer() {
    let server = Server::start().await;
    let cases: [(&str, &str, &str); 16] = [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "too-short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("scope", "openid no-such-scope", "invalid_scope"),
        ("scope", "ledger:read", "invalid_scope"),
        ("resource", "https://unknown.example/", "invalid_target"),
        ("resource", "not-absolute", "invalid_target"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported"),
        ("request_uri", "https://evil.example/r", "request_uri_not_supported"),
    ];
    for client in [server.portal(), server.cli()] {
        for (name, value, expected) in cases {
            for state in STATES {
                let url = client.authorization_url(&[(name, value), ("state", state)]);
                let answer = Browser::new(&server).get(&url).await;
                assert!(answer.location().starts_with(&client.redirect), "{name}={value}: {answer:#?}");
                let with = |key: &str| answer.redirected_with(key);
                assert_eq!(with("error").as_deref(), Some(expected), "{name}={value}");
                assert_eq!(with("state").as_deref(), Some(state), "{name}={value}");
                assert_eq!(with("iss").as_deref(), Some(server.issuer.as_str()), "{name}={value}");
                assert!(with("error_description").is_some() && with("code").is_none());
            }
        }
    }
}

#[tokio::test]
async fn without_a_proven_redirect_there_is_a_page_and_no_redirect() {
    let server = Server::start().await;
    let portal = server.portal();
    let cases = [
        ("client_id", "nobody"),
        ("client_id", ""),
        ("client_id", "https://evil.example/client.json"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "https://portal.example/cb"),
        ("redirect_uri", "https://portal.example/cb?env=1&x"),
        ("redirect_uri", "https://portal.example/cb?env=1#"),
        ("redirect_uri", "https://portal.example/cb/../cb?env=1"),
        ("redirect_uri", "https://portal.example:443/cb?env=1"),
        ("redirect_uri", "https://PORTAL.example/cb?env=1"),
        ("redirect_uri", "https://portal.example@evil.example/cb?env=1"),
        ("redirect_uri", "https://evil.example\\@portal.example/cb?env=1"),
        ("redirect_uri", "https://portal.example/cb%3Fenv=1"),
        ("redirect_uri", "https://portal.example/other/"),
        ("redirect_uri", "http://portal.example/cb?env=1"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", "JaVaScRiPt:alert(1)"),
        ("redirect_uri", "data:text/html,<script>alert(1)</script>"),
        ("redirect_uri", "\"><script>alert(1)</script>"),
    ];
    for (name, value) in cases {
        let answer = Browser::new(&server).get(&portal.authorization_url(&[(name, value)])).await;
        answer.assert_page(400, "This does not work");
        assert_eq!(answer.header("location"), None, "{name}={value}");
        assert!(!answer.text.contains("<script"), "unescaped: {name}={value}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_page_and_the_record_name_what_was_received() {
    let server = Server::start().await;
    let url = server.portal().authorization_url(&[("redirect_uri", "https://portal.example/CB?env=1")]);
    let answer = Browser::new(&server).get(&url).await;
    answer.assert_page(400, "https://portal.example/CB?env=1");
    let record = server.records.with_reason("redirect_uri_unregistered").await;
    assert_eq!(record["event"], "authorization.request");
}

/// The port of a loopback redirect is free for public clients, and only for them [§3.5].
#[tokio::test]
async fn loopback_ports_are_free_for_public_clients_only() {
    let native = r#"
  - { name: native-secret, type: oidc, clientID: native-secret, credentials: { secrets: ["SECRET"] },
      redirectURLs: ["http://127.0.0.1/callback"], allowedAudiences: ["https://tools.example/api"],
      defaultAudience: "https://tools.example/api" }
"#;
    let server = Setup::new().app(native).start().await;
    let accepted = [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/callback",
        "http://localhost:29352/callback",
        "http://localhost:4000/callback",
        "http://localhost/callback",
    ];
    for redirect in accepted {
        let answer = Browser::new(&server)
            .approve_as("ada", &server.cli().with_redirect(redirect).authorization_url(&[]))
            .await;
        assert!(answer.location().starts_with(&format!("{redirect}?code=")), "{redirect}: {answer:#?}");
    }
    let refused = [
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:80x/callback",
        "http://127.0.0.1:50123/callback/",
        "http://127.0.0.1:50123/callback?x",
        "http://127.0.0.1:50123@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.2/callback",
        "http://0x7f.1/callback",
        "http://2130706433/callback",
        "http://[::1]/callback",
        "http://[::ffff:127.0.0.1]/callback",
        "http://localhost./callback",
        "http://LOCALHOST/callback",
        "http://localhost:80@evil.example/callback",
        "https://127.0.0.1/callback",
    ];
    for redirect in refused {
        let url = server.cli().with_redirect(redirect).authorization_url(&[]);
        let answer = Browser::new(&server).get(&url).await;
        answer.assert_page(400, "not registered");
    }
    let confidential = Client::confidential(&server, "native-secret", "http://127.0.0.1:50123/callback");
    let answer = Browser::new(&server).get(&confidential.authorization_url(&[])).await;
    answer.assert_page(400, "not registered");
    let exact = confidential.with_redirect("http://127.0.0.1/callback");
    exact.tokens_for("ada", &[]).await;
}

#[tokio::test]
async fn repeated_parameters_are_refused_except_targets() {
    let server = Server::start().await;
    let portal = server.portal();
    for name in ["client_id", "redirect_uri", "scope", "state", "code_challenge", "unknown"] {
        let url = format!("{}&{name}=a&{name}=b", portal.authorization_url(&[]));
        let answer = Browser::new(&server).get(&url).await;
        answer.assert_page(400, "is repeated");
    }
    let url = portal
        .authorization_url(&[("resource", "https://tools.example/api"), ("resource", &server.url("/mcp"))]);
    assert!(Browser::new(&server).approve_as("ada", &url).await.redirected_with("code").is_some());
}

#[tokio::test]
async fn unknown_parameters_are_ignored_and_optional_ones_do_no_harm() {
    let server = Server::start().await;
    let extra = [
        ("foo", "bar"),
        ("login_hint", "mallory@example.com"),
        ("ui_locales", "de-AT en"),
        ("acr_values", "urn:x urn:y"),
        ("display", "popup"),
        ("claims", r#"{"id_token":{"email":null}}"#),
        ("access_type", "offline"),
    ];
    server.portal().tokens_for("ada", &extra).await;
}

#[tokio::test]
async fn requests_may_be_posted() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.post("/oauth2/auth", &server.portal().request()).await;
    let page = browser.follow(page).await;
    page.assert_page(200, "Sign in");
    // What stands in the URL of a posted request does not count.
    let path = format!("/oauth2/auth?{}", form(&server.portal().request()));
    Browser::new(&server).post(&path, &pairs(&[("x", "y")])).await.assert_page(400, "client_id");
}

#[tokio::test]
async fn no_page_of_another_site_may_read_or_frame_ours() {
    let server = Server::start().await;
    let url = server.portal().authorization_url(&[]);
    let request = Request::get(&url)
        .header("host", server.address.to_string())
        .header("origin", "https://evil.example")
        .body(Full::<Bytes>::default())
        .unwrap();
    assert_eq!(send(server.address, request).await.header("access-control-allow-origin"), None);
    let page = Browser::new(&server).visit(&url).await;
    assert_eq!(page.header("access-control-allow-origin"), None);
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let policy = page.header("content-security-policy").unwrap();
    for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!page.text.contains("<script"));
}

/// Only an operator's own registration may leave the redirect out, and only with one registered.
#[tokio::test]
async fn a_sole_registered_redirect_stands_in_for_a_missing_one() {
    let sole = r#"
  - { name: sole, type: oidc, clientID: sole, credentials: { secrets: ["SECRET"] },
      redirectURLs: ["https://sole.example/cb"], defaultAudience: "https://tools.example/api" }
"#;
    let server = Setup::new().app(sole).start().await;
    let client = Client::confidential(&server, "sole", "https://sole.example/cb");
    let url = client.authorization_url(&[("redirect_uri", "")]);
    let answer = Browser::new(&server).approve_as("ada", &url).await;
    assert!(answer.location().starts_with("https://sole.example/cb?"));
    let code = answer.redirected_with("code").unwrap();
    let without = pairs(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", crate::client::VERIFIER),
    ]);
    client.token(&without).await.ok();
}

/// A request that names neither scope nor resource gets the client's defaults, and is told which.
#[tokio::test]
async fn scope_and_resource_have_defaults_that_are_stated() {
    let server = Server::start().await;
    let tokens = server.portal().tokens_for("ada", &[]).await;
    let scope = tokens["scope"].as_str().unwrap();
    assert!(scope.split(' ').any(|scope| scope == "tools:use"), "{scope}");
    let claims = server.claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], server.url("/mcp"));
    assert_eq!(claims["scope"], scope);
}

/// Asking for everything in `scopes_supported` is safe: what is not for this client is left out.
#[tokio::test]
async fn all_supported_scopes_may_be_asked_for() {
    let server = Server::start().await;
    let all = "openid profile email offline_access tools:use tools:admin ledger:read";
    let tokens = server.portal().tokens_for("ada", &[("scope", all)]).await;
    let mut granted: Vec<_> = tokens["scope"].as_str().unwrap().split(' ').collect();
    granted.sort_unstable();
    assert_eq!(granted, ["email", "offline_access", "openid", "profile", "tools:use"]);
}

#[tokio::test]
async fn a_client_without_the_grant_cannot_start_it() {
    let app = r#"
  - { name: robot, type: oidc, clientID: robot, credentials: { secrets: ["SECRET"] }, grantTypes: [client_credentials],
      redirectURLs: ["https://robot.example/cb"], defaultAudience: "https://tools.example/api" }
"#;
    let server = Setup::new().app(app).start().await;
    let robot = Client::confidential(&server, "robot", "https://robot.example/cb");
    let answer = Browser::new(&server).get(&robot.authorization_url(&[])).await;
    assert_eq!(answer.redirected_with("error").as_deref(), Some("unauthorized_client"));
}

#[tokio::test]
async fn too_many_or_too_long_parameters_are_refused() {
    let server = Server::start().await;
    let portal = server.portal();
    let url = (0..80).fold(portal.authorization_url(&[]), |url, number| format!("{url}&p{number}=x"));
    Browser::new(&server).get(&url).await.assert_page(400, "64 parameters");
    let long = "n".repeat(2049);
    let answer = Browser::new(&server).get(&portal.authorization_url(&[("nonce", &long)])).await;
    assert_eq!(answer.redirected_with("error").as_deref(), Some("invalid_request"));
    assert_eq!(parameters(&portal.authorization_url(&[]))[4].1, CHALLENGE);
}
