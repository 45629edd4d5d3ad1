//! Replies that come compressed although nobody asked for that: read and counted like any other, or not passed on.

use serde_json::json;

use gatehouse_edge::memory::{Memory, MemoryLimits};
use gatehouse_testkit::coded::{CODINGS, coded};

use crate::client::{message, post};
use crate::gateway::{Gateway, Plan, TEAM_KEY};
use crate::provider::{Provider, Reply};

const ASK: &[u8] = br#"{"model":"claude-opus","max_tokens":9,"messages":[]}"#;
const TWICE: &[u8] = br#"{"model":"twice","max_tokens":9,"messages":[]}"#;

const BEGUN: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\
    \"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\n";
const ENDED: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\
    \"usage\":{\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const MESSAGE: &str = r#"{"type":"message","id":"m","usage":{"input_tokens":11,"output_tokens":7}}"#;

/// A body in a coding.
fn reply(status: &str, media_type: &str, coding: &str, body: &[u8]) -> Reply {
    let fields = [("content-type", media_type), ("content-encoding", coding), ("etag", "\"coded\"")];
    Reply::new(status, &fields, body)
}

#[tokio::test]
async fn a_coded_stream_is_read_and_counted_like_any_other() {
    for coding in CODINGS {
        let stream = Reply::coded_stream(coding, &[BEGUN.as_bytes(), ENDED.as_bytes()]);
        let provider = Provider::always(stream).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        assert_eq!((answer.status, answer.whole), (200, true), "{coding}");
        assert_eq!(answer.text(), format!("{BEGUN}{ENDED}"), "{coding}");
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(provider.only().header("accept-encoding"), Some("identity"));
        let record = gateway.records.only().await;
        assert_eq!((&record["tokens"]["input"], &record["tokens"]["output"]), (&json!(11), &json!(7)));
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("allow"), &json!(null)), "{coding}");
    }
}

/// What is said behind a stream that breaks off can be read like the stream itself.
#[tokio::test]
async fn a_coded_stream_that_breaks_off_ends_in_plain_words() {
    for coding in CODINGS {
        let stream = Reply::coded_stream(coding, &[BEGUN.as_bytes(), ENDED.as_bytes()]);
        // Without its end, without the end of what is coded, and without the last events.
        let provider = Provider::always(stream.broken().broken().broken()).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        let rest = answer.text().strip_prefix(BEGUN).map(str::to_owned).unwrap();
        assert!(rest.starts_with("event: error\ndata: {"), "{coding}: {rest}");
        let record = gateway.records.only().await;
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("stream_broken")));
        assert_eq!(record["tokens"]["input"], 11);
    }
    // Plain events under the name of a coding.
    let fields = [("content-type", "text/event-stream"), ("content-encoding", "gzip")];
    let provider = Provider::always(Reply::new("200 OK", &fields, BEGUN.as_bytes())).await;
    let gateway = Gateway::before(&provider).await;
    let answer = message(&gateway, ASK).await;
    assert!(answer.text().starts_with("event: error\n"), "{answer:?}");
    assert_eq!(gateway.records.only().await["reason"], "stream_broken");
}

#[tokio::test]
async fn a_coded_message_is_read_and_counted_like_any_other() {
    for coding in CODINGS {
        let body = coded(coding, MESSAGE.as_bytes());
        let provider = Provider::always(reply("200 OK", "application/json", coding, &body)).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        assert_eq!((answer.status, answer.whole, answer.text().as_str()), (200, true, MESSAGE), "{coding}");
        assert_eq!((answer.header("content-encoding"), answer.header("etag")), (None, None));
        let counted = post(&gateway, "/v1/messages/count_tokens", &[("x-api-key", TEAM_KEY)], ASK).await;
        assert_eq!((counted.status, counted.text().as_str()), (200, MESSAGE), "{coding}");
        for record in gateway.records.at_least(2).await {
            assert_eq!(record["tokens"]["input"], 11, "{coding}: {record}");
            assert_eq!(record["outcome"], "allow", "{coding}: {record}");
        }
    }
}

#[tokio::test]
async fn a_coded_error_is_shown_in_the_words_of_the_provider() {
    let words = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down, please"},"request_id":"req_theirs"}"#;
    for coding in CODINGS {
        let body = coded(coding, words.as_bytes());
        let provider = Provider::always(reply("429 Slow", "application/json", coding, &body)).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        assert_eq!(answer.error(), (429, "rate_limit_error".to_owned()), "{coding}");
        assert!(answer.text().contains("slow down, please"), "{coding}: {answer:?}");
    }
}

