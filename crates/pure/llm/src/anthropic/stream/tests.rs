use proptest::prelude::{any, prop, proptest};
use serde_json::Value;

use super::{MAX_EVENT, PING, StreamEnd, StreamSummary, UsageScanner};
use crate::anthropic::error::ErrorType;
use crate::anthropic::reply::ReplyFacts;
use crate::usage::Usage;

const STREAM: &str = "event: message_start\n\
data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-opus-5-5\",\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
event: ping\ndata: {\"type\": \"ping\"}\n\n\
: a comment\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"event: error\\ndata: {}\"}}\n\n\
event: from_the_future\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":999}}\n\n\
event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

fn scan<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> StreamSummary {
    let mut scanner = UsageScanner::new();
    chunks.into_iter().for_each(|chunk| scanner.push(chunk));
    scanner.finish()
}

fn expected() -> StreamSummary {
    StreamSummary {
        end: StreamEnd::Complete,
        facts: ReplyFacts {
            id: Some("msg_1".into()),
            model: Some("claude-opus-5-5".into()),
            stop_reason: Some("end_turn".into()),
            usage: Some(Usage { input: 25, cache_read: 3, output: 15, ..Usage::default() }),
            error_type: None,
        },
    }
}

#[test]
fn every_split_point_and_every_line_end_give_the_same_summary() {
    for text in [STREAM.to_owned(), STREAM.replace('\n', "\r\n"), STREAM.replace('\n', "\r")] {
        for at in 0..=text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            assert_eq!(scan([left, right]), expected(), "split at {at} of {text:?}");
        }
        for size in [1, 2, 3, 7] {
            assert_eq!(scan(text.as_bytes().chunks(size)), expected(), "pieces of {size}");
        }
    }
}

#[test]
fn a_stream_without_event_names_is_read_by_its_types() {
    let named = |line: &&str| !line.starts_with("event:") && !line.contains("999");
    let text = STREAM.split('\n').filter(named).collect::<Vec<_>>().join("\n");
    assert_eq!(scan([text.as_bytes()]), expected());
}

#[test]
fn a_missing_stop_is_truncation_and_an_error_event_is_an_error() {
    let stop = STREAM.find("event: message_stop").unwrap();
    assert_eq!(scan([&STREAM.as_bytes()[..stop]]).end, StreamEnd::Truncated);
    assert_eq!(
        scan([&STREAM.as_bytes()[..STREAM.len() - 1]]).end,
        StreamEnd::Truncated,
        "no empty line, no event"
    );
    assert_eq!(scan([]).end, StreamEnd::Truncated);
    let failed = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n";
    let summary = scan([&STREAM.as_bytes()[..stop], failed.as_bytes()]);
    assert_eq!(summary.end, StreamEnd::Error);
    assert_eq!(summary.facts.error_type.as_deref(), Some("overloaded_error"));
    assert_eq!(summary.facts.usage, expected().facts.usage);
    assert_eq!(scan([b"event: error\ndata: upstream went away\n\n".as_slice()]).end, StreamEnd::Error);
}

#[test]
fn a_missing_or_odd_usage_is_no_usage() {
    for usage in ["", ",\"usage\":null", ",\"usage\":[1]"] {
        let text = format!("event: message_start\ndata: {{\"message\":{{\"id\":\"m\"{usage}}}}}\n\n");
        assert_eq!(scan([text.as_bytes()]).facts.usage, None, "{usage}");
    }
}

#[test]
fn oversized_events_are_passed_over_in_bounded_memory() {
    let long = "x".repeat(MAX_EVENT);
    for oversized in [
        format!("event: message_delta\ndata: \"{long}\"\n\n"),
        format!("data: \"{long}\"\n\n"),
        format!("{long}{long}\ndata: {{}}\n\n"),
        format!("data: 1\n{}\n", "data: 12345678\n".repeat(MAX_EVENT / 8)),
    ] {
        let text = format!("{oversized}{STREAM}");
        assert_eq!(scan([text.as_bytes()]), expected());
        let mut scanner = UsageScanner::new();
        for chunk in text.as_bytes().chunks(1000) {
            scanner.push(chunk);
            assert!(scanner.partial.capacity() + scanner.data.capacity() <= 4 * MAX_EVENT);
        }
        assert_eq!(scanner.finish(), expected());
    }
}

#[test]
fn content_starts_with_the_first_block() {
    let mut scanner = UsageScanner::new();
    let block = STREAM.find("event: content_block_start").unwrap();
    scanner.push(&STREAM.as_bytes()[..block]);
    scanner.push(&PING);
    assert!(!scanner.content_started());
    scanner.push(b"event: content_block_start\n");
    assert!(scanner.content_started());
}

#[test]
fn pings_go_between_events_only_and_change_nothing() {
    let mut plain = UsageScanner::new();
    let mut pinged = UsageScanner::new();
    let mut boundaries = 0;
    for byte in STREAM.as_bytes() {
        if pinged.at_event_boundary() {
            pinged.push(&PING);
            boundaries += 1;
        }
        plain.push(&[*byte]);
        pinged.push(&[*byte]);
    }
    assert_eq!(boundaries, STREAM.matches("\n\n").count());
    assert_eq!(plain.finish(), pinged.finish());
}

#[test]
fn an_error_event_is_seen_wherever_the_stream_breaks() {
    for at in 0..STREAM.find("event: message_stop").unwrap() {
        let mut scanner = UsageScanner::new();
        scanner.push(&STREAM.as_bytes()[..at]);
        let last = scanner.error_event(ErrorType::Api, "the provider broke off", "req_1");
        let whole = [&STREAM.as_bytes()[..at], &last].concat();
        let (name, data) = last_event(std::str::from_utf8(&whole).unwrap());
        assert_eq!(name, "error", "cut at {at}");
        let error = data.lines().last().unwrap();
        assert_eq!(serde_json::from_str::<Value>(error).unwrap()["request_id"], "req_1", "cut at {at}");
    }
}

/// Reads a stream as the specification of server-sent events says; gives the last event.
fn last_event(stream: &str) -> (String, String) {
    let (mut name, mut data, mut last) = (String::new(), Vec::new(), None);
    for line in stream.lines() {
        if line.is_empty() {
            if !data.is_empty() {
                last = Some((std::mem::take(&mut name), std::mem::take(&mut data).join("\n")));
            }
            name.clear();
        } else if let Some(value) = line.strip_prefix("event: ") {
            value.clone_into(&mut name);
        } else if let Some(value) = line.strip_prefix("data: ") {
            data.push(value);
        }
    }
    last.unwrap()
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_splits_never_matter(
        bytes in prop::collection::vec(prop::sample::select(b"\r\n :dataevent{}\"messge_stop".to_vec()), 0..400),
        size in 1_usize..20,
    ) {
        assert_eq!(scan([bytes.as_slice()]), scan(bytes.chunks(size)));
    }

    #[test]
    fn any_bytes_at_all(chunks in any::<Vec<Vec<u8>>>()) {
        let _ = scan(chunks.iter().map(Vec::as_slice));
    }
}

/// Not a timing check: run with `--ignored --nocapture` in a release build to see the cost per event.
#[test]
#[ignore = "prints a measurement"]
fn cost_per_event() {
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"some words of an answer\"}}\n\n";
    let stream = delta.repeat(100_000);
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let start = std::time::Instant::now();
    let _ = std::hint::black_box(scan(stream.as_bytes().chunks(delta.len())));
    println!("{} ns per event", start.elapsed().as_nanos() / 100_000);
}
