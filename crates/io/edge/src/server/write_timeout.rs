//! Clients that ask and then do not read: what is sent to them has a time limit, so that they hold neither memory nor an
//! upstream that works for them.

pub(crate) mod connection;
pub mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a client may take nothing of what is there for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many streams a client may leave unread until its connection ends.
const MOST_UNREAD: usize = 2;

/// How many streams of a connection were given up.
pub(crate) struct UnreadStreams {
    count: AtomicUsize,
    most: usize,
}

impl UnreadStreams {
    /// With `carries_many`, the connection is a proxy's: its other clients are not to suffer.
    pub(crate) fn of_peer(carries_many: bool) -> Arc<Self> {
        let most = if carries_many { usize::MAX } else { MOST_UNREAD };
        Arc::new(Self { count: AtomicUsize::new(0), most })
    }

    /// Whether the connection should end.
    pub(crate) fn too_many(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.most
    }

    /// A stream was given up.
    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}
