use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use gatehouse_identity::secret::Secret;
use gatehouse_llm::anthropic::stream::{StreamEnd, StreamSummary, UsageScanner};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{ProviderState, TrafficLog, router};

const PLAIN: &[(&str, &str)] = &[("x-api-key", "key"), ("anthropic-version", "2023-06-01")];

fn provider() -> Arc<ProviderState> {
    Arc::new(ProviderState::new(Secret::new("key".into()), Arc::new(TrafficLog::default())))
}

async fn post(path: &str, headers: &[(&str, &str)], body: &Value) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    let (head, body) = router(provider()).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    (head.status, head.headers, String::from_utf8(body).unwrap())
}

fn ask(model: &str, text: &str, stream: bool) -> Value {
    json!({
        "model": model, "max_tokens": 100, "stream": stream,
        "tools": [{ "name": "Bash" }, { "name": "mcp__gw__ledger_getAccount" }],
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": text }] }],
    })
}

async fn message(body: &Value) -> Value {
    let (status, _, text) = post("/v1/messages", PLAIN, body).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn stream(model: &str, text: &str) -> (String, StreamSummary) {
    let (status, headers, text) = post("/v1/messages?beta=true", PLAIN, &ask(model, text, true)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let mut scanner = UsageScanner::new();
    scanner.push(text.as_bytes());
    (text, scanner.finish())
}

#[tokio::test]
async fn a_greeting_streams_in_the_order_of_the_api() {
    let (text, summary) = stream("claude-demo", "hi").await;
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "message_start",
            "ping",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert_eq!(summary.end, StreamEnd::Complete);
    assert_eq!(summary.facts.stop_reason.as_deref(), Some("end_turn"));
    let usage = summary.facts.usage.unwrap();
    assert!(usage.input > 0 && usage.output > 5);
    let whole = message(&ask("claude-demo", "hi", false)).await;
    assert_eq!(whole["usage"]["output_tokens"], usage.output);
}

#[tokio::test]
async fn a_named_tool_is_called_with_the_given_arguments_and_its_result_quoted() {
    let text = "Please use `getAccount` with {\"accountId\": \"ACC-1001\"} now";
    let whole = message(&ask("claude-demo", text, false)).await;
    assert_eq!(whole["stop_reason"], "tool_use");
    assert_eq!(whole["content"][0]["name"], "mcp__gw__ledger_getAccount");
    assert_eq!(whole["content"][0]["input"], json!({ "accountId": "ACC-1001" }));
    let (streamed, summary) = stream("claude-demo", text).await;
    assert_eq!(summary.facts.stop_reason.as_deref(), Some("tool_use"));
    let pieces = streamed.lines().filter_map(|line| line.strip_prefix("data: "));
    let input: String = pieces
        .filter_map(|data| {
            serde_json::from_str::<Value>(data).unwrap()["delta"]["partial_json"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(input, r#"{"accountId":"ACC-1001"}"#);
    let mut next = ask("claude-demo", text, false);
    next["messages"].as_array_mut().unwrap().extend([
        json!({ "role": "assistant", "content": whole["content"] }),
        json!({ "role": "user", "content": [{
            "type": "tool_result", "tool_use_id": whole["content"][0]["id"],
            "content": [{ "type": "text", "text": "balance 12543.00" }],
        }] }),
        json!({ "role": "system", "content": "a reminder" }),
    ]);
    assert_eq!(message(&next).await["content"][0]["text"], "The tool answered: balance 12543.00");
}

#[tokio::test]
async fn a_tool_that_is_not_loaded_yet_is_searched_for_first() {
    let mut request = ask("claude-demo", "call mcp__gw__whoami {\"a\":1}", false);
    request["tools"] = json!([{ "name": "ToolSearch" }]);
    let search = message(&request).await;
    assert_eq!(search["content"][0]["input"]["query"], "select:mcp__gw__whoami");
    request["messages"].as_array_mut().unwrap().extend([
        json!({ "role": "assistant", "content": search["content"] }),
        json!({ "role": "user", "content": [{
            "type": "tool_result", "tool_use_id": search["content"][0]["id"],
            "content": [{ "type": "tool_reference", "tool_name": "mcp__gw__whoami" }],
        }] }),
    ]);
    let call = message(&request).await;
    assert_eq!(
        (&call["content"][0]["name"], &call["content"][0]["input"]),
        (&json!("mcp__gw__whoami"), &json!({ "a": 1 }))
    );
}

#[tokio::test]
async fn words_that_name_no_tool_call_none() {
    for text in ["use the force", "use", "because Bash", "call getAcc", "reuse Bash"] {
        assert_eq!(message(&ask("claude-demo", text, false)).await["stop_reason"], "end_turn", "{text}");
    }
    assert_eq!(message(&ask("claude-demo", "Use Bash.", false)).await["content"][0]["input"], json!({}));
}

#[tokio::test]
async fn model_ids_ask_for_sizes_and_failures() {
    let (text, summary) = stream("claude-scripted-10000-events", "hi").await;
    assert_eq!(text.matches("event: content_block_delta\n").count(), 10_000);
    assert_eq!(summary.facts.usage.unwrap().output, 10_000);
    let whole = message(&ask("claude-scripted-1000000-bytes", "hi", false)).await;
    assert_eq!(whole["content"][0]["text"].as_str().unwrap().len(), 1_000_000);
    let (_, failed) = stream("claude-scripted-error-midstream", "hi").await;
    assert_eq!(
        (failed.end, failed.facts.error_type.as_deref()),
        (StreamEnd::Error, Some("overloaded_error"))
    );
    assert_eq!(stream("claude-scripted-truncated", "hi").await.1.end, StreamEnd::Truncated);
    assert_eq!(stream("claude-scripted-slow-1", "hi").await.1.end, StreamEnd::Complete);
    let limited = post("/v1/messages", PLAIN, &ask("claude-scripted-status-429", "hi", true)).await;
    assert_eq!((limited.0, limited.1["retry-after"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert!(limited.2.contains("rate_limit_error"));
}

#[tokio::test]
async fn keys_and_versions_are_checked() {
    let body = ask("claude-demo", "hi", false);
    let version = ("anthropic-version", "2026-10-21");
    let bearer = [("authorization", "Bearer key"), version];
    assert_eq!(post("/v1/messages", &bearer, &body).await.0, StatusCode::OK);
    for (headers, status, error) in [
        (vec![version], StatusCode::UNAUTHORIZED, "authentication_error"),
        (vec![version, ("x-api-key", "kez")], StatusCode::UNAUTHORIZED, "authentication_error"),
        (vec![("x-api-key", "key")], StatusCode::BAD_REQUEST, "invalid_request_error"),
        (
            vec![("x-api-key", "key"), ("anthropic-version", "2020-01-01")],
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
        ),
    ] {
        let (found, reply_headers, text) = post("/v1/messages", &headers, &body).await;
        let reply: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((found, reply["error"]["type"].as_str()), (status, Some(error)), "{headers:?}");
        assert_eq!(reply["request_id"].as_str(), reply_headers["request-id"].to_str().ok());
    }
    let (_, _, counted) = post("/v1/messages/count_tokens", PLAIN, &body).await;
    assert!(serde_json::from_str::<Value>(&counted).unwrap()["input_tokens"].as_u64().unwrap() > 10);
    assert_eq!(post("/v1/complete", PLAIN, &body).await.0, StatusCode::NOT_FOUND);
    assert_eq!(post("/v1/messages", PLAIN, &json!({ "model": "m" })).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_client_that_leaves_closes_its_stream() {
    let state = provider();
    let request = PLAIN
        .iter()
        .fold(Request::post("/v1/messages"), |request, (name, value)| request.header(*name, *value))
        .body(Body::from(ask("claude-scripted-slow-60000", "hi", true).to_string()))
        .unwrap();
    let reply = router(Arc::clone(&state)).oneshot(request).await.unwrap();
    assert_eq!((state.open_streams(), state.requests()), (1, 1));
    drop(reply);
    assert_eq!(state.open_streams(), 0);
}
