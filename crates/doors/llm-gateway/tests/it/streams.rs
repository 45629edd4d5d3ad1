//! Event streams: passed on byte for byte however they are cut, and never ended in silence.

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout};

use gatehouse_testkit::eventually::until;
use gatehouse_testkit::log_capture::LogCapture;

use crate::client::{Answer, LONG, message, open};
use crate::gateway::{Gateway, Plan, TEAM_KEY};
use crate::provider::{Provider, Reply};

const ASK: &[u8] = br#"{"model":"claude-opus","max_tokens":9,"stream":true,"messages":[]}"#;

/// Everything that may be in a stream: comments, unknown events and fields, several lines of data, no names.
const WHOLE: &str = "\u{feff}: hello\n\nevent: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\
    \"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n\
    event: from_the_future\nid: 7\nretry: 10\nfield-without-value\ndata: {\"a\":\ndata: 1}\n\n\
    data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"é \\u00e9 \u{1F600}\"}}\n\n\n\n\
    event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\
    \"usage\":{\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

async fn through(reply: Reply) -> (Answer, serde_json::Value) {
    let provider = Provider::always(reply).await;
    let gateway = Gateway::before(&provider).await;
    let answer = message(&gateway, ASK).await;
    (answer, gateway.records.only().await)
}

#[tokio::test]
async fn a_stream_passes_untouched_with_every_line_end() {
    for ends in ["\n", "\r\n", "\r"] {
        let stream = WHOLE.replace('\n', ends);
        let (answer, record) = through(Reply::stream(&[stream.as_bytes()])).await;
        assert_eq!((answer.status, answer.whole), (200, true));
        assert_eq!(answer.text(), stream, "{ends:?}");
        assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!((&record["tokens"]["input"], &record["tokens"]["output"]), (&json!(11), &json!(7)));
        assert_eq!(record["outcome"], "allow");
        assert_eq!(record["result"]["bytes"], stream.len());
    }
}

/// A provider that knows the length of its stream says nothing about the length of ours: a ping may come on top.
#[tokio::test]
async fn a_stream_of_known_length_is_a_stream_like_any_other() {
    let reply = Reply::new("200 OK", &[("content-type", "text/event-stream")], WHOLE.as_bytes());
    let (answer, record) = through(reply).await;
    assert_eq!((answer.status, answer.whole, answer.text().as_str()), (200, true, WHOLE));
    assert_eq!(answer.header("content-length"), None);
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("allow"), &json!(null)), "{record}");
}

/// A client may leave as soon as it has read the last event; that is no failure.
#[tokio::test]
async fn a_client_that_has_read_everything_may_leave() {
    let provider = Provider::always(Reply::stream(&[WHOLE.as_bytes()]).hanging()).await;
    let gateway = Gateway::before(&provider).await;
    let headers = [("content-type", "application/json"), ("x-api-key", TEAM_KEY)];
    let mut stream = open(&gateway, "POST /v1/messages", &headers, ASK).await;
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !read.ends_with(b"\"message_stop\"}\n\n\r\n") {
        let count = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..count]);
    }
    drop(stream);
    let record = gateway.records.only().await;
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("allow"), &json!(null)), "{record}");
}

/// Every cut into two, many at a time: 40 clients share a gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_passes_untouched_cut_at_every_position() {
    let stream = WHOLE.replace("\n\nevent: ping", "\r\n\r\nevent: ping");
    let cut = {
        let stream = stream.clone();
        move |at: usize| {
            let (one, two) = stream.as_bytes().split_at(at);
            Reply::stream(&[one, two])
        }
    };
    let provider = Provider::start(move |seen| {
        let at = seen.header("x-claude-code-prompt-id").unwrap().parse().unwrap();
        cut(at)
    })
    .await;
    let gateway = Gateway::before(&provider).await;
    let positions: Vec<usize> = (1..stream.len()).collect();
    for batch in positions.chunks(40) {
        let calls = batch.iter().map(|at| {
            let at = at.to_string();
            let gateway = &gateway;
            async move {
                let headers = [("x-api-key", TEAM_KEY), ("x-claude-code-prompt-id", at.as_str())];
                crate::client::post(gateway, "/v1/messages", &headers, ASK).await
            }
        });
        for (answer, at) in futures_util::future::join_all(calls).await.iter().zip(batch) {
            assert!(answer.whole && answer.body == stream.as_bytes(), "cut at {at}: {answer:?}");
        }
    }
    for record in gateway.records.at_least(positions.len()).await {
        assert_eq!(record["tokens"]["output"], 7, "{record}");
    }
}

