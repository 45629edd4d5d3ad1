use std::time::Duration;

use tokio::time::Instant;

use super::Standing::{Proven, Unknown};
use super::{Budget, PER_SECOND};

#[test]
fn a_host_is_asked_six_times_a_minute() {
    let (budget, start) = (Budget::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    for number in 0..6 {
        assert_eq!(budget.admit(Unknown, "a.example", &number.to_string(), at(number)), Ok(()));
    }
    assert!(budget.admit(Unknown, "a.example", "x", at(59)).is_err());
    assert_eq!(budget.admit(Unknown, "b.example", "x", at(59)), Ok(()));
    assert_eq!(budget.admit(Unknown, "a.example", "x", at(60)), Ok(()), "the first one was a minute ago");
    assert!(budget.admit(Unknown, "a.example", "y", at(60)).is_err());
}

#[test]
fn all_hosts_together_are_asked_ten_times_a_second() {
    let (budget, start) = (Budget::default(), Instant::now());
    for number in 0..10 {
        assert_eq!(budget.admit(Unknown, &number.to_string(), "x", start), Ok(()));
    }
    assert!(budget.admit(Unknown, "another", "x", start + Duration::from_millis(999)).is_err());
    assert_eq!(budget.admit(Unknown, "another", "x", start + Duration::from_secs(1)), Ok(()));
}

#[test]
fn what_failed_rests_for_thirty_seconds() {
    let (budget, start) = (Budget::default(), Instant::now());
    budget.failed("u", start);
    assert!(budget.admit(Unknown, "a.example", "u", start + Duration::from_secs(29)).is_err());
    assert_eq!(budget.admit(Unknown, "a.example", "other", start + Duration::from_secs(29)), Ok(()));
    assert_eq!(budget.admit(Unknown, "a.example", "u", start + Duration::from_secs(30)), Ok(()));
}

#[test]
fn made_up_urls_never_use_up_the_fetches_of_documents_that_were_good() {
    let (budget, start) = (Budget::default(), Instant::now());
    for number in 0..100 {
        let _ = budget.admit(Unknown, "a.example", &number.to_string(), start);
    }
    assert!(budget.admit(Unknown, "a.example", "x", start).is_err());
    for number in 0..PER_SECOND {
        assert_eq!(budget.admit(Proven, "a.example", &format!("good/{number}"), start), Ok(()));
    }
    assert!(budget.admit(Proven, "a.example", "good/x", start).is_err(), "they have a limit of their own");
    budget.failed("good/1", start);
    assert!(budget.admit(Proven, "a.example", "good/1", start + Duration::from_secs(29)).is_err());
}
