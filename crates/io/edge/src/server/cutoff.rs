//! Who ended a connection before its answers had ended: the client, or this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this process gave a connection up. Asked only of connections that are over.
#[derive(Default)]
pub struct Cutoff {
    connection: AtomicBool,
    listener: Arc<AtomicBool>,
}

impl Cutoff {
    /// Of a new connection of the listener that gives up all of them when `listener` is set.
    pub(super) fn within(listener: &Arc<AtomicBool>) -> Self {
        Self { connection: AtomicBool::new(false), listener: Arc::clone(listener) }
    }

    /// This connection is given up now.
    pub(super) fn give_up(&self) {
        self.connection.store(true, Ordering::Release);
    }

    /// Why an answer on it did not come to its end, although nothing failed.
    pub(crate) fn reason(&self) -> &'static str {
        if self.connection.load(Ordering::Acquire) || self.listener.load(Ordering::Acquire) {
            "gateway_stopping"
        } else {
            "client_gone"
        }
    }
}
