//! The list of models: what the caller may call, a page at a time.

use serde_json::{Value, json};

use crate::client::{Answer, ask, get};
use crate::gateway::{Gateway, Plan, TEAM_KEY};
use crate::provider::{Provider, Reply};

/// An id as other gateways have them.
const SLASHED: &str = "bedrock/us.anthropic.claude-opus-4-7:1";

/// `secret` and [`SLASHED`] are for ada alone.
const POLICY: &str = r#"default result := {"allowed": true}
result := {"allowed": false} if {
  input.request.llm.model in {"secret", "bedrock/us.anthropic.claude-opus-4-7:1"}
  input.user.id != "ada"
}"#;

async fn gateway() -> Gateway {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    Gateway::start(&provider, &Plan { policy: POLICY, ..Plan::default() }).await
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn each_caller_sees_what_they_may_call() {
    let gateway = gateway().await;
    assert_eq!(ids(&get(&gateway, "/v1/models").await), ["claude-opus", "alias", "twice"]);
    let bearer = format!("Bearer {}", gateway.token("ada"));
    let answer = ask(&gateway, "GET /v1/models", &[("authorization", &bearer)], b"").await;
    assert_eq!(ids(&answer), ["claude-opus", "alias", "twice", "secret", SLASHED]);
    let hidden = get(&gateway, "/v1/models/secret").await;
    let absent = get(&gateway, "/v1/models/absent").await;
    assert_eq!(hidden.error(), (404, "not_found_error".to_owned()));
    let words =
        |answer: &Answer, id: &str| answer.json()["error"]["message"].as_str().unwrap().replace(id, "ID");
    assert_eq!(words(&hidden, "secret"), words(&absent, "absent"), "hidden looks like absent");
    let shown = ask(&gateway, "GET /v1/models/secret", &[("authorization", &bearer)], b"").await;
    assert_eq!((shown.status, &shown.json()["id"]), (200, &json!("secret")));
    let records = gateway.records.at_least(5).await;
    assert!(records.iter().all(|record| record["event"] == "model.list"), "{records:#?}");
}

/// What is listed can be asked for by the id that it is listed under, escaped or not.
#[tokio::test]
async fn a_model_whose_id_has_a_slash_can_be_retrieved() {
    let gateway = gateway().await;
    let bearer = format!("Bearer {}", gateway.token("ada"));
    for path in [
        SLASHED.to_owned(),
        SLASHED.replace('/', "%2F").replace(':', "%3A"),
        SLASHED.replace('/', "%2f"),
        SLASHED.replace("us.", "%75s."),
    ] {
        let line = format!("GET /v1/models/{path}");
        let shown = ask(&gateway, &line, &[("authorization", &bearer)], b"").await;
        assert_eq!((shown.status, &shown.json()["id"]), (200, &json!(SLASHED)), "{path}");
        let hidden = ask(&gateway, &line, &[("x-api-key", TEAM_KEY)], b"").await;
        assert_eq!(hidden.error(), (404, "not_found_error".to_owned()), "{path}");
    }
    for (path, status) in [
        ("bedrock", 404),
        ("bedrock%2F", 404),
        ("bedrock/", 404),
        ("bedrock%2F%2Fus.anthropic.claude-opus-4-7:1", 400),
        ("x%2F..%2Fclaude-opus", 400),
        ("bedrock%252Fus.anthropic.claude-opus-4-7:1", 400),
    ] {
        let answer =
            ask(&gateway, &format!("GET /v1/models/{path}"), &[("authorization", &bearer)], b"").await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_model_is_described_as_the_api_does() {
    let gateway = gateway().await;
    let answer = get(&gateway, "/v1/models/claude-opus").await;
    let model = answer.json();
    assert_eq!(model["type"], "model");
    assert_eq!(model["display_name"], "Claude Opus");
    assert!(model["created_at"].as_str().is_some_and(|text| text.ends_with('Z')), "{model}");
    assert_eq!(ids(&get(&gateway, "/v1/models?limit=1").await), ["claude-opus"]);
    assert_eq!(get(&gateway, "/v1/models/claude%2Dopus").await.json()["id"], "claude-opus");
}

#[tokio::test]
async fn pages_lead_to_each_other_in_both_directions() {
    let gateway = gateway().await;
    let page = |answer: &Answer| {
        let json = answer.json();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        (ids(answer), json["has_more"] == Value::Bool(true), text("first_id"), text("last_id"))
    };
    let expected = |ids: &[&str], more: bool| {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let (first, last) = (ids.first().cloned(), ids.last().cloned());
        (ids, more, first, last)
    };
    for (query, ids, more) in [
        ("limit=2", vec!["claude-opus", "alias"], true),
        ("limit=2&after_id=alias", vec!["twice"], false),
        ("limit=1&after_id=claude-opus", vec!["alias"], true),
        ("after_id=twice", vec![], false),
        ("limit=1&before_id=twice", vec!["alias"], true),
        ("before_id=twice", vec!["claude-opus", "alias"], false),
        ("before_id=claude-opus", vec![], false),
        ("limit=1000&unknown=x", vec!["claude-opus", "alias", "twice"], false),
    ] {
        let answer = get(&gateway, &format!("/v1/models?{query}")).await;
        assert_eq!(page(&answer), expected(&ids, more), "{query}");
    }
    for query in
        ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "after_id=a&before_id=b", "after_id=secret"]
    {
        let answer = get(&gateway, &format!("/v1/models?{query}")).await;
        assert_eq!(answer.error(), (400, "invalid_request_error".to_owned()), "{query}");
    }
    assert_eq!(ask(&gateway, "HEAD /v1/models", &[("x-api-key", TEAM_KEY)], b"").await.status, 200);
}
