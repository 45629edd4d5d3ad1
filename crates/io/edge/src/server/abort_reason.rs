//! Who ended a connection before its answers had ended: the client, or this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this process gave a connection up. Asked only of connections that are over.
#[derive(Default)]
pub struct AbortReason {
    connection: AtomicBool,
    excessive: AtomicBool,
    listener: Arc<AtomicBool>,
}

impl AbortReason {
    /// Of a new connection of the listener that gives up all of them when `listener` is set.
    pub(super) fn within(listener: &Arc<AtomicBool>) -> Self {
        Self { listener: Arc::clone(listener), ..Self::default() }
    }

    /// This connection is given up now.
    pub(super) fn give_up(&self) {
        self.connection.store(true, Ordering::Release);
    }

    /// This connection ends for what its requests hold in memory.
    pub(super) fn exceed(&self) {
        self.excessive.store(true, Ordering::Release);
    }

    /// Why an answer on it did not come to its end, although nothing failed.
    pub(crate) fn reason(&self) -> &'static str {
        if self.excessive.load(Ordering::Acquire) {
            "connection_excessive"
        } else if self.connection.load(Ordering::Acquire) || self.listener.load(Ordering::Acquire) {
            "gateway_stopping"
        } else {
            "client_gone"
        }
    }
}
