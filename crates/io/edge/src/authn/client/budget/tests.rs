use std::time::Duration;

use tokio::time::Instant;

use super::Budget;

#[test]
fn a_host_is_asked_six_times_a_minute() {
    let (budget, start) = (Budget::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    for number in 0..6 {
        assert_eq!(budget.admit("a.example", &number.to_string(), at(number)), Ok(()));
    }
    assert!(budget.admit("a.example", "x", at(59)).is_err());
    assert_eq!(budget.admit("b.example", "x", at(59)), Ok(()));
    assert_eq!(budget.admit("a.example", "x", at(60)), Ok(()), "the first one was a minute ago");
    assert!(budget.admit("a.example", "y", at(60)).is_err());
}

#[test]
fn all_hosts_together_are_asked_ten_times_a_second() {
    let (budget, start) = (Budget::default(), Instant::now());
    for number in 0..10 {
        assert_eq!(budget.admit(&number.to_string(), "x", start), Ok(()));
    }
    assert!(budget.admit("another", "x", start + Duration::from_millis(999)).is_err());
    assert_eq!(budget.admit("another", "x", start + Duration::from_secs(1)), Ok(()));
}

#[test]
fn what_failed_rests_for_thirty_seconds() {
    let (budget, start) = (Budget::default(), Instant::now());
    budget.failed("u", start);
    assert!(budget.admit("a.example", "u", start + Duration::from_secs(29)).is_err());
    assert_eq!(budget.admit("a.example", "other", start + Duration::from_secs(29)), Ok(()));
    assert_eq!(budget.admit("a.example", "u", start + Duration::from_secs(30)), Ok(()));
}