#[tokio::test]
async fn a_stream_of_single_bytes_passes_untouched() {
    let pieces: Vec<&[u8]> = WHOLE.as_bytes().chunks(1).collect();
    let (answer, record) = through(Reply::stream(&pieces)).await;
    assert_eq!(answer.text(), WHOLE);
    assert_eq!(record["tokens"]["output"], 7);
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error_event() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\n";
    let torn = "event: content_block_delta\ndata: {\"type\":\"content_blo";
    for (sent, separator) in [(start.to_owned(), ""), (format!("{start}{torn}"), "\n")] {
        for reply in [Reply::stream(&[sent.as_bytes()]).broken(), Reply::stream(&[sent.as_bytes()])] {
            let (answer, record) = through(reply).await;
            let rest = answer.text();
            let rest = rest.strip_prefix(&sent).unwrap_or_else(|| panic!("{rest}"));
            let rest = rest.strip_prefix(separator).unwrap_or_else(|| panic!("{rest}"));
            let data = rest.strip_prefix("event: error\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
            let error: serde_json::Value = serde_json::from_str(data.unwrap()).unwrap();
            assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!("api_error")));
            assert_eq!(error["request_id"], answer.header("request-id").unwrap());
            assert!(answer.whole, "the connection itself ends in order");
            assert_eq!(record["outcome"], "error", "{record}");
            assert_eq!(record["tokens"]["input"], 3, "what was reported is charged");
        }
    }
}

#[tokio::test]
async fn an_error_event_of_the_provider_passes_and_is_recorded() {
    let stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n\
        event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let (answer, record) = through(Reply::stream(&[stream.as_bytes()])).await;
    assert_eq!(answer.text(), stream, "and nothing is added");
    assert_eq!(record["outcome"], "error");
    assert_eq!(record["reason"], "provider_error_event");
}

#[tokio::test]
async fn a_whole_reply_that_breaks_off_is_not_passed_off_as_whole() {
    let head = "{\"type\":\"message\",\"usage\":{\"input_tokens\":3}";
    let (answer, record) = through(Reply::cut("200 OK", head, 100)).await;
    assert!(!answer.whole, "{answer:?}");
    assert_eq!(record["outcome"], "error", "{record}");
}

#[tokio::test]
async fn events_arrive_when_they_are_sent() {
    let first = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\n";
    let provider = Provider::always(Reply::stream(&[first.as_bytes()]).hanging()).await;
    let gateway = Gateway::before(&provider).await;
    let headers = [("content-type", "application/json"), ("x-api-key", TEAM_KEY)];
    let mut stream = open(&gateway, "POST /v1/messages", &headers, ASK).await;
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !read.ends_with(format!("{first}\r\n").as_bytes()) {
        let count = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(provider.gone(), 0);
    drop(stream);
    let left = Instant::now();
    until(|| provider.gone() == 1, || "the provider to see that nobody listens".to_owned()).await;
    assert!(left.elapsed().as_millis() < 250, "{:?}", left.elapsed());
    let record = gateway.records.only().await;
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("client_gone")));
    assert_eq!(record["tokens"]["input"], 3, "what was reported until then is charged: {record}");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_reply_cancels_it() {
    let provider = Provider::always(Reply::silence()).await;
    let gateway = Gateway::before(&provider).await;
    let headers = [("content-type", "application/json"), ("x-api-key", TEAM_KEY)];
    let stream = open(&gateway, "POST /v1/messages", &headers, ASK).await;
    until(|| provider.seen().len() == 1, || "the request".to_owned()).await;
    drop(stream);
    let left = Instant::now();
    until(|| provider.gone() == 1, || "the provider to see it".to_owned()).await;
    assert!(left.elapsed().as_millis() < 250, "{:?}", left.elapsed());
    assert_eq!(gateway.records.only().await["reason"], "client_gone");
}

const HURRIED: &str = "firstEvent: 300ms, ping: 100ms, idle: 700ms";

#[tokio::test]
async fn silence_within_a_stream_is_bridged_by_pings_and_ended_in_words() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\n";
    let provider = Provider::always(Reply::stream(&[start.as_bytes()]).hanging()).await;
    let gateway = Gateway::start(&provider, &Plan { timeouts: HURRIED, ..Plan::default() }).await;
    let answer = message(&gateway, ASK).await;
    let text = answer.text();
    let rest = text.strip_prefix(start).unwrap();
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    let pings = rest.matches(ping).count();
    assert!((1..=7).contains(&pings), "{pings} pings in {text}");
    let last = rest.replace(ping, "");
    assert!(last.starts_with("event: error\ndata: ") && last.ends_with("\n\n"), "{last}");
    assert!(answer.whole);
    let record = gateway.records.only().await;
    assert_eq!((&record["reason"], &record["tokens"]["input"]), (&json!("stream_idle"), &json!(3)));
    until(|| provider.gone() == 1, || "the provider to see it".to_owned()).await;
}