/// Nothing is passed on that nobody here could count, and the next route may do better.
#[tokio::test]
async fn what_cannot_be_read_is_no_reply() {
    let json = "application/json";
    let page = [("content-type", "text/html")];
    for (what, unread) in [
        ("an unknown coding", reply("200 OK", json, "deflate", b"x")),
        ("codings on top of each other", reply("200 OK", json, "gzip, br", b"x")),
        ("a stream in an unknown coding", reply("200 OK", "text/event-stream", "compress", b"x")),
        ("a page", Reply::new("200 OK", &page, b"<html>Please log in</html>")),
        ("a coded page", reply("200 OK", "text/html", "gzip", &coded("gzip", b"<html>"))),
        ("something without a type", Reply::new("200 OK", &[], b"{}")),
    ] {
        let bad = Provider::always(unread).await;
        let good = Provider::always(Reply::json("200 OK", MESSAGE)).await;
        let gateway = Gateway::start(&bad, &Plan { second: Some(&good), ..Plan::default() }).await;
        let answer = message(&gateway, ASK).await;
        assert_eq!(answer.error(), (502, "api_error".to_owned()), "{what}");
        assert!(answer.text().contains("cannot be read"), "{what}: {answer:?}");
        let record = gateway.records.only().await;
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("provider_unreadable")));
        let answer = message(&gateway, TWICE).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, MESSAGE), "{what}");
    }
}

/// Whether there is room for a decoder here is no fault of a provider: the next one would be paid for the same prompt.
#[tokio::test]
async fn a_lack_of_room_of_our_own_tries_no_other_route() {
    let (json, stream) = ("application/json", "text/event-stream");
    for (media_type, coding, limits) in [
        (json, "br", MemoryLimits { total: 1 << 20, per_holder: 1 << 20 }),
        (json, "zstd", MemoryLimits { total: 64 << 20, per_holder: 1 << 20 }),
        (stream, "gzip", MemoryLimits { total: 1 << 10, per_holder: 1 << 10 }),
    ] {
        let first =
            Provider::always(reply("200 OK", media_type, coding, &coded(coding, MESSAGE.as_bytes()))).await;
        let second = Provider::always(Reply::json("200 OK", MESSAGE)).await;
        let memory = Memory::new(limits);
        let gateway =
            Gateway::start(&first, &Plan { second: Some(&second), memory, ..Plan::default() }).await;
        let answer = message(&gateway, TWICE).await;
        assert_eq!(answer.error(), (503, "overloaded_error".to_owned()), "{coding}");
        assert!(answer.header("retry-after").is_some(), "{coding}: {answer:?}");
        assert_eq!(second.seen().len(), 0, "{coding}");
        let reason = gateway.records.only().await["reason"].clone();
        assert!(reason == "memory_share" || reason == "memory_full", "{coding}: {reason}");
    }
}

/// That its coding is a matter of one hop, as an answer may say, changes nothing of what its bytes are.
#[tokio::test]
async fn a_coding_that_is_called_hop_by_hop_is_read_all_the_same() {
    for coding in CODINGS {
        let fields = [
            ("content-type", "application/json"),
            ("content-encoding", coding),
            ("connection", "content-encoding, close"),
        ];
        let provider =
            Provider::always(Reply::new("200 OK", &fields, &coded(coding, MESSAGE.as_bytes()))).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, MESSAGE), "{coding}");
        assert_eq!(gateway.records.only().await["tokens"]["input"], 11, "{coding}");
    }
    let fields = [
        ("content-type", "application/json"),
        ("content-encoding", "deflate"),
        ("connection", "content-encoding"),
    ];
    let provider = Provider::always(Reply::new("200 OK", &fields, b"x")).await;
    let gateway = Gateway::before(&provider).await;
    assert_eq!(message(&gateway, ASK).await.status, 502, "nor is what cannot be read passed on");
}

/// The status of an answer that cannot be read is known all the same: our own key was refused, or patience is asked for.
#[tokio::test]
async fn the_status_of_what_cannot_be_read_counts() {
    for (status, reason, advice) in [
        ("401 No", "provider_refused_credential", Some("false")),
        ("429 Slow", "provider_error", None),
        ("529 Over", "provider_error", None),
    ] {
        let provider = Provider::always(reply(status, "application/json", "deflate", b"x")).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        assert_eq!(answer.header("x-should-retry"), advice, "{status}: {answer:?}");
        assert_eq!(gateway.records.only().await["reason"], reason, "{status}");
    }
}

/// JSON that says nothing of tokens may be anything; whoever looks for calls without a count finds it.
#[tokio::test]
async fn a_reply_without_usage_is_no_plain_success() {
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    for reply in [Reply::json("200 OK", r#"{"status":"ok"}"#), Reply::stream(&[stop.as_bytes()])] {
        let provider = Provider::always(reply).await;
        let gateway = Gateway::before(&provider).await;
        assert_eq!(message(&gateway, ASK).await.status, 200);
        let record = gateway.records.only().await;
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("usage_missing")));
    }
}
