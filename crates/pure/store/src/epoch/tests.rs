use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use serde_json::{Value, json};

use super::{Epoch, NOTICE};

const BEGAN_AT: i64 = 1_700_000_000;

fn voided(nanos: i64, claims: &Value) -> bool {
    let began_at = Timestamp::from_unix_nanos(BEGAN_AT * 1_000_000_000 + nanos);
    let epoch = Epoch { issuer: Issuer::new("https://gw.example.com"), began_at };
    epoch.voids(claims.as_object().unwrap())
}

#[test]
fn tokens_from_before_are_void() {
    for (nanos, issued_at, void) in [
        (0, BEGAN_AT - 1, true),
        (0, BEGAN_AT, false),
        (1, BEGAN_AT, true),
        (999_999_999, BEGAN_AT, true),
        (1, BEGAN_AT + 1, false),
    ] {
        let claims = json!({"iss": "https://gw.example.com", "iat": issued_at});
        assert_eq!(voided(nanos, &claims), void, "{nanos} {issued_at}");
    }
}

#[test]
fn tokens_that_do_not_say_when_they_were_issued_are_void() {
    for claims in [
        json!({"iss": "https://gw.example.com"}),
        json!({"iss": "https://gw.example.com", "iat": "1800000000"}),
        json!({"iss": "https://gw.example.com", "iat": 1e300}),
    ] {
        assert!(voided(0, &claims), "{claims}");
    }
}

#[test]
fn an_epoch_begins_at_a_full_second_after_its_notice() {
    let issuer = Issuer::new("https://gw.example.com");
    let began_at = |nanos| Epoch::written_at(Timestamp::from_unix_nanos(nanos), &issuer).began_at;
    for (now, expected) in [(0, 2), (1, 3), (999_999_999, 3), (1_000_000_000, 3)] {
        assert_eq!(began_at(now), Timestamp::from_unix_seconds(expected), "{now}");
        assert!(began_at(now).since(Timestamp::from_unix_nanos(now)) >= NOTICE);
    }
}

#[test]
fn an_epoch_that_is_far_away_is_told_from_one_that_was_just_begun() {
    let now = Timestamp::from_unix_seconds(BEGAN_AT);
    let issuer = Issuer::new("https://gw.example.com");
    assert!(!Epoch::written_at(now, &issuer).is_far_ahead_of(now));
    let ahead = |seconds| Epoch {
        issuer: issuer.clone(),
        began_at: Timestamp::from_unix_seconds(BEGAN_AT + seconds),
    };
    assert_eq!([-100, 60, 61].map(|seconds| ahead(seconds).is_far_ahead_of(now)), [false, false, true]);
}

#[test]
fn tokens_of_others_are_none_of_its_business() {
    for claims in [
        json!({"iss": "https://gw.example.com/", "iat": 1}),
        json!({"iss": "https://idp.example.com", "iat": 1}),
        json!({"iss": 7, "iat": 1}),
        json!({"iat": 1}),
        json!({}),
    ] {
        assert!(!voided(0, &claims), "{claims}");
    }
}
