use gatehouse_identity::clock::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Broken, Chain, Ending, Head, Record, Verifier, Why, verify};
use crate::event::{Event, EventKind, Outcome};
use crate::head::NotAHead;

fn record(user: &str) -> Record {
    let time = Timestamp::from_unix_seconds(1_795_271_974);
    Record::encode(&Event::new(EventKind::SigninFailure, Outcome::Deny, time).with_claimed_user(user))
        .unwrap()
}

fn log(users: &[impl AsRef<str>]) -> Vec<String> {
    let mut chain = Chain::after(Head::START, "gw-1");
    let mut text = String::new();
    for user in users {
        chain.append(&record(user.as_ref()), &mut text);
    }
    text.lines().map(str::to_owned).collect()
}

fn check(lines: &[String]) -> Result<u64, Broken> {
    verify(lines.iter().map(String::as_str)).map(|summary| summary.records)
}

#[test]
fn a_record_is_one_line_that_sha256sum_can_check() {
    let lines = log(&["ada", "eve"]);
    assert_eq!(
        lines,
        [
            r#"{"seq":1,"node":"gw-1","time":"2026-11-21T14:39:34Z","event":"signin.failure","outcome":"deny","actor":{"claimed_user":"ada"},"prev_hash":"0000000000000000000000000000000000000000000000000000000000000000","hash":"3cd62560cfe48ef1bce0cacaff10809c61b04aca11a1131d203f7e3ea14f4832"}"#,
            r#"{"seq":2,"node":"gw-1","time":"2026-11-21T14:39:34Z","event":"signin.failure","outcome":"deny","actor":{"claimed_user":"eve"},"prev_hash":"3cd62560cfe48ef1bce0cacaff10809c61b04aca11a1131d203f7e3ea14f4832","hash":"d45aa9273ee24ef87e87c5c379b209bfe910ac0bec7b0ea14d35990a92d664a7"}"#,
        ]
    );
    for line in &lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn a_chain_goes_on_after_a_restart() {
    let lines = log(&["a", "b", "c"]);
    let mut chain = Chain::after(Head::of_line(&lines[1]).unwrap(), "gw-1");
    let mut text = String::new();
    chain.append(&record("c"), &mut text);
    assert_eq!(text.trim_end(), lines[2]);
    assert_eq!(chain.head(), Head::of_line(&lines[2]).unwrap());

    let mut verifier = Verifier::after(Head::of_line(&lines[0]).unwrap());
    verifier.push(&lines[1]).unwrap();
    verifier.push(&lines[2]).unwrap();
    assert_eq!(verifier.finish().head.seq, 3);
}

#[test]
fn a_log_says_whether_it_was_closed() {
    use EventKind::{AuditClosed, AuditOpened, SigninFailure};
    let summary = |kinds: &[EventKind]| {
        let mut chain = Chain::after(Head::START, r#"gw","event":"audit.closed"#);
        let mut text = String::new();
        for kind in kinds {
            let event = Event::new(*kind, Outcome::Allow, Timestamp::from_unix_seconds(1_795_271_974));
            chain.append(&Record::encode(&event.with_claimed_user("audit.closed")).unwrap(), &mut text);
        }
        let summary = verify(text.lines()).unwrap();
        (summary.ending, summary.interruptions)
    };
    assert_eq!(summary(&[]), (Ending::Open, 0));
    assert_eq!(summary(&[AuditOpened]), (Ending::Open, 0));
    assert_eq!(summary(&[AuditOpened, SigninFailure, AuditClosed]), (Ending::Closed, 0));
    assert_eq!(summary(&[AuditOpened, AuditClosed, AuditOpened, AuditClosed]), (Ending::Closed, 0));
    assert_eq!(summary(&[AuditOpened, AuditClosed, AuditOpened, SigninFailure]), (Ending::Open, 0));
    assert_eq!(summary(&[AuditOpened, SigninFailure, AuditOpened, AuditClosed]), (Ending::Closed, 1));
    assert_eq!(summary(&[AuditOpened, AuditOpened, AuditOpened]), (Ending::Open, 2));
}

#[test]
fn an_edited_last_line_gives_no_head() {
    let lines = log(&["a"]);
    assert_eq!(Head::of_line(&lines[0].replace("deny", "done")), Err(Why::Edited));
    assert_eq!(Head::of_line("{}"), Err(Why::Malformed));
    assert_eq!(Head::of_line(""), Err(Why::Malformed));
}

#[test]
fn a_replaced_record_is_named_even_when_its_own_hash_is_right() {
    let mut lines = log(&["a", "b", "c"]);
    lines[1] = log(&["a", "x"])[1].clone();
    assert_eq!(check(&lines), Err(Broken { seq: 2, line: 3, why: Why::Replaced }));
}

#[test]
fn a_record_forged_into_the_middle_is_found_where_the_true_one_follows() {
    let mut lines = log(&["a", "b", "c"]);
    lines.insert(1, log(&["a", "x"])[1].clone());
    assert_eq!(check(&lines), Err(Broken { seq: 2, line: 3, why: Why::Misplaced { expected: 3 } }));
}

#[test]
fn a_log_that_starts_late_lacks_its_first_record() {
    let lines = log(&["a", "b"]);
    assert_eq!(check(&lines[1..]), Err(Broken { seq: 1, line: 1, why: Why::Missing { found: 2 } }));
    assert_eq!(check(&[]), Ok(0));
}

fn users() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any::<String>(), 3..20)
}

