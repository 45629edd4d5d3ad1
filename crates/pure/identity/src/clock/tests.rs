use std::time::Duration;

use super::Timestamp;

#[test]
fn seconds_round_down_also_before_the_epoch() {
    assert_eq!(Timestamp::from_unix_nanos(1_999_999_999).unix_seconds(), 1);
    assert_eq!(Timestamp::from_unix_nanos(-1).unix_seconds(), -1);
}

#[test]
fn arithmetic_saturates() {
    let last = Timestamp::from_unix_nanos(i64::MAX);
    assert_eq!(last.plus(Duration::from_secs(1)), last);
    assert_eq!(last.plus(Duration::MAX), last);
    assert_eq!(Timestamp::from_unix_seconds(i64::MAX), last);
    assert_eq!(Timestamp::from_unix_seconds(1).since(last), Duration::ZERO);
    assert!(last.since(Timestamp::from_unix_nanos(i64::MIN)) > Duration::ZERO);
}

#[test]
fn shows_as_rfc_3339() {
    assert_eq!(Timestamp::from_unix_seconds(1_800_000_000).to_string(), "2027-01-15T08:00:00Z");
    assert_eq!(Timestamp::from_unix_nanos(1_500_000_000).to_string(), "1970-01-01T00:00:01.5Z");
    for extreme in [i64::MIN, i64::MAX] {
        assert!(!Timestamp::from_unix_nanos(extreme).to_string().is_empty());
    }
}
