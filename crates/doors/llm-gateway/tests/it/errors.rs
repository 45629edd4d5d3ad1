//! Whatever goes wrong, the client gets an error of the API that it can act on.

use std::time::Duration;

use serde_json::{Value, json};

use gatehouse_testkit::log_capture::{Line, LogCapture};

use crate::client::{ask, message, post};
use crate::gateway::{Gateway, Plan, TEAM_KEY};
use crate::provider::{Provider, Reply};

const ASK: &[u8] = br#"{"model":"claude-opus","max_tokens":9,"messages":[]}"#;

fn envelope(kind: &str) -> String {
    format!(
        r#"{{"type":"error","error":{{"type":"{kind}","message":"prompt is too long: 1 > 0"}},"request_id":"req_theirs"}}"#
    )
}

#[tokio::test]
async fn errors_of_the_provider_pass_in_its_own_words() {
    for (status, kind) in [
        ("400 Bad Request", "invalid_request_error"),
        ("402 Payment Required", "billing_error"),
        ("413 Too Large", "request_too_large"),
        ("422 Unprocessable", "invalid_request_error"),
        ("429 Too Many Requests", "rate_limit_error"),
        ("500 Internal", "api_error"),
        ("503 Unavailable", "api_error"),
        ("529 Overloaded", "overloaded_error"),
    ] {
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("retry-after", "7"),
            ("x-should-retry", if status.starts_with("402") { "false" } else { "true" }),
            ("anthropic-ratelimit-tokens-reset", "2027-01-01T00:00:00Z"),
            ("request-id", "req_theirs"),
        ];
        let provider = Provider::always(Reply::new(status, &headers, envelope(kind).as_bytes())).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        let code: u16 = status.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(answer.status, code);
        let own = answer.header("request-id").unwrap();
        assert_eq!(answer.text(), envelope(kind).replace("req_theirs", own), "only the id is ours");
        for (name, value) in &headers[1..4] {
            assert_eq!(answer.header(name), Some(*value), "{status}");
        }
        assert_eq!(answer.header("x-upstream-request-id"), Some("req_theirs"));
        let record = gateway.records.only().await;
        let reason = if code == 402 { "provider_unpaid" } else { "provider_error" };
        assert_eq!((&record["outcome"], &record["reason"]), (&"error".into(), &reason.into()));
        assert_eq!(record["result"]["status"], code);
    }
}

/// What is between us and the provider speaks HTML.
#[tokio::test]
async fn pages_of_others_become_envelopes() {
    for (status, media_type, expected) in [
        ("502 Bad Gateway", "text/html", (502, "api_error")),
        ("503 Unavailable", "text/html; charset=utf-8", (503, "overloaded_error")),
        ("429 Slow", "text/plain", (429, "rate_limit_error")),
        ("413 Large", "", (413, "request_too_large")),
        ("400 Bad", "text/html", (400, "invalid_request_error")),
    ] {
        let headers = [("content-type", media_type), ("retry-after", "7"), ("server", "nginx")];
        let provider = Provider::always(Reply::new(status, &headers, b"<html>canary</html>")).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        assert_eq!(answer.error(), (expected.0, expected.1.to_owned()), "{status}");
        assert_eq!(answer.header("retry-after"), Some("7"));
        assert!(!answer.text().contains("canary") && answer.header("server").is_none(), "{answer:?}");
    }
}

/// The gateway's own credential or route is wrong: the client's sign-in is not, and must not be told so.
#[tokio::test]
async fn faults_of_the_configuration_are_not_blamed_on_the_client() {
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "302 Found", "405 No", "407 Proxy"] {
        let provider = Provider::always(Reply::json(status, &envelope("authentication_error"))).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        assert_eq!(answer.error(), (502, "api_error".to_owned()), "{status}");
        assert!(!answer.text().contains("prompt is too long"));
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{status}: another try is in vain");
        let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        let id = answer.header("request-id").unwrap();
        assert!(said.contains("operators") && said.ends_with(&format!("(request {id})")), "{said}");
    }
}