proptest! {
    #[test]
    fn an_untouched_log_is_intact(users in users()) {
        prop_assert_eq!(check(&log(&users)), Ok(users.len() as u64));
    }

    #[test]
    fn any_changed_byte_is_found_at_its_record(users in users(), at: Index, byte: Index, new in 0x20_u8..0x7f) {
        let mut lines = log(&users);
        let at = at.index(lines.len());
        let mut bytes = lines[at].clone().into_bytes();
        let byte = byte.index(bytes.len());
        prop_assume!(bytes[byte] != new && bytes[byte].is_ascii());
        bytes[byte] = new;
        lines[at] = String::from_utf8(bytes).unwrap();
        let broken = check(&lines).unwrap_err();
        prop_assert_eq!((broken.seq, broken.line), (at as u64 + 1, at as u64 + 1));
    }

    #[test]
    fn a_deletion_is_found_at_the_missing_record(users in users(), at: Index) {
        let mut lines = log(&users);
        let at = at.index(lines.len() - 1);
        lines.remove(at);
        let seq = at as u64 + 1;
        prop_assert_eq!(check(&lines), Err(Broken { seq, line: seq, why: Why::Missing { found: seq + 1 } }));
    }

    #[test]
    fn a_swap_is_found_at_the_first_of_the_two(users in users(), one: Index, other: Index) {
        let mut lines = log(&users);
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        prop_assume!(one != other);
        lines.swap(one, other);
        let seq = one.min(other) as u64 + 1;
        let found = one.max(other) as u64 + 1;
        prop_assert_eq!(check(&lines), Err(Broken { seq, line: seq, why: Why::Missing { found } }));
    }

    #[test]
    fn a_repeated_record_is_named(users in users(), from: Index, to: Index) {
        let mut lines = log(&users);
        let from = from.index(lines.len());
        let to = from + 1 + to.index(lines.len() - from);
        lines.insert(to, lines[from].clone());
        let expected = to as u64 + 1;
        let why = Why::Misplaced { expected };
        prop_assert_eq!(check(&lines), Err(Broken { seq: from as u64 + 1, line: expected, why }));
    }

    #[test]
    fn no_text_makes_the_verifier_panic(text: String, seq: u64) {
        let _ = check(std::slice::from_ref(&text));
        let _ = check(&[format!("{{\"seq\":{seq},{text}")]);
    }
}

#[test]
fn a_head_is_written_and_read() {
    let head = Head::of_line(&log(&["ada"])[0]).unwrap();
    assert_eq!(head.to_string().parse(), Ok(head));
    for text in
        ["", "1", "1:", "1:ab", "x:0", &format!("1:a{}", "0".repeat(64)), &format!("1:{}", "G".repeat(64))]
    {
        assert_eq!(text.parse::<Head>(), Err(NotAHead), "{text}");
    }
}
