use std::time::Duration;

use tokio::time::Instant;

use super::{FORGOTTEN, MOST, Recurring};

const BEARABLE: Duration = Duration::from_secs(15);
const ADA: (&str, &str) = ("https://idp.example", "ada");

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn a_request_that_keeps_failing_is_told_to_stop_once() {
    let (recurring, start) = (Recurring::default(), Instant::now());
    let request = recurring.key(ADA, "/v1/messages", b"{}");
    for (seconds, lasted) in [(0, false), (1, false), (14, false), (17, true), (18, false), (40, true)] {
        assert_eq!(recurring.has_lasted(request, BEARABLE, after(start, seconds)), lasted, "{seconds}");
    }
}

#[test]
fn a_failure_long_after_another_is_the_first_again() {
    let (recurring, start) = (Recurring::default(), Instant::now());
    let request = recurring.key(ADA, "/v1/messages", b"{}");
    let late = FORGOTTEN.as_secs() + 1;
    assert!(!recurring.has_lasted(request, BEARABLE, start));
    assert!(!recurring.has_lasted(request, BEARABLE, after(start, late)));
    assert!(recurring.has_lasted(request, BEARABLE, after(start, late + 15)));
}

#[test]
fn requests_of_others_and_other_requests_are_not_confused() {
    let recurring = Recurring::default();
    let body = vec![b'x'; 300 * 1024];
    let (mut begins, mut ends) = (body.clone(), body.clone());
    begins[0] = b'y';
    ends[300 * 1024 - 1] = b'y';
    let keys = [
        recurring.key(ADA, "/v1/messages", &body),
        recurring.key(("https://idp.example", "bob"), "/v1/messages", &body),
        recurring.key(ADA, "/v1/messages/count_tokens", &body),
        recurring.key(ADA, "/v1/messages", &begins),
        recurring.key(ADA, "/v1/messages", &ends),
        recurring.key(ADA, "/v1/messages", b""),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{index}");
    }
    assert_eq!(keys[0], recurring.key(ADA, "/v1/messages", &body));
}

#[test]
fn memory_is_bounded_and_what_is_over_makes_room() {
    let (recurring, start) = (Recurring::default(), Instant::now());
    for request in 0..2 * MOST as u64 {
        recurring.has_lasted(request, BEARABLE, start);
    }
    assert_eq!(recurring.failing.lock().unwrap().len(), MOST);
    let later = start + FORGOTTEN + Duration::from_secs(1);
    recurring.has_lasted(u64::MAX, BEARABLE, later);
    assert_eq!(recurring.failing.lock().unwrap().len(), 1);
}

#[test]
fn one_subject_at_two_issuers_is_two_people() {
    let (recurring, start) = (Recurring::default(), Instant::now());
    let other = recurring.key(("https://other.example", "ada"), "/v1/messages", b"{}");
    let request = recurring.key(ADA, "/v1/messages", b"{}");
    assert!(!recurring.has_lasted(other, BEARABLE, start));
    assert!(!recurring.has_lasted(request, BEARABLE, after(start, 20)), "it is the first of this one");
    assert!(recurring.has_lasted(other, BEARABLE, after(start, 20)));
    // Nor do parts of one name run into those of the other.
    let glued = recurring.key(("https://idp.exampleada", ""), "/v1/messages", b"{}");
    assert_ne!(glued, request);
}
