//! `id: "claude-*"`: whatever the provider serves is served, and listed as the provider lists it.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use gatehouse_testkit::log_capture::LogCapture;

use crate::client::{Answer, ask, get, message};
use crate::gateway::{Gateway, Plan, TEAM_KEY};
use crate::provider::{Provider, Reply, Seen};

const MODELS: &str = "    - { id: \"claude-*\", supports1m: true, routes: [{ app: first }] }\n\
    \x20   - { id: \"eu/claude-*\", routes: [{ app: second, model: \"vendor.claude-*\" }, { app: first, model: \"claude-*\" }] }\n";

const LIST: &str = r#"{"data":[
    {"type":"model","id":"claude-opus","display_name":"Theirs","created_at":"2026-02-03T00:00:00Z"},
    {"type":"model","id":"claude-new-7","display_name":"Claude New 7","created_at":"2026-05-06T00:00:00Z","max_input_tokens":1000000},
    {"type":"model","id":"other-1","display_name":"Other"},
    {"type":"model","id":"vendor.claude-eu-1","display_name":"Claude EU 1"}
],"has_more":false,"first_id":"claude-opus","last_id":"vendor.claude-eu-1"}"#;

const NO_MODEL: &str =
    r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"},"request_id":"r"}"#;

fn lists(seen: &Seen) -> Reply {
    if seen.head.starts_with("GET /prefix/v1/models?") || seen.head.starts_with("GET /v1/models?") {
        return Reply::json("200 OK", LIST);
    }
    Reply::json("200 OK", "{}")
}

async fn before(provider: &Provider) -> Gateway {
    Gateway::start(provider, &Plan { models: MODELS, ..Plan::default() }).await
}

fn asking(model: &str) -> Vec<u8> {
    json!({"model": model, "max_tokens": 9, "messages": []}).to_string().into_bytes()
}