/// Clients try every 5xx again for minutes. What another try cannot mend says so.
#[tokio::test]
async fn what_lasts_is_not_to_be_tried_again() {
    for (status, advice) in [
        ("501 Not Built", Some("false")),
        ("505 Version", Some("false")),
        ("511 Sign In", Some("false")),
        ("500 Down", None),
        ("503 Down", None),
        ("408 Slow", None),
        ("400 Wrong", None),
    ] {
        let provider = Provider::always(Reply::json(status, &envelope("api_error"))).await;
        let gateway = Gateway::before(&provider).await;
        assert_eq!(message(&gateway, ASK).await.header("x-should-retry"), advice, "{status}");
    }
    let silent = Provider::always(Reply::silence()).await;
    let gateway = Gateway::start(&silent, &Plan { timeouts: "wholeReply: 100ms", ..Plan::default() }).await;
    let answer = message(&gateway, ASK).await;
    assert_eq!((answer.status, answer.header("x-should-retry")), (504, Some("false")));
}

/// Where one of several routes may recover, the client may try again.
#[tokio::test]
async fn one_route_that_may_recover_is_worth_another_try() {
    let body = br#"{"model":"twice","max_tokens":9,"messages":[]}"#;
    for (one, two, advice) in
        [("401 No", "403 No", Some("false")), ("401 No", "500 Down", None), ("529 Over", "404 None", None)]
    {
        let first = Provider::always(Reply::json(one, "{}")).await;
        let second = Provider::always(Reply::json(two, "{}")).await;
        let gateway = Gateway::start(&first, &Plan { second: Some(&second), ..Plan::default() }).await;
        assert_eq!(message(&gateway, body).await.header("x-should-retry"), advice, "{one}, {two}");
    }
}

/// A request that keeps failing is told to stop while its user still waits.
#[tokio::test]
async fn a_request_that_keeps_failing_is_told_to_stop() {
    let provider = Provider::always(Reply::json("500 Down", &envelope("api_error"))).await;
    let gateway = Gateway::start(&provider, &Plan { timeouts: "retries: 200ms", ..Plan::default() }).await;
    let advice =
        async |body: &[u8]| message(&gateway, body).await.header("x-should-retry").map(str::to_owned);
    let other = br#"{"model":"claude-opus","max_tokens":8,"messages":[]}"#;
    assert_eq!(advice(ASK).await, None);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(advice(other).await, None, "another request has its own patience");
    assert_eq!(advice(ASK).await.as_deref(), Some("false"));
    assert_eq!(advice(ASK).await, None, "asked again later, it begins anew");
}

fn told(heard: &LogCapture) -> Vec<Line> {
    heard.from_info_up().into_iter().filter(|line| line.field("message").starts_with("model ")).collect()
}

