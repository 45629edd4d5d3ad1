use futures_util::FutureExt as _;

use gatehouse_mcp::message::Id;

use super::{Cancellation, Cancellations};

fn is_requested(cancellation: &Cancellation) -> bool {
    cancellation.requested().now_or_never().is_some()
}

#[test]
fn cancels_the_call_that_is_meant_and_no_other() {
    let calls = Cancellations::default();
    let meant = calls.begin("s", &Id::number(1)).unwrap();
    let others = [calls.begin("s", &Id::number(2)).unwrap(), calls.begin("t", &Id::number(1)).unwrap()];
    for (session, id) in [("s", "\"1\""), ("s", "3"), ("u", "1"), ("", "")] {
        calls.cancel(session, id);
    }
    assert!(!is_requested(&meant));
    calls.cancel("s", "1");
    assert!(is_requested(&meant) && others.iter().all(|other| !is_requested(other)));
}

#[test]
fn forgets_calls_that_are_over() {
    let calls = Cancellations::default();
    let first = calls.begin("s", &Id::number(1)).unwrap();
    assert!(calls.begin("s", &Id::number(1)).is_none(), "an id stands for one call at a time");
    drop(first);
    assert!(calls.table().is_empty());
    assert!(!is_requested(&calls.begin("s", &Id::number(1)).unwrap()));
}
