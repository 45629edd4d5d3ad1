use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::SessionId;
use gatehouse_mcp::version::Version;

use gatehouse_edge::limits::Limit;

use super::{Most, Opened, Party, Sessions};

const MOST_PER_PARTY: usize = 1_000;
const MOST: Most = Most { in_all: 100_000, per_party: MOST_PER_PARTY };

const HOUR: Duration = Duration::from_hours(1);

fn party(subject: &str) -> Party {
    Party { issuer: "https://as.example".into(), subject: subject.into(), client: Some("cli".into()) }
}

fn open(sessions: &Sessions, id: &str, subject: &str, now: i64) {
    open_within(sessions, id, subject, MOST, now);
}

fn open_within(sessions: &Sessions, id: &str, subject: &str, most: Most, now: i64) -> Option<Limit> {
    let opened = Opened { version: Version::V2025_11_25, client_info: None };
    sessions.open(&SessionId::new(id), party(subject), opened, most, Timestamp::from_unix_seconds(now))
}

fn finds(sessions: &Sessions, id: &str, subject: &str, now: i64) -> bool {
    sessions.find(id, &party(subject), HOUR, Timestamp::from_unix_seconds(now)).is_some()
}

#[test]
fn belongs_to_the_principal_that_opened_it() {
    let sessions = Sessions::default();
    open(&sessions, "s", "ada", 0);
    assert!(!finds(&sessions, "s", "bob", 1));
    assert!(!sessions.end("s", &party("bob")));
    let other_client = Party { client: Some("other".into()), ..party("ada") };
    assert!(sessions.find("s", &other_client, HOUR, Timestamp::from_unix_seconds(1)).is_none());
    assert!(finds(&sessions, "s", "ada", 1));
    assert!(sessions.end("s", &party("ada")));
    assert!(!finds(&sessions, "s", "ada", 2));
}

#[test]
fn ends_an_hour_after_its_last_use() {
    let sessions = Sessions::default();
    open(&sessions, "s", "ada", 0);
    assert!(finds(&sessions, "s", "ada", 3_599));
    assert!(finds(&sessions, "s", "ada", 7_198));
    assert!(!finds(&sessions, "s", "ada", 7_198 + 3_600));
    assert!(sessions.table().by_use.is_empty() && sessions.table().by_party.is_empty());
}

#[test]
fn one_principal_cannot_push_out_the_sessions_of_others() {
    let sessions = Sessions::default();
    open(&sessions, "hers", "ada", 0);
    for number in 0..=MOST_PER_PARTY {
        open(&sessions, &format!("m{number}"), "mallory", 1);
    }
    assert!(finds(&sessions, "hers", "ada", 2));
    assert!(!finds(&sessions, "m0", "mallory", 2));
    assert!(finds(&sessions, "m1", "mallory", 2));
    assert_eq!(sessions.table().by_id.len(), MOST_PER_PARTY + 1);
}

#[test]
fn limits_that_are_met_are_told_and_may_be_lowered() {
    let sessions = Sessions::default();
    let most = |in_all, per_party| Most { in_all, per_party };
    for number in 0..4 {
        assert_eq!(open_within(&sessions, &format!("a{number}"), "ada", most(6, 4), number), None);
    }
    assert_eq!(open_within(&sessions, "a4", "ada", most(6, 4), 4), Some(Limit::SessionsPerCaller));
    open_within(&sessions, "b0", "bob", most(6, 4), 5);
    open_within(&sessions, "b1", "bob", most(6, 4), 6);
    assert_eq!(open_within(&sessions, "c0", "cyd", most(6, 4), 7), Some(Limit::Sessions));
    assert!(!finds(&sessions, "a1", "ada", 8) && finds(&sessions, "a2", "ada", 8));
    assert_eq!(open_within(&sessions, "d0", "dan", most(3, 4), 9), Some(Limit::Sessions));
    assert_eq!(sessions.table().by_id.len(), 3);
}
