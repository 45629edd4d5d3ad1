//! When a connection takes no more requests: its listener stops, or it has become old. And when it is cut.
//!
//! Both are rare and requests are not. So what a connection pays each time that it is woken is one look at a flag that
//! nobody writes and one at its own timer: no lock is shared with other connections.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::abort_reason::AbortReason;
use super::connections::{Ending, Presence};

/// How long the client of a connection that gives way may take to agree.
const GOODBYE: Duration = Duration::from_secs(2);

/// The end of a listener, as its connections learn of it.
#[derive(Default)]
pub(super) struct Closing {
    begun: AtomicBool,
    told: CancellationToken,
    /// Only event streams go on.
    requests_ended: AtomicBool,
    cutting: CancellationToken,
    cut: AtomicUsize,
    /// Nobody is waited for any more.
    given_up: Arc<AtomicBool>,
}

/// The connections of a listener. Those that are left when it goes are cut, and their requests learn by whom.
pub(super) struct Inside {
    pub(super) connections: JoinSet<()>,
    closing: Arc<Closing>,
}

impl Closing {
    /// From now on, connections end with the requests that they are at.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
        self.told.cancel();
    }

    /// From now on, connections without an event stream end where they are.
    pub(super) fn end_requests(&self) {
        self.requests_ended.store(true, Ordering::Release);
        self.cutting.cancel();
    }

    /// How many connections were ended by that.
    pub(super) fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }

    /// What the requests of a new connection ask when it has ended before them.
    pub(super) fn abort_reason(&self) -> Arc<AbortReason> {
        Arc::new(AbortReason::within(&self.given_up))
    }

    /// Does the work of `connection` until it ends. When the listener closes, or after `age`, it takes no more
    /// requests (HTTP/1: `connection: close`; HTTP/2: GOAWAY), and ends with the last of those that it is at. So it
    /// does when its `presence` says that it is to give way, and then does not wait for a client that has none. `None`
    /// when it was cut: so, or as requests had ended and it did not say that it `streams`; its `cutoff` then says so
    /// too.
    pub(super) async fn attend<C: GracefulConnection>(
        &self,
        connection: C,
        age: Duration,
        (presence, abort_reason): (&Presence, &AbortReason),
        streams: impl Fn() -> bool,
    ) -> Option<C::Output> {
        let mut connection = pin!(connection);
        let mut told = pin!(self.told.cancelled());
        let mut cutting = pin!(self.cutting.cancelled());
        let mut old = pin!(sleep(age));
        let mut going: Option<Pin<Box<Sleep>>> = None;
        let mut woken: Option<Waker> = None;
        let mut leaving = false;
        poll_fn(|task| {
            // Each of the three wakes whoever asked last; asking once is enough as long as that is the same.
            if !woken.as_ref().is_some_and(|woken| woken.will_wake(task.waker())) {
                woken = Some(task.waker().clone());
                // However much this task has done already: a wake-up that is not arranged for now never comes.
                let _ = pin!(unconstrained(told.as_mut())).poll(task);
                let _ = pin!(unconstrained(cutting.as_mut())).poll(task);
                let _ = pin!(unconstrained(old.as_mut())).poll(task);
                presence.tell(task.waker());
            }
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(task) {
                    return Poll::Ready(Some(ended));
                }
                let mut ending = presence.ending();
                if ending == Ending::Leave {
                    // It was woken for that, once; what comes next is to wake it too.
                    presence.tell(task.waker());
                    ending = presence.ending();
                }
                if ending == Ending::Cut {
                    if presence.has_forfeited() {
                        abort_reason.exceed();
                    }
                    return Poll::Ready(None);
                }
                if ending == Ending::Leave && !presence.is_busy() {
                    let going = going.get_or_insert_with(|| Box::pin(sleep(GOODBYE)));
                    if going.as_mut().poll(task).is_ready() {
                        return Poll::Ready(None);
                    }
                }
                let told = self.begun.load(Ordering::Acquire) || old.is_elapsed();
                if !leaving && (told || ending == Ending::Leave) {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                } else if self.requests_ended.load(Ordering::Acquire) && !streams() {
                    self.cut.fetch_add(1, Ordering::Relaxed);
                    abort_reason.give_up();
                    return Poll::Ready(None);
                } else {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

impl Inside {
    /// Nobody yet, of the listener that ends as `closing` says.
    pub(super) fn new(closing: &Arc<Closing>) -> Self {
        Self { connections: JoinSet::new(), closing: Arc::clone(closing) }
    }

    /// Forgets those that have ended.
    pub(super) fn sweep(&mut self) {
        while self.connections.try_join_next().is_some() {}
    }

    /// Whether all end within `time`. Those that have ended are forgotten.
    pub(super) async fn all_end(&mut self, time: Duration) -> bool {
        let all = async { while self.connections.join_next().await.is_some() {} };
        tokio::time::timeout(time, all).await.is_ok()
    }

    /// Cuts those who are left. Returns how many they were.
    pub(super) async fn cut(mut self) -> usize {
        self.closing.given_up.store(true, Ordering::Release);
        let left = self.connections.len();
        self.connections.shutdown().await;
        left
    }
}

/// Not all were waited for: the process was told twice to stop.
impl Drop for Inside {
    fn drop(&mut self) {
        if !self.connections.is_empty() {
            self.closing.given_up.store(true, Ordering::Release);
        }
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