#[tokio::test]
async fn every_failed_attempt_is_one_line_that_says_where_and_why() {
    for (status, level, message_of, reason) in [
        ("429 Slow", "WARN", "model provider failed", "provider_error"),
        ("500 Down", "WARN", "model provider failed", "provider_error"),
        ("529 Over", "WARN", "model provider failed", "provider_error"),
        (
            "401 No",
            "ERROR",
            "model provider refused the gateway's account or route",
            "provider_refused_credential",
        ),
        (
            "403 No",
            "ERROR",
            "model provider refused the gateway's account or route",
            "provider_refused_credential",
        ),
        (
            "404 None",
            "ERROR",
            "model provider refused the gateway's account or route",
            "provider_lacks_model",
        ),
        ("402 Pay", "ERROR", "model provider refused the gateway's account or route", "provider_unpaid"),
        ("302 Else", "ERROR", "model provider refused the gateway's account or route", "provider_redirects"),
        ("400 Wrong", "INFO", "model provider refused a request", "provider_error"),
    ] {
        let heard = LogCapture::here();
        let headers = [("content-type", "application/json"), ("request-id", "req_theirs")];
        let provider =
            Provider::always(Reply::new(status, &headers, envelope("canary_error").as_bytes())).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        let lines = told(&heard);
        assert_eq!(lines.len(), 1, "{status}: {lines:?}");
        let line = &lines[0];
        assert_eq!((line.level, line.field("message")), (level, message_of), "{status}");
        assert_eq!((line.field("app"), line.field("model")), ("first", "claude-opus"));
        let code = status.split(' ').next().unwrap();
        assert_eq!((line.field("status"), line.field("reason")), (code, reason));
        assert_eq!(line.field("request.id"), answer.header("request-id").unwrap());
        assert!(line.field("detail").contains("req_theirs"), "{line:?}");
        assert!(!format!("{line:?}").contains("prompt"), "the provider's words may quote the request");
    }
    let heard = LogCapture::here();
    let gateway = Gateway::before(&gone().await).await;
    message(&gateway, ASK).await;
    let lines = told(&heard);
    assert_eq!(
        (lines.len(), lines[0].field("reason"), lines[0].field("status")),
        (1, "provider_unreachable", "")
    );
    assert!(lines[0].field("detail").contains("127.0.0.1"), "{lines:?}");
}

/// Whoever saw the prompt is in the record, in the order in which they saw it.
#[tokio::test]
async fn every_attempt_at_a_route_is_in_the_record() {
    let body = br#"{"model":"twice","max_tokens":9,"messages":[]}"#;
    let attempts = async |one: &str, two: &str, policy: &str| {
        let first = Provider::always(Reply::json(one, "{}")).await;
        let second = Provider::always(Reply::json(two, "{}")).await;
        let plan = Plan { second: Some(&second), policy, ..Plan::default() };
        let gateway = Gateway::start(&first, &plan).await;
        message(&gateway, body).await;
        let record = gateway.records.only().await;
        assert_eq!(record["target"]["model"], "twice", "{record}");
        let tried = record["attempts"].as_array().cloned().unwrap_or_default();
        tried
            .iter()
            .map(|one| (one["app"].clone(), one["status"].clone(), one["reason"].clone()))
            .collect::<Vec<_>>()
    };
    let row = |app: &str, status: Value, reason: Value| (json!(app), status, reason);
    assert_eq!(attempts("200 OK", "200 OK", "").await, [], "one that gave the reply is the target");
    let expected =
        [row("first", json!(503), json!("provider_error")), row("second", json!(200), Value::Null)];
    assert_eq!(attempts("503 Down", "200 OK", "").await, expected);
    let expected = [
        row("first", json!(401), json!("provider_refused_credential")),
        row("second", json!(404), json!("provider_lacks_model")),
    ];
    assert_eq!(attempts("401 No", "404 None", "").await, expected);
    let closed = "default result := {\"allowed\": true}\nresult := {\"allowed\": false} if input.route.app == \"first\"";
    let expected =
        [row("first", Value::Null, json!("policy_denied")), row("second", json!(200), Value::Null)];
    assert_eq!(attempts("200 OK", "200 OK", closed).await, expected, "who was passed over saw nothing");
}

