//! Policies of model calls see the call as it will be made.

use crate::client::{ask, message, post};
use crate::gateway::{Gateway, Plan, TEAM_KEY};
use crate::provider::{Provider, Reply};

async fn ruled(policy: &str) -> (Provider, Gateway) {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::start(&provider, &Plan { policy, ..Plan::default() }).await;
    (provider, gateway)
}

#[tokio::test]
async fn a_denial_speaks_to_the_caller_in_one_voice_and_to_the_log_in_another() {
    let (provider, gateway) = ruled(
        r#"default result := {"allowed": false, "external_message": "Ask your lead.", "internal_message": "not on the list"}"#,
    )
    .await;
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        let answer = post(&gateway, path, &[("x-api-key", TEAM_KEY)], br#"{"model":"claude-opus"}"#).await;
        assert_eq!(answer.error(), (403, "permission_error".to_owned()));
        assert_eq!(answer.json()["error"]["message"], "Ask your lead.");
        assert!(!answer.text().contains("not on the list"));
    }
    assert!(provider.seen().is_empty());
    for record in gateway.records.at_least(2).await {
        assert_eq!(record["outcome"], "deny", "{record}");
        assert_eq!(record["policy"]["internal_message"], "not on the list");
        assert_eq!(record["policy"]["name"], "models");
    }
}

/// Each fact is right or the call is denied.
#[tokio::test]
async fn the_policy_sees_the_call_the_caller_and_the_route() {
    let (provider, gateway) = ruled(
        r#"default result := {"allowed": false}
result := {"allowed": true} if {
  input.request.llm.model == "alias"
  input.request.llm.stream == true
  input.request.llm.max_tokens == 9
  input.request.llm.tool_names == ["a", "b"]
  input.request.llm.api_version == "2026-10-21"
  input.request.llm.betas == ["one", "two"]
  input.request.llm.input_bytes > 100
  input.route.app == "first"
  input.route.provider == "anthropic"
  input.route.region == "eu-central-1"
  input.route.residency == "eu"
  input.user.id == "ada"
  input.user.groups == ["eng"]
  input.request.http.method == "POST"
  input.request.http.path == "/v1/messages"
}"#,
    )
    .await;
    let body = br#"{"model":"alias","stream":true,"max_tokens":9,"tools":[{"name":"a","input_schema":{}},{"name":"b"}],"messages":[]}"#;
    let bearer = format!("Bearer {}", gateway.token("ada"));
    let headers = [
        ("authorization", bearer.as_str()),
        ("anthropic-version", "2026-10-21"),
        ("anthropic-beta", "one, two"),
    ];
    let answer = post(&gateway, "/v1/messages", &headers, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(message(&gateway, body).await.status, 403, "the team is not ada");
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn a_route_that_policy_closes_is_passed_over() {
    let first = Provider::always(Reply::json("200 OK", "{\"from\":1}")).await;
    let second = Provider::always(Reply::json("200 OK", "{\"from\":2}")).await;
    let policy = "default result := {\"allowed\": true}\nresult := {\"allowed\": false} if input.route.app == \"first\"";
    let plan = Plan { policy, second: Some(&second), ..Plan::default() };
    let gateway = Gateway::start(&first, &plan).await;
    let body = br#"{"model":"twice","max_tokens":9,"messages":[]}"#;
    let answer = message(&gateway, body).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"from\":2}"));
    assert_eq!(message(&gateway, br#"{"model":"claude-opus"}"#).await.status, 403);
    assert!(first.seen().is_empty());
    let models = ask(&gateway, "GET /v1/models", &[("x-api-key", TEAM_KEY)], b"").await.json();
    assert_eq!(
        models["data"].as_array().unwrap().len(),
        1,
        "only what has an open route is listed: {models}"
    );
}

#[tokio::test]
async fn a_policy_that_fails_denies() {
    for policy in [
        "result := {\"allowed\": true} if input.nothing.there",
        "default result := {\"allowed\": \"yes\"}",
        "default result := true",
        "result := {\"allowed\": true}\nresult := {\"allowed\": false}",
    ] {
        let (provider, gateway) = ruled(policy).await;
        let answer = message(&gateway, br#"{"model":"claude-opus"}"#).await;
        assert_eq!(answer.error(), (403, "permission_error".to_owned()), "{policy}");
        assert!(provider.seen().is_empty());
    }
}

/// What goes to the provider in a second header must not escape the policy.
#[tokio::test]
async fn the_policy_sees_every_header_that_the_provider_gets() {
    let (provider, gateway) = ruled(
        "default result := {\"allowed\": true}\nresult := {\"allowed\": false} if \"forbidden\" in input.request.llm.betas",
    )
    .await;
    let body = br#"{"model":"claude-opus"}"#;
    for (betas, expected) in [
        (vec!["one", "two"], 200),
        (vec!["one", "two,forbidden"], 403),
        (vec!["one", "two", " forbidden "], 403),
        (vec!["one", "\u{e9}"], 400),
    ] {
        let mut headers = vec![("x-api-key", TEAM_KEY)];
        headers.extend(betas.iter().map(|beta| ("anthropic-beta", *beta)));
        assert_eq!(post(&gateway, "/v1/messages", &headers, body).await.status, expected, "{betas:?}");
    }
    let twice =
        [("x-api-key", TEAM_KEY), ("anthropic-version", "2023-06-01"), ("anthropic-version", "2026-10-21")];
    let answer = post(&gateway, "/v1/messages", &twice, body).await;
    assert_eq!(answer.error(), (400, "invalid_request_error".to_owned()));
    assert_eq!(provider.seen().len(), 1);
}
