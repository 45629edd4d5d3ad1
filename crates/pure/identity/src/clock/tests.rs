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

#[test]
fn is_read_from_rfc_3339() {
    for nanos in [i64::MIN, -1, 0, 1_500_000_000, 1_800_000_000_123_456_789, i64::MAX] {
        let time = Timestamp::from_unix_nanos(nanos);
        assert_eq!(Timestamp::from_rfc3339(&time.to_string()), Some(time));
    }
    let east = Timestamp::from_rfc3339("2027-01-15T10:00:00+02:00");
    assert_eq!(east, Some(Timestamp::from_unix_seconds(1_800_000_000)));
    for text in ["", "2027-01-15", "2027-01-15T08:00:00", "9999-01-01T00:00:00Z"] {
        assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
    }
}
