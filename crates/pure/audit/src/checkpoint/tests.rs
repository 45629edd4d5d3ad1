use gatehouse_identity::clock::Timestamp;

use super::{CheckpointKey, NotAKey, PublicKey, Statement};
use crate::chain::Chain;
use crate::event::{Event, EventKind, Outcome};
use crate::head::Head;

fn event(kind: EventKind) -> Event {
    Event::new(kind, Outcome::Allow, Timestamp::from_unix_nanos(1_795_271_974_000_000_123))
}

fn statement<'a>() -> Statement<'a> {
    Statement {
        event: "audit.checkpoint",
        node: "\"gw-1\"",
        run: "Jw0vqk3p1mYd",
        head: Head { seq: 7, hash: [0xab; 32] },
        time: "2026-11-21T14:39:34.000000123Z",
    }
}

#[test]
fn the_signed_text_is_a_line_for_each_part() {
    let expected = format!(
        "gatehouse-audit-checkpoint/1\naudit.checkpoint\n\"gw-1\"\nJw0vqk3p1mYd\n7\n{}\n2026-11-21T14:39:34.000000123Z\n",
        "ab".repeat(32)
    );
    assert_eq!(statement().to_string(), expected);
}

#[test]
fn a_key_signs_what_its_public_half_verifies() {
    let key = CheckpointKey::generate().unwrap();
    let public: PublicKey = key.public().parse().unwrap();
    let head = Head { seq: 7, hash: [0xab; 32] };
    let signed = key.sign(event(EventKind::AuditCheckpoint), "Jw0vqk3p1mYd", "\"gw-1\"", head).unwrap();
    let written = serde_json::to_value(&signed).unwrap();
    assert_eq!(written["checkpoint"]["key"], key.public());
    assert_eq!(written["checkpoint"]["run"], "Jw0vqk3p1mYd");
    let signature = written["checkpoint"]["signature"].as_str().unwrap();
    assert!(public.verifies(&statement(), signature));
    let other: PublicKey = CheckpointKey::generate().unwrap().public().parse().unwrap();
    assert!(!other.verifies(&statement(), signature));
    assert!(!public.verifies(&statement(), "x"));
    for changed in [
        Statement { event: "audit.closed", ..statement() },
        Statement { node: "\"gw-2\"", ..statement() },
        Statement { run: "Jw0vqk3p1mYe", ..statement() },
        Statement { head: Head { seq: 8, ..head }, ..statement() },
        Statement { head: Head { hash: [0xac; 32], ..head }, ..statement() },
        Statement { time: "2026-11-21T14:39:34.000000124Z", ..statement() },
    ] {
        assert!(!public.verifies(&changed, signature), "{changed}");
    }
}

#[test]
fn a_name_of_a_node_cannot_pass_for_another_line() {
    let key = CheckpointKey::generate().unwrap();
    let chain = Chain::after(Head::START, "gw-1\"\nrun");
    let record = chain.checkpoint(event(EventKind::AuditCheckpoint), &key, "r").unwrap();
    let mut log = String::new();
    Chain::after(Head::START, "gw-1\"\nrun").append(&record, &mut log);
    assert_eq!(log.lines().count(), 1);
    assert!(log.contains(r#""node":"gw-1\"\nrun""#), "{log}");
}

#[test]
fn only_32_bytes_of_base64url_are_a_public_key() {
    for text in ["", "x", &"A".repeat(42), &"A".repeat(44), &"+".repeat(43)] {
        assert_eq!(text.parse::<PublicKey>().unwrap_err(), NotAKey, "{text}");
    }
}