#[tokio::test]
async fn a_refused_call_says_which_model_it_was_for() {
    let heard = LogCapture::here();
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let policy = r#"default result := {"allowed": false, "internal_message": "not for them"}"#;
    let gateway = Gateway::start(&provider, &Plan { policy, ..Plan::default() }).await;
    for (index, (path, model, reason)) in [
        ("/v1/messages", "claude-opus", "policy_denied"),
        ("/v1/messages/count_tokens", "alias", "policy_denied"),
        ("/v1/messages", "gpt-4", "model_unknown"),
        ("/v1/messages/count_tokens", "gpt-4", "model_unknown"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"model": model, "max_tokens": 9, "messages": []}).to_string();
        post(&gateway, path, &[("x-api-key", TEAM_KEY)], body.as_bytes()).await;
        let records = gateway.records.at_least(index + 1).await;
        assert_eq!(
            (&records[index]["target"]["model"], &records[index]["reason"]),
            (&json!(model), &json!(reason))
        );
        let refused =
            heard.from_info_up().into_iter().rfind(|line| line.field("message") == "request refused");
        let detail = refused.unwrap().field("detail").to_owned();
        assert!(detail.contains(model), "{path}: {detail}");
        assert!(reason != "policy_denied" || detail.contains("not for them"), "{path}: {detail}");
    }
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_502() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::start(&gone().await, &Plan { second: Some(&provider), ..Plan::default() }).await;
    let answer = message(&gateway, ASK).await;
    assert_eq!(answer.error(), (502, "api_error".to_owned()));
    assert_eq!(gateway.records.only().await["reason"], "provider_unreachable");
    assert!(!answer.text().contains("127.0.0.1"), "{answer:?}");
    let body = br#"{"model":"twice","max_tokens":9,"messages":[]}"#;
    assert_eq!(message(&gateway, body).await.status, 200, "the second route answers");
}

