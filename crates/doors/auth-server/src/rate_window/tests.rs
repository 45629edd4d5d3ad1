use std::time::Duration;

use gatehouse_identity::clock::Timestamp;

use super::{Full, RateWindows};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn a_full_window_opens_when_it_ends() {
    let mut windows = RateWindows::new(Duration::from_mins(1), 2, 10);
    windows.count(&"a", NOW).unwrap();
    windows.count(&"a", later(10)).unwrap();
    let full = |wait| Err(Full { wait: Duration::from_secs(wait) });
    assert_eq!(windows.count(&"a", later(20)), full(40));
    assert_eq!(windows.count(&"a", later(59)), full(1));
    windows.count(&"b", later(59)).unwrap();
    windows.count(&"a", later(60)).unwrap();
    windows.take_back(&"a");
    windows.count(&"a", later(60)).unwrap();
    windows.count(&"a", later(60)).unwrap();
    assert_eq!(windows.count(&"a", later(61)), full(59));
    windows.forget(&"a");
    windows.count(&"a", later(61)).unwrap();
}

#[test]
fn memory_is_bounded_and_the_oldest_window_goes_first() {
    let mut windows = RateWindows::new(Duration::from_mins(1), 1, 3);
    for (second, key) in ["a", "b", "c"].into_iter().enumerate() {
        windows.count(&key, later(second as u64)).unwrap();
    }
    // A key that is held makes nobody go.
    assert!(windows.count(&"c", later(3)).is_err());
    windows.count(&"d", later(3)).unwrap();
    assert_eq!(windows.counts.len(), 3);
    for held in ["b", "c", "d"] {
        assert!(windows.count(&held, later(4)).is_err(), "{held}");
    }
    windows.count(&"e", later(62)).unwrap();
    assert_eq!(windows.counts.len(), 2, "windows that ended go before any other");
}