/// In the middle of an event nothing may be inserted.
#[tokio::test]
async fn no_ping_tears_an_event_apart() {
    let torn = "event: content_block_delta\ndata: {\"type\":\"content_blo";
    let provider = Provider::always(Reply::stream(&[torn.as_bytes()]).hanging()).await;
    let gateway = Gateway::start(&provider, &Plan { timeouts: HURRIED, ..Plan::default() }).await;
    let text = message(&gateway, ASK).await.text();
    let rest = text.strip_prefix(torn).unwrap();
    assert!(rest.starts_with("\nevent: error\ndata: ") && !rest.contains("ping"), "{rest}");
}

#[tokio::test]
async fn a_provider_that_does_not_begin_is_given_up() {
    let provider = Provider::always(Reply::silence()).await;
    let gateway = Gateway::start(&provider, &Plan { timeouts: HURRIED, ..Plan::default() }).await;
    let answer = message(&gateway, ASK).await;
    assert_eq!(answer.error(), (504, "timeout_error".to_owned()));
    assert_eq!(gateway.records.only().await["reason"], "provider_timeout");
    until(|| provider.gone() == 1, || "the provider to see it".to_owned()).await;
}

/// There is nothing to ping in a whole reply, and no words fit behind its beginning: the connection ends.
#[tokio::test]
async fn a_whole_reply_that_stalls_is_given_up() {
    let begun = "{\"type\":\"message\",\"usage\":{\"input_tokens\":3}";
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n";
    for reply in
        [Reply::stalled("200 OK", begun, 100), Reply::stalled("200 OK", "", 100), Reply::begun(chunked)]
    {
        let provider = Provider::always(reply).await;
        let gateway = Gateway::start(&provider, &Plan { timeouts: HURRIED, ..Plan::default() }).await;
        let answer = message(&gateway, ASK).await;
        assert!(!answer.whole && !answer.text().contains("ping"), "{answer:?}");
        let record = gateway.records.only().await;
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("stream_idle")));
        until(|| provider.gone() == 1, || "the provider to see it".to_owned()).await;
    }
}

/// Media types are compared without regard to letter case (RFC 9110 §8.3.1), and as a whole.
#[tokio::test]
async fn streams_are_told_by_their_media_type_however_it_is_written() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\n";
    for media_type in ["Text/Event-Stream; charset=utf-8", "TEXT/EVENT-STREAM", "text/event-stream ; x=y"] {
        let provider =
            Provider::always(Reply::new("200 OK", &[("content-type", media_type)], start.as_bytes())).await;
        let gateway = Gateway::before(&provider).await;
        let answer = message(&gateway, ASK).await;
        assert!(
            answer.text().contains("event: error\n"),
            "{media_type}: it was cut off, and says so: {answer:?}"
        );
        let record = gateway.records.only().await;
        assert_eq!((&record["reason"], &record["tokens"]["input"]), (&json!("stream_truncated"), &json!(3)));
    }
    let provider =
        Provider::always(Reply::new("200 OK", &[("content-type", "text/event-streams")], start.as_bytes()))
            .await;
    let gateway = Gateway::before(&provider).await;
    assert_eq!(message(&gateway, ASK).await.status, 502);
}

/// A stream that does not end well is one line, whoever ended it; a client that leaves is none.
#[tokio::test]
async fn a_reply_that_breaks_off_is_one_line() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n";
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"canary\"}}\n\n";
    let failing = format!("{start}{error}");
    for (reply, reason, detail) in [
        (Reply::stream(&[start.as_bytes()]), "stream_truncated", ""),
        (Reply::stream(&[start.as_bytes()]).broken(), "stream_broken", ""),
        (Reply::stream(&[start.as_bytes()]).hanging(), "stream_idle", ""),
        (Reply::stream(&[failing.as_bytes()]), "provider_error_event", "overloaded_error"),
        (Reply::cut("200 OK", "{\"type\":\"message\"", 100), "stream_broken", ""),
        (Reply::stalled("200 OK", "{\"type\":\"message\"", 100), "stream_idle", ""),
    ] {
        let heard = LogCapture::here();
        let provider = Provider::always(reply).await;
        let gateway = Gateway::start(&provider, &Plan { timeouts: HURRIED, ..Plan::default() }).await;
        let answer = message(&gateway, ASK).await;
        let record = gateway.records.only().await;
        assert_eq!(record["reason"], reason);
        let lines = heard.from_info_up();
        let told: Vec<_> =
            lines.iter().filter(|line| line.field("message") == "model reply broke off").collect();
        assert_eq!(told.len(), 1, "{reason}: {lines:?}");
        assert_eq!((told[0].level, told[0].field("app"), told[0].field("reason")), ("WARN", "first", reason));
        assert_eq!(told[0].field("detail"), detail);
        assert_eq!(told[0].field("request.id"), answer.header("request-id").unwrap());
    }
}
