//! Bytes stay bytes: what a client sends is what the provider gets, and the other way round.

use serde_json::json;

use crate::client::{message, post};
use crate::gateway::{Gateway, TEAM_KEY};
use crate::provider::{Provider, Reply};

/// What no parser would write the same way again: order, spaces, escapes, big numbers, unknown members.
const ODD: &str = "{ \"max_tokens\" :64,\"zzz\":{\"b\":1,\"a\":12345678901234567890.000000000000000000001e-7},\r\n\
    \t\"model\" :  \"claude-opus\" , \"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\\/ é \\ud83d\\ude00 </script>\"}],\
    \"metadata\":{\"user_id\":\"u\"},\"stream\":false,\"future\":[null,true,1.0,1E2], \"tags\":{\"model\":\"x\"}}\n\n";

const REPLY: &str = "{\"id\":\"msg_1\",\"type\":\"message\",\"usage\":{\"output_tokens\":7,\"input_tokens\":11,\
    \"cache_read_input_tokens\":5,\"cache_creation_input_tokens\":3},\"model\":\"m\", \"z\":1e999,\
    \"content\":[{\"type\":\"text\",\"text\":\"\\u00e9 é\"}],\"stop_reason\":\"end_turn\"}\n";

#[tokio::test]
async fn a_request_and_its_reply_pass_untouched() {
    let provider = Provider::always(Reply::json("200 OK", REPLY)).await;
    let gateway = Gateway::before(&provider).await;
    let answer = message(&gateway, ODD.as_bytes()).await;
    assert_eq!((answer.status, answer.text().as_str(), answer.whole), (200, REPLY, true));
    assert_eq!(answer.header("content-length"), Some(REPLY.len().to_string().as_str()));
    let seen = provider.only();
    assert_eq!(String::from_utf8_lossy(&seen.body), ODD);
    assert!(seen.head.starts_with("POST /prefix/v1/messages HTTP/1.1"), "{}", seen.head);
}

/// The id that a client uses is not always the one that the provider knows: only its value changes.
#[tokio::test]
async fn an_alias_changes_one_value_and_no_other_byte() {
    let provider = Provider::always(Reply::json("200 OK", REPLY)).await;
    let gateway = Gateway::before(&provider).await;
    for written in ["\"alias\"", "\"\\u0061lias\""] {
        let body = ODD.replace("\"claude-opus\"", written);
        assert_eq!(message(&gateway, body.as_bytes()).await.status, 200);
        let seen = provider.seen().pop().unwrap();
        let expected = ODD.replace("\"claude-opus\"", "\"vendor/claude-opus-4-7\"");
        assert_eq!(String::from_utf8_lossy(&seen.body), expected);
        assert_eq!(seen.header("content-length"), Some(expected.len().to_string().as_str()));
    }
    let records = gateway.records.at_least(2).await;
    assert_eq!(records[0]["target"]["model"], "alias");
    assert_eq!(records[0]["target"]["upstream_model"], "vendor/claude-opus-4-7");
}

#[tokio::test]
async fn a_large_request_and_a_large_reply_pass_untouched() {
    let text = "x".repeat(5 * 1024 * 1024);
    let reply = json!({"type": "message", "content": text, "usage": {"input_tokens": 1, "output_tokens": 2}})
        .to_string();
    let provider = Provider::always(Reply::json("200 OK", &reply)).await;
    let gateway = Gateway::before(&provider).await;
    let body =
        json!({"model": "claude-opus", "max_tokens": 1, "messages": [{"role": "user", "content": text}]});
    let answer = message(&gateway, body.to_string().as_bytes()).await;
    assert!(answer.status == 200 && answer.whole && answer.body == reply.as_bytes(), "{}", answer.status);
    assert!(provider.only().body == body.to_string().as_bytes());
    let record = gateway.records.only().await;
    assert_eq!(record["request"]["bytes"], body.to_string().len());
    assert_eq!(record["result"]["bytes"], reply.len());
    assert_eq!(record["tokens"]["output"], 2);
}

#[tokio::test]
async fn counting_tokens_is_the_same_but_for_its_path() {
    let provider = Provider::always(Reply::json("200 OK", "{\"input_tokens\": 42}")).await;
    let gateway = Gateway::before(&provider).await;
    let answer =
        post(&gateway, "/v1/messages/count_tokens?beta=true", &[("x-api-key", TEAM_KEY)], ODD.as_bytes())
            .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"input_tokens\": 42}"));
    let seen = provider.only();
    assert!(seen.head.starts_with("POST /prefix/v1/messages/count_tokens HTTP/1.1"), "{}", seen.head);
    assert_eq!(String::from_utf8_lossy(&seen.body), ODD);
    assert_eq!(gateway.records.only().await["event"], "model.count_tokens");
}

#[tokio::test]
async fn what_was_used_is_recorded_and_nothing_of_what_was_said() {
    let provider = Provider::always(Reply::json("200 OK", REPLY)).await;
    let gateway = Gateway::before(&provider).await;
    let body = ODD.replace("</script>", "the-secret-prompt");
    message(&gateway, body.as_bytes()).await;
    let record = gateway.records.only().await;
    // 11 x 5.00 + 7 x 25.00 + 3 x 6.25 + 5 x 0.50 = 251.25 millionths of a dollar.
    let expected =
        json!({"input": 11, "output": 7, "cache_write": 3, "cache_read": 5, "cost_micro_usd": 251});
    assert_eq!(record["tokens"], expected);
    assert_eq!((&record["event"], &record["outcome"]), (&json!("model.call"), &json!("allow")));
    assert_eq!(record["actor"]["sub"], "team");
    assert_eq!(record["target"]["app"], "first");
    for secret in ["the-secret-prompt", TEAM_KEY, crate::gateway::PROVIDER_KEY, "é é"] {
        assert!(!record.to_string().contains(secret), "{secret} in {record}");
    }
}