/// A provider whose port is closed.
async fn gone() -> Provider {
    let mut provider = Provider::always(Reply::silence()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    provider.address = listener.local_addr().unwrap();
    provider
}

#[tokio::test]
async fn routes_are_tried_in_order_and_the_most_telling_failure_is_shown() {
    let body = br#"{"model":"twice","max_tokens":9,"messages":[]}"#;
    for (one, two, expected, asked) in [
        ("200 OK", "200 OK", 200, (1, 0)),
        ("500 Down", "200 OK", 200, (1, 1)),
        ("429 Slow", "200 OK", 200, (1, 1)),
        ("401 No", "200 OK", 200, (1, 1)),
        ("402 Unpaid", "200 OK", 200, (1, 1)),
        ("405 No", "200 OK", 200, (1, 1)),
        ("400 Wrong", "200 OK", 400, (1, 0)),
        ("429 Slow", "500 Down", 429, (1, 1)),
        ("500 Down", "529 Over", 529, (1, 1)),
        ("500 Down", "401 No", 502, (1, 1)),
    ] {
        let first = Provider::always(Reply::json(one, "{}")).await;
        let second = Provider::always(Reply::json(two, "{}")).await;
        let gateway = Gateway::start(&first, &Plan { second: Some(&second), ..Plan::default() }).await;
        assert_eq!(message(&gateway, body).await.status, expected, "{one}, {two}");
        assert_eq!((first.seen().len(), second.seen().len()), asked, "{one}, {two}");
    }
}

#[tokio::test]
async fn requests_that_cannot_be_understood_reach_nobody() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    for (body, part) in [
        ("", "valid JSON"),
        ("{", "valid JSON"),
        ("[]", "JSON object"),
        ("{}", "model"),
        (r#"{"model":7}"#, "model"),
        (r#"{"model":"claude-opus","model":"alias"}"#, "model: written more than once"),
        (r#"{"model":"claude-opus","Model":"secret"}"#, "model: expected in lower case"),
        (
            r#"{"model":"claude-opus","tools":[{"name":"a","Name":"b"}]}"#,
            "tools[].name: expected in lower case",
        ),
        (r#"{"model":"claude-opus","stream":"yes"}"#, "stream"),
        (r#"{"model":"claude-opus","stream":true,"stream":false}"#, "stream"),
        (r#"{"model":"gpt-4"}"#, "gpt-4"),
        (r#"{"model":"claude-opus "}"#, "claude-opus "),
        (r#"{"model":"Claude-Opus"}"#, "Claude-Opus"),
    ] {
        let answer = message(&gateway, body.as_bytes()).await;
        assert_eq!(answer.error(), (400, "invalid_request_error".to_owned()), "{body}");
        let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.contains(part), "{body}: {said}");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn every_refusal_of_the_door_is_an_envelope() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let key = ("x-api-key", TEAM_KEY);
    let json = ("content-type", "application/json");
    for (line, headers, expected) in [
        ("POST /v1/messages", vec![json], (401, "authentication_error")),
        ("POST /v1/messages", vec![json, ("x-api-key", "gwk_wrong")], (401, "authentication_error")),
        ("POST /v1/messages", vec![json, key, ("origin", "https://evil.example")], (403, "permission_error")),
        ("POST /v1/messages", vec![key, ("content-type", "text/plain")], (415, "invalid_request_error")),
        ("POST /v1/messages", vec![key, json, ("content-encoding", "gzip")], (415, "invalid_request_error")),
        ("GET /v1/messages", vec![key], (405, "invalid_request_error")),
        ("POST /v1/complete", vec![key, json], (404, "not_found_error")),
        ("GET /v1/models/unknown", vec![key], (404, "not_found_error")),
        ("GET /v1/models", vec![], (401, "authentication_error")),
        ("POST /v1/messages/count_tokens", vec![json], (401, "authentication_error")),
    ] {
        let answer = ask(&gateway, line, &headers, ASK).await;
        assert_eq!(answer.error(), (expected.0, expected.1.to_owned()), "{line} {headers:?}");
        assert_eq!(answer.header("www-authenticate").is_some(), expected.0 == 401);
    }
    gateway.records.fill(true);
    let answer = message(&gateway, ASK).await;
    assert_eq!(answer.error(), (503, "overloaded_error".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(provider.seen().is_empty());
}

/// A provider that only answers messages is no reason for an alarm.
#[tokio::test]
async fn a_provider_that_cannot_count_tokens_is_501() {
    let headers = [("x-api-key", TEAM_KEY)];
    for status in ["404 None", "405 No", "501 Not Built"] {
        let heard = LogCapture::here();
        let provider = Provider::always(Reply::json(status, r#"{"detail":"Not Found"}"#)).await;
        let gateway = Gateway::before(&provider).await;
        let answer = post(&gateway, "/v1/messages/count_tokens", &headers, ASK).await;
        assert_eq!(answer.error(), (501, "not_supported".to_owned()), "{status}");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert_eq!(gateway.records.only().await["reason"], "provider_cannot_count");
        assert!(heard.from_info_up().iter().all(|line| line.level == "INFO"));
    }
    // That it has no such model is a fault of the route, as in messages.
    let missing = envelope("not_found_error");
    let provider = Provider::always(Reply::json("404 None", &missing)).await;
    let gateway = Gateway::before(&provider).await;
    let answer = post(&gateway, "/v1/messages/count_tokens", &headers, ASK).await;
    assert_eq!(answer.error(), (502, "api_error".to_owned()));
}

/// What is not built says so, in the API's envelope, with whatever method it is asked for.
#[tokio::test]
async fn what_is_not_served_says_so_in_a_sentence() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    for (line, part) in [
        ("POST /v1/files", "Files API is not built yet"),
        ("GET /v1/files/file_1/content", "Files API is not built yet"),
        ("POST /v1/messages/batches", "Message batches are not built yet"),
        ("GET /v1/messages/batches/b_1/results", "Message batches are not built yet"),
        ("DELETE /v1/messages/batches/b_1", "Message batches are not built yet"),
        ("POST /v1/complete", "use /v1/messages"),
        ("GET /v1/nothing", "Nothing is served at this path."),
    ] {
        let headers = [("content-type", "application/json"), ("x-api-key", TEAM_KEY)];
        let answer = ask(&gateway, line, &headers, b"{}").await;
        assert_eq!(answer.error(), (404, "not_found_error".to_owned()), "{line}");
        let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.contains(part), "{line}: {said}");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn more_than_32_mib_is_413_before_it_is_read() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let headers =
        [("content-type", "application/json"), ("x-api-key", TEAM_KEY), ("content-length", "33554433")];
    let answer = ask(&gateway, "POST /v1/messages", &headers, b"").await;
    assert_eq!(answer.error(), (413, "request_too_large".to_owned()));
    assert!(provider.seen().is_empty());
}
