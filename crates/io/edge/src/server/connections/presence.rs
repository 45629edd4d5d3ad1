//! What a listener knows of one connection, and tells it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::Memory;

/// What a connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum Ending {
    /// Go on.
    None,
    /// Take no more requests, and end.
    Leave,
    /// End at once.
    Cut,
}

/// What is known of one connection.
pub(in crate::server) struct Presence {
    /// When the listener began.
    began: Instant,
    /// How many requests are under way.
    requests: AtomicU32,
    /// Since when there has been none, in microseconds of the listener.
    idle_since: AtomicU64,
    /// Whether there was any.
    asked: AtomicBool,
    /// What its heads hold beyond what is free.
    held: AtomicUsize,
    forfeited: AtomicBool,
    /// What it held when it was told to end for that.
    owed: AtomicUsize,
    memory: Arc<Memory>,
    ending: AtomicU8,
    waker: AtomicWaker,
}

/// A request under way.
pub(in crate::server) struct Busy(Arc<Presence>);

impl Presence {
    /// One that was just opened.
    pub(super) fn new(began: Instant, memory: Arc<Memory>) -> Self {
        let presence = Self {
            began,
            requests: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            forfeited: AtomicBool::new(false),
            owed: AtomicUsize::new(0),
            memory,
            ending: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        };
        presence.rest();
        presence
    }

    /// A request begins; it is under way until the guard is dropped.
    pub(in crate::server) fn busy(self: &Arc<Self>) -> Busy {
        self.asked.store(true, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Since when there has been no request, in the time of the listener; `None` while there is one.
    pub(super) fn idle_since(&self) -> Option<Duration> {
        let idle = !self.is_busy() && self.ending() == Ending::None;
        idle.then(|| Duration::from_micros(self.idle_since.load(Ordering::Relaxed)))
    }

    pub(in crate::server) fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    /// What the connection is to do.
    pub(in crate::server) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::Acquire) {
            0 => Ending::None,
            1 => Ending::Leave,
            _ => Ending::Cut,
        }
    }

    /// Has `waker` woken when the connection is told to end.
    pub(in crate::server) fn tell(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Waits until the connection is told to end.
    pub(in crate::server) async fn ended(&self) {
        poll_fn(|task| {
            self.tell(task.waker());
            if self.ending() == Ending::None { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Tells the connection to end. Where nothing was ever asked, nothing can be cut off.
    pub(super) fn end(&self, how: Ending) {
        let how = if self.asked.load(Ordering::Relaxed) { how } else { Ending::Cut };
        self.ending.fetch_max(how as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Takes note of what its heads hold now.
    pub(super) fn hold(&self, bytes: usize) {
        let before = self.held.swap(bytes, Ordering::AcqRel);
        self.memory.held.fetch_add(bytes, Ordering::Relaxed);
        self.memory.held.fetch_sub(before, Ordering::Relaxed);
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Ends the connection for what it holds. That is free only once its last request is gone.
    pub(super) fn forfeit(&self) {
        self.forfeited.store(true, Ordering::Release);
        let owed = self.held();
        self.owed.fetch_add(owed, Ordering::Relaxed);
        self.memory.dying.fetch_add(owed, Ordering::Relaxed);
        self.end(Ending::Cut);
    }

    /// Whether the connection was ended for what it holds.
    pub(in crate::server) fn has_forfeited(&self) -> bool {
        self.forfeited.load(Ordering::Acquire)
    }

    fn rest(&self) {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.idle_since.store(now, Ordering::Relaxed);
    }
}

/// Nothing of the connection is left, and none of its requests.
impl Drop for Presence {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.held(), Ordering::Relaxed);
        self.memory.dying.fetch_sub(self.owed.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.rest();
        self.0.requests.fetch_sub(1, Ordering::Release);
    }
}
