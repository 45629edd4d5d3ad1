//! Headers pass by list, both ways; credentials never do.

use crate::client::{ask, post};
use crate::gateway::{Gateway, PROVIDER_KEY, TEAM_KEY};
use crate::provider::{Provider, Reply};

const ASK: &[u8] = br#"{"model":"claude-opus","max_tokens":9,"messages":[]}"#;

#[tokio::test]
async fn the_provider_gets_what_it_needs_and_nothing_about_who_asks() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let bearer = format!("Bearer {}", gateway.token("ada"));
    let headers = [
        ("anthropic-version", "2026-10-21"),
        ("anthropic-beta", "one-2026-01-01,two"),
        ("anthropic-beta", "three"),
        ("user-agent", "claude-cli/2"),
        ("x-app", "cli"),
        ("x-claude-code-session-id", "s-1"),
        ("x-stainless-lang", "js"),
        ("accept", "application/json"),
        ("authorization", &bearer),
        ("x-api-key", "placeholder"),
        ("cookie", "session=canary"),
        ("proxy-authorization", "Basic canary"),
        ("x-goog-api-key", "canary"),
        ("anthropic-workspace-id", "canary"),
        ("anthropic-api-key", "canary"),
        ("anthropic-admin-key", "canary"),
        ("anthropic-future", "canary"),
        ("x-claude-token", "canary"),
        ("x-stainless-token", "canary"),
        ("x-forwarded-for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
        ("x-real-ip", "203.0.113.7"),
        ("via", "1.1 canary"),
        ("x-internal-user", "canary"),
        ("accept-encoding", "gzip, br"),
        ("te", "trailers"),
        ("connection", "x-stainless-lang"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    assert_eq!(post(&gateway, "/v1/messages?beta=true", &headers, ASK).await.status, 200);
    let seen = provider.only();
    for (name, value) in [
        ("anthropic-version", "2026-10-21"),
        ("user-agent", "claude-cli/2"),
        ("x-app", "cli"),
        ("x-claude-code-session-id", "s-1"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
        ("x-api-key", PROVIDER_KEY),
        ("host", &provider.address.to_string()),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let betas: Vec<_> = seen.head.lines().filter(|line| line.starts_with("anthropic-beta:")).collect();
    assert_eq!(betas, ["anthropic-beta: one-2026-01-01,two", "anthropic-beta: three"]);
    let mut names = seen.names();
    names.sort();
    names.dedup();
    let known = [
        "accept",
        "accept-encoding",
        "anthropic-beta",
        "anthropic-version",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-api-key",
        "x-app",
        "x-claude-code-session-id",
        "x-stainless-lang",
    ];
    assert_eq!(names, known);
    for secret in ["canary", "203.0.113.7", gateway.token("ada").split('.').nth(1).unwrap(), "placeholder"] {
        assert!(!seen.head.contains(secret), "{secret} in {}", seen.head);
    }
}

#[tokio::test]
async fn an_account_with_a_bearer_token_gets_that() {
    let provider = Provider::always(Reply::json("503 Down", "{}")).await;
    let second = Provider::always(Reply::json("200 OK", "{}")).await;
    let plan = crate::gateway::Plan { second: Some(&second), ..Default::default() };
    let gateway = Gateway::start(&provider, &plan).await;
    let body = br#"{"model":"twice","max_tokens":9,"messages":[]}"#;
    assert_eq!(post(&gateway, "/v1/messages", &[("x-api-key", TEAM_KEY)], body).await.status, 200);
    let seen = second.only();
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    assert_eq!(seen.header("x-api-key"), None);
}

#[tokio::test]
async fn the_client_gets_what_it_needs_and_nothing_about_the_account() {
    let headers = [
        ("content-type", "application/json"),
        ("request-id", "req_theirs"),
        ("anthropic-ratelimit-requests-remaining", "7"),
        ("anthropic-organization-id", "canary"),
        ("cache-control", "no-store"),
        ("x-should-retry", "true"),
        ("set-cookie", "canary=1"),
        ("server", "canary"),
        ("cf-ray", "canary"),
        ("x-envoy-upstream-service-time", "canary"),
        ("strict-transport-security", "canary"),
        ("www-authenticate", "canary"),
        ("keep-alive", "timeout=5"),
    ];
    let provider = Provider::always(Reply::new("200 OK", &headers, b"{}")).await;
    let gateway = Gateway::before(&provider).await;
    let answer = post(&gateway, "/v1/messages", &[("x-api-key", TEAM_KEY)], ASK).await;
    let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let known = [
        "anthropic-ratelimit-requests-remaining",
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "date",
        "request-id",
        "x-should-retry",
        "x-upstream-request-id",
    ];
    assert_eq!(names, known);
    assert_eq!(answer.header("x-upstream-request-id"), Some("req_theirs"));
    assert_eq!(answer.header("request-id"), gateway.records.only().await["request"]["id"].as_str());
    assert!(!format!("{answer:?}").contains("canary"));
}

#[tokio::test]
async fn the_provider_is_told_once_what_the_body_is() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let key = ("x-api-key", TEAM_KEY);
    for more in ["application/json", "APPLICATION/JSON; charset=utf-7", "application/json;charset=utf-8"] {
        let headers = [key, ("content-type", more)];
        assert_eq!(post(&gateway, "/v1/messages", &headers, ASK).await.status, 200, "{more}");
    }
    for seen in provider.seen() {
        let types: Vec<_> = seen.head.lines().filter(|line| line.starts_with("content-type:")).collect();
        assert_eq!(types, ["content-type: application/json"]);
    }
    for other in ["text/plain", "", "application/json, text/plain", "application/x-www-form-urlencoded"] {
        let headers = [key, ("content-type", other)];
        let answer = post(&gateway, "/v1/messages", &headers, ASK).await;
        assert_eq!(answer.error(), (415, "invalid_request_error".to_owned()), "{other}");
    }
    let twice = [key, ("content-type", "application/json"), ("content-type", "application/json")];
    let answer = post(&gateway, "/v1/messages", &twice, ASK).await;
    assert_eq!(answer.error(), (400, "invalid_request_error".to_owned()), "said twice, even if the same");
    assert_eq!(provider.seen().len(), 3);
}

#[tokio::test]
async fn nobody_may_keep_an_answer_unless_the_provider_says_so() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let key = ("x-api-key", TEAM_KEY);
    let json = ("content-type", "application/json");
    for line in [
        "POST /v1/messages",
        "POST /v1/messages/count_tokens",
        "GET /v1/models",
        "GET /v1/models/claude-opus",
        "GET /api/hello",
    ] {
        let answer = ask(&gateway, line, &[key, json], ASK).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{line}");
    }
    let page = [("content-type", "text/html"), ("cache-control", "public, max-age=60")];
    let balancer = Provider::always(Reply::new("400 Bad", &page, b"<html>")).await;
    let answer = post(&Gateway::before(&balancer).await, "/v1/messages", &[key], ASK).await;
    assert_eq!(answer.error().0, 400);
    let own = [("content-type", "application/json"), ("cache-control", "no-cache")];
    let provider = Provider::always(Reply::new("200 OK", &own, b"{}")).await;
    let answer = post(&Gateway::before(&provider).await, "/v1/messages", &[key], ASK).await;
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn hello_answers_anybody() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    gateway.records.fill(true);
    for line in ["GET /api/hello", "HEAD /api/hello"] {
        let answer = ask(&gateway, line, &[], b"").await;
        assert_eq!(answer.status, 200, "{line}");
        assert!(answer.header("request-id").is_some());
    }
    assert!(provider.seen().is_empty());
}