fn ids(answer: &Answer) -> Vec<String> {
    let listed = answer.json()["data"].as_array().cloned().unwrap_or_else(|| panic!("{answer:?}"));
    listed.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn any_id_that_fits_reaches_the_provider_under_its_name_there() {
    let provider = Provider::start(lists).await;
    let gateway = before(&provider).await;
    for (model, theirs) in [
        ("claude-of-tomorrow-9", "claude-of-tomorrow-9"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("eu/claude-x", "vendor.claude-x"),
        ("alias", "vendor/claude-opus-4-7"),
    ] {
        assert_eq!(message(&gateway, &asking(model)).await.status, 200, "{model}");
        let body: serde_json::Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
        assert_eq!(body["model"], theirs);
        let record = gateway.records.all().pop().unwrap();
        assert_eq!(
            (&record["target"]["model"], &record["target"]["upstream_model"]),
            (&json!(model), &json!(theirs))
        );
    }
    let sent = provider.seen().len();
    for model in ["gpt-4", "claude-", "claude-*", "Claude-opus", "claude-a b", "claude-a\u{a0}"] {
        let answer = message(&gateway, &asking(model)).await;
        assert_eq!(answer.error(), (400, "invalid_request_error".to_owned()), "{model}");
    }
    assert_eq!(provider.seen().len(), sent, "what no pattern stands for reaches nobody");
}

#[tokio::test]
async fn what_the_provider_lists_is_listed() {
    let provider = Provider::start(lists).await;
    let gateway = before(&provider).await;
    let answer = get(&gateway, "/v1/models?limit=1000").await;
    let expected = [
        "claude-opus",
        "alias",
        "twice",
        "secret",
        "bedrock/us.anthropic.claude-opus-4-7:1",
        "claude-new-7",
        "eu/claude-eu-1",
        "eu/claude-opus",
        "eu/claude-new-7",
    ];
    assert_eq!(ids(&answer), expected);
    let list = answer.json();
    let of =
        |id: &str| list["data"].as_array().unwrap().iter().find(|model| model["id"] == id).cloned().unwrap();
    assert_eq!(
        of("claude-opus")["display_name"],
        "Claude Opus",
        "what is written out is said as it is written"
    );
    assert_eq!(
        of("claude-new-7"),
        json!({"type": "model", "id": "claude-new-7", "display_name": "Claude New 7", "created_at": "2026-05-06T00:00:00Z",
               "max_input_tokens": 1_000_000, "supports_1m": true})
    );
    assert_eq!(get(&gateway, "/v1/models/claude-new-7").await.json()["id"], "claude-new-7");
    for id in ["claude-*", "other-1", "claude-none"] {
        assert_eq!(get(&gateway, &format!("/v1/models/{id}")).await.status, 404, "{id}");
    }
    let asked: Vec<Seen> = provider.seen();
    assert_eq!(asked.len(), 2, "each account is asked once, not once for each caller");
    assert!(asked.iter().any(|seen| seen.header("x-api-key") == Some(crate::gateway::PROVIDER_KEY)));
    assert!(asked.iter().all(|seen| !seen.head.contains(TEAM_KEY)));
}

/// A listed model is one that the caller may call.
#[tokio::test]
async fn policy_decides_model_by_model() {
    let provider = Provider::start(lists).await;
    let policy = r#"default result := {"allowed": true}
result := {"allowed": false} if input.request.llm.model == "claude-new-7"
result := {"allowed": false} if input.route.app == "second""#;
    let gateway = Gateway::start(&provider, &Plan { policy, models: MODELS, ..Plan::default() }).await;
    let listed = ids(&get(&gateway, "/v1/models?limit=1000").await);
    assert!(!listed.contains(&"claude-new-7".to_owned()), "{listed:?}");
    assert!(listed.contains(&"eu/claude-new-7".to_owned()), "by the route that is open: {listed:?}");
    assert!(!listed.contains(&"eu/claude-eu-1".to_owned()), "only the closed route has it: {listed:?}");
    assert_eq!(message(&gateway, &asking("claude-new-7")).await.status, 403);
}

#[tokio::test]
async fn pages_of_the_provider_are_followed() {
    let pages = AtomicUsize::new(0);
    let provider = Provider::start(move |seen| {
        pages.fetch_add(1, Ordering::SeqCst);
        if seen.head.contains("after_id=claude%2Da") {
            return Reply::json(
                "200 OK",
                r#"{"data":[{"id":"claude-b"}],"has_more":true,"last_id":"claude-a"}"#,
            );
        }
        Reply::json("200 OK", r#"{"data":[{"id":"claude-a"}],"has_more":true,"last_id":"claude-a"}"#)
    })
    .await;
    let models = "    - { id: \"claude-*\", routes: [{ app: first }] }\n";
    let gateway = Gateway::start(&provider, &Plan { models, ..Plan::default() }).await;
    let listed = ids(&get(&gateway, "/v1/models").await);
    assert_eq!(listed[5..], ["claude-a".to_owned(), "claude-b".to_owned()]);
    assert_eq!(provider.seen().len(), 2, "a cursor that leads to itself ends the list");
}

/// Calls do not depend on lists, and other models are listed meanwhile.
#[tokio::test]
async fn a_provider_that_cannot_list_serves_all_the_same() {
    for answer in [
        Reply::json("404 None", "{}"),
        Reply::json("200 OK", "<html>"),
        Reply::json("200 OK", "{\"data\":{}}"),
    ] {
        let heard = LogCapture::here();
        let provider = Provider::start(move |seen| {
            if seen.head.starts_with("GET ") { answer.clone() } else { Reply::json("200 OK", "{}") }
        })
        .await;
        let models = "    - { id: \"claude-*\", routes: [{ app: first }] }\n";
        let gateway = Gateway::start(&provider, &Plan { models, ..Plan::default() }).await;
        for _ in 0..3 {
            let listed = ids(&get(&gateway, "/v1/models").await);
            assert_eq!(
                listed,
                ["claude-opus", "alias", "twice", "secret", "bedrock/us.anthropic.claude-opus-4-7:1"]
            );
        }
        assert_eq!(message(&gateway, &asking("claude-new-7")).await.status, 200);
        let lines = heard.from_info_up();
        let told: Vec<_> = lines
            .iter()
            .filter(|line| line.field("message") == "the models of a provider cannot be listed")
            .collect();
        assert_eq!((told.len(), told[0].field("app")), (1, "first"), "{lines:?}");
        assert!(!told[0].field("detail").is_empty());
    }
}

/// The client named a model that does not exist; nothing is wrong with the account, unless something else answers.
#[tokio::test]
async fn a_model_that_the_provider_does_not_have_is_the_clients_mistake() {
    let heard = LogCapture::here();
    let provider = Provider::always(Reply::json("404 None", NO_MODEL)).await;
    let gateway = before(&provider).await;
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        let headers = [("content-type", "application/json"), ("x-api-key", TEAM_KEY)];
        let answer = ask(&gateway, &format!("POST {path}"), &headers, &asking("claude-none")).await;
        assert_eq!(answer.error(), (400, "invalid_request_error".to_owned()));
        let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(said, "model: `claude-none` is not available through this gateway");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    assert!(gateway.records.at_least(2).await.iter().all(|record| record["reason"] == "model_unknown"));
    assert!(heard.from_info_up().iter().all(|line| line.level == "INFO"), "no alarm for what clients name");

    let answer = message(&gateway, &asking("eu/claude-none")).await;
    assert_eq!(answer.status, 400, "no route has it");
    let record = gateway.records.at_least(3).await.pop().unwrap();
    assert_eq!(record["attempts"].as_array().unwrap().len(), 2, "another provider may have it: {record}");

    let heard = LogCapture::here();
    let page = Provider::always(Reply::new("404 None", &[("content-type", "text/html")], b"<html>")).await;
    let answer = message(&before(&page).await, &asking("claude-none")).await;
    assert_eq!(answer.status, 502, "nobody there speaks the API");
    assert!(heard.from_info_up().iter().any(|line| line.level == "ERROR"));
}
