use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::SessionId;
use gatehouse_mcp::version::Version;

use super::{MOST_PER_PARTY, Opened, Party, Sessions};

const HOUR: Duration = Duration::from_hours(1);

fn party(subject: &str) -> Party {
    Party { issuer: "https://as.example".into(), subject: subject.into(), client: Some("cli".into()) }
}

fn open(sessions: &Sessions, id: &str, subject: &str, now: i64) {
    let opened = Opened { version: Version::V2025_11_25, client_info: None };
    sessions.open(&SessionId::new(id), party(subject), opened, Timestamp::from_unix_seconds(now));
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
