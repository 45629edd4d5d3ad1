//! Resource indicators [RFC 8707].

use serde_json::json;

use crate::browser::Browser;
use crate::client::{changed, pairs, text};
use crate::server::Server;

const TOOLS: &str = "https://tools.example/api";

#[tokio::test]
async fn one_resource_becomes_the_audience() {
    let server = Server::start().await;
    let cli = server.cli();
    let own = server.url("/mcp");
    let upper = own.replacen("http://127.0.0.1", "HTTP://127.0.0.1", 1);
    for (resource, audience) in [
        (TOOLS, TOOLS),
        (own.as_str(), own.as_str()),
        (upper.as_str(), own.as_str()),
        ("HTTPS://TOOLS.example/api", TOOLS),
    ] {
        let tokens = cli.tokens_for("ada", &[("resource", resource)]).await;
        assert_eq!(server.claims(text(&tokens, "access_token"))["aud"], json!(audience), "{resource}");
    }
}

#[tokio::test]
async fn several_resources_may_be_narrowed_and_never_widened() {
    let server = Server::start().await;
    let cli = server.cli();
    let own = server.url("/mcp");
    let both = [("resource", TOOLS), ("resource", own.as_str())];
    let tokens = cli.tokens_for("ada", &both).await;
    assert_eq!(server.claims(text(&tokens, "access_token"))["aud"], json!([TOOLS, own]));

    let code = cli.code_for("ada", &both).await;
    let narrowed = changed(cli.redemption(&code), &[("resource", TOOLS)]);
    let tokens = cli.token(&narrowed).await.ok();
    assert_eq!(server.claims(text(&tokens, "access_token"))["aud"], TOOLS);
    // What was left out can still be had by refreshing, because it was authorized.
    let refresh = text(&tokens, "refresh_token");
    let next = cli.refresh(refresh, &[("resource", &own)]).await.ok();
    assert_eq!(server.claims(text(&next, "access_token"))["aud"], json!(own));
    let refused = cli.refresh(text(&next, "refresh_token"), &[("resource", "https://files.example/")]).await;
    assert_eq!(refused.error(), (400, "invalid_target".into()));
    let all = cli.refresh(text(&next, "refresh_token"), &[]).await.ok();
    assert_eq!(server.claims(text(&all, "access_token"))["aud"], json!([TOOLS, own]));

    let code = cli.code_for("ada", &[("resource", TOOLS)]).await;
    for resource in [own.as_str(), "https://files.example/", "https://unknown.example/"] {
        let widened = changed(cli.redemption(&code), &[("resource", resource)]);
        assert_eq!(cli.token(&widened).await.error(), (400, "invalid_target".into()), "{resource}");
    }
}

#[tokio::test]
async fn unknown_and_malformed_resources_are_refused_everywhere() {
    let server = Server::start().await;
    let targets = [
        "https://unknown.example/api",
        "https://tools.example/api/more",
        "https://tools.example/api?x=1",
        "https://tools.example.evil.example/api",
        "https://tools.example/api#fragment",
        "https://tools.example/api#",
        "tools",
        "/mcp",
    ];
    for resource in targets {
        let url = server.cli().authorization_url(&[("resource", resource)]);
        let answer = Browser::new(&server).get(&url).await;
        assert_eq!(answer.redirected_with("error").as_deref(), Some("invalid_target"), "{resource}");
        let asked = pairs(&[("grant_type", "client_credentials"), ("resource", resource)]);
        assert_eq!(
            server.gateway().token(&asked).await.error(),
            (400, "invalid_target".into()),
            "{resource}"
        );
    }
    // One bad target among good ones spoils the request.
    let url =
        server.cli().authorization_url(&[("resource", TOOLS), ("resource", "https://unknown.example/")]);
    let answer = Browser::new(&server).get(&url).await;
    assert_eq!(answer.redirected_with("error").as_deref(), Some("invalid_target"));
}
