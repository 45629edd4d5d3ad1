//! Where events go.

use std::time::Duration;

use async_trait::async_trait;

use crate::event::Event;

/// Takes events and makes records of them. The two ways in are the two failure modes: see
/// [`crate::event::Family::is_awaited`] for which family takes which.
#[async_trait]
pub trait AuditSink: Send + Sync {
    /// Records `event` and returns once it is durable. On an error the event is not recorded, except that after
    /// [`AuditError::Slow`] it still may be, and what it describes must not happen.
    ///
    /// Of refusals that anybody can cause, [`Event::refused_stranger`], some are only counted, which is durable when
    /// the count is written, within a second.
    async fn append(&self, event: Event) -> Result<(), AuditError>;

    /// Hands `event` to the spool and returns at once. On an error the spool is full or gone and the caller must
    /// refuse the request.
    fn submit(&self, event: Event) -> Result<(), AuditError>;

    /// Whether a new request may be let in. It turns false while there is still room for the records of the
    /// requests that are inside, so that none of those is lost.
    fn has_room(&self) -> bool;
}

/// Why an event could not be recorded.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuditError {
    /// The writer is behind and the spool has no room left.
    #[error("the audit spool is full ({limit} bytes are waiting to be written)")]
    Full {
        /// Size of the spool in bytes.
        limit: usize,
    },
    /// The sink was closed.
    #[error("the audit log is closed")]
    Closed,
    /// The medium refuses writes.
    #[error("the audit log cannot be written: {0}")]
    Write(String),
    /// The medium took too long to say that the record is durable.
    #[error("the audit log did not confirm a record within {} ms", .waited.as_millis())]
    Slow {
        /// How long was waited.
        waited: Duration,
    },
    /// The event has a part that cannot be written as JSON.
    #[error("the audit event cannot be encoded: {0}")]
    Encode(String),
}
