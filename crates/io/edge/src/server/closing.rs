//! When a connection takes no more requests: its listener stops, or it has become old.
//!
//! Both are rare and requests are not. So what a connection pays each time that it is woken is one look at a flag that
//! nobody writes and one at its own timer: no lock is shared with other connections.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::task::unconstrained;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The end of a listener, as its connections learn of it.
#[derive(Default)]
pub(super) struct Closing {
    begun: AtomicBool,
    told: CancellationToken,
}

impl Closing {
    /// From now on, connections end with the requests that they are at.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
        self.told.cancel();
    }

    /// Does the work of `connection` until it ends. When the listener closes, or after `age`, it takes no more
    /// requests (HTTP/1: `connection: close`; HTTP/2: GOAWAY), and ends with the last of those that it is at.
    pub(super) async fn attend<C: GracefulConnection>(&self, connection: C, age: Duration) -> C::Output {
        let mut connection = pin!(connection);
        let mut told = pin!(self.told.cancelled());
        let mut old = pin!(sleep(age));
        let mut woken: Option<Waker> = None;
        let mut leaving = false;
        poll_fn(|task| {
            // Either of the two wakes whoever asked last; asking once is enough as long as that is the same.
            if !leaving && !woken.as_ref().is_some_and(|woken| woken.will_wake(task.waker())) {
                woken = Some(task.waker().clone());
                // However much this task has done already: a wake-up that is not arranged for now never comes.
                let _ = pin!(unconstrained(told.as_mut())).poll(task);
                let _ = pin!(unconstrained(old.as_mut())).poll(task);
            }
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(task) {
                    return Poll::Ready(ended);
                }
                if leaving || !(self.begun.load(Ordering::Acquire) || old.is_elapsed()) {
                    return Poll::Pending;
                }
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
        })
        .await
    }
}

/// The age of a listener's connection `number`: `age` and up to a tenth more or less, so that connections that were
/// opened together do not end together. The golden ratio keeps neighbours apart without any randomness.
pub(super) fn spread(age: Duration, number: u32) -> Duration {
    const GOLDEN: u32 = 0x9e37_79b9;
    let fraction = f64::from(number.wrapping_mul(GOLDEN)) / f64::from(u32::MAX);
    age.mul_f64(0.9 + 0.2 * fraction)
}

#[cfg(test)]
mod tests;
