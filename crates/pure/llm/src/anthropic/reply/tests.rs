use proptest::prelude::{any, proptest};

use super::{ReplyFacts, ReplyScanner};
use crate::usage::Usage;

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-5-5",
 "content":[{"type":"text","text":"a \"quoted\" , \\ } text"},{"type":"tool_use","id":"toolu_1","input":{"id":"no","usage":{"input_tokens":9}}}],
 "stop_reason":"tool_use","stop_sequence":null,
 "usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":5,"output_tokens":7,
          "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"service_tier":"standard"}}"#;

fn scan(chunks: &[&[u8]]) -> ReplyFacts {
    let mut scanner = ReplyScanner::new();
    for chunk in chunks {
        scanner.push(chunk);
    }
    scanner.finish()
}

#[test]
fn a_message_is_read_the_same_at_every_split_point() {
    let whole = scan(&[MESSAGE.as_bytes()]);
    assert_eq!(
        whole,
        ReplyFacts {
            id: Some("msg_1".into()),
            model: Some("claude-opus-5-5".into()),
            stop_reason: Some("tool_use".into()),
            usage: Some(Usage { input: 10, cache_write: 10, cache_write_1h: 20, cache_read: 5, output: 7 }),
            error_type: None,
        }
    );
    for at in 0..=MESSAGE.len() {
        let (left, right) = MESSAGE.as_bytes().split_at(at);
        assert_eq!(scan(&[left, right]), whole, "split at {at}");
    }
    let bytes: Vec<&[u8]> = MESSAGE.as_bytes().chunks(1).collect();
    assert_eq!(scan(&bytes), whole);
}

#[test]
fn token_counts_and_errors_are_read_too() {
    let counted = scan(&[br#"{"input_tokens": 2095}"#]);
    assert_eq!(counted.usage.map(|usage| usage.input), Some(2095));
    let failed =
        scan(&[br#"{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}"#]);
    assert_eq!(failed.error_type.as_deref(), Some("overloaded_error"));
}

#[test]
fn what_is_odd_yields_no_facts_and_huge_members_are_not_kept() {
    for odd in ["", "null", "<html>{\"a\"", r#"{"usage":"x","id":5,"model":[]}"#, r#"[{"id":"x"}]"#] {
        assert_eq!(scan(&[odd.as_bytes()]), ReplyFacts::default(), "{odd}");
    }
    let huge =
        format!(r#"{{"id":"{}","content":"{}","model":"m"}}"#, "x".repeat(20_000), "y".repeat(1 << 20));
    let mut scanner = ReplyScanner::new();
    scanner.push(huge.as_bytes());
    assert!(scanner.captured.capacity() <= 64 * 1024);
    let facts = scanner.finish();
    assert_eq!((facts.id, facts.model.as_deref()), (None, Some("m")));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(chunks in any::<Vec<Vec<u8>>>()) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let _ = scan(&chunks);
    }

    #[test]
    fn content_never_passes_for_facts(text in any::<String>()) {
        let text = serde_json::Value::from(text);
        let body = format!(r#"{{"content":[{{"text":{text},"id":"no"}}],"id":"yes"}}"#);
        assert_eq!(scan(&[body.as_bytes()]).id.as_deref(), Some("yes"));
    }
}
