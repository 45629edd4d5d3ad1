//! When the log is signed, and how far it is on disk.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_audit::chain::{Chain, Record};
use gatehouse_audit::checkpoint::CheckpointKey;
use gatehouse_audit::event::{Event, EventKind};
use gatehouse_audit::head::Head;
use gatehouse_audit::sink::AuditError;
use tokio::time::Instant;

/// When to sign, and with what.
#[derive(Clone, Debug)]
pub struct CheckpointOptions {
    /// The key; without one the log has checkpoints that only [`super::FileAudit::heads`] tells of.
    pub key: Option<CheckpointKey>,
    /// Stands for this run of the process: letters, digits, `-` and `_`.
    pub run: String,
    /// The longest that a record waits for its checkpoint.
    pub every: Duration,
    /// The most records that wait for one.
    pub every_records: u64,
}

/// How far a log is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The last record.
    pub last: Head,
    /// The last checkpoint; what it stands behind was there when the log was opened, or was written since.
    pub checkpoint: Head,
}

/// Makes the records that a log has about itself.
pub(super) type MakeEvent = Box<dyn Fn(EventKind) -> Event + Send>;

/// Knows when a checkpoint is due, and makes it.
pub(super) struct Checkpoints {
    options: CheckpointOptions,
    event: MakeEvent,
    last: Head,
    tried_at: Instant,
    heads: Arc<Mutex<Heads>>,
}

impl Checkpoints {
    /// Checkpoints of a log that ends with `head`.
    pub(super) fn new(options: CheckpointOptions, event: MakeEvent, head: Head) -> Self {
        let heads = Arc::new(Mutex::new(Heads { last: head, checkpoint: head }));
        Self { options, event, last: head, tried_at: Instant::now(), heads }
    }

    /// Where [`Self::durable`] writes.
    pub(super) fn heads(&self) -> Arc<Mutex<Heads>> {
        Arc::clone(&self.heads)
    }

    pub(super) fn event(&self, kind: EventKind) -> Event {
        (self.event)(kind)
    }

    /// The last checkpoint that was written.
    pub(super) fn last(&self) -> Head {
        self.last
    }

    pub(super) fn written(&mut self, checkpoint: Head) {
        self.last = checkpoint;
    }

    /// Whether so many records stand behind the checkpoint `last` that there has to be another.
    pub(super) fn is_due_behind(&self, last: Head, head: Head) -> bool {
        head.seq.saturating_sub(last.seq) >= self.options.every_records
    }

    /// Whether something has waited long enough for a checkpoint. Says so once: an attempt that fails is made again when
    /// the time has passed again.
    pub(super) fn is_time(&mut self, head: Head) -> bool {
        if self.tried_at.elapsed() < self.options.every {
            return false;
        }
        self.tried_at = Instant::now();
        head.seq > self.last.seq
    }

    /// Signs the log of `chain`, as the next record of `text` if there is a key. Returns where the checkpoint stands.
    pub(super) fn append(&self, chain: &mut Chain, text: &mut String) -> Result<Head, AuditError> {
        if let Some(key) = &self.options.key {
            let event = self.event(EventKind::AuditCheckpoint);
            let record = chain.checkpoint(event, key, &self.options.run)?;
            chain.append(&record, text);
        }
        Ok(chain.head())
    }

    /// The last record of `chain`, which signs the log as a checkpoint does.
    pub(super) fn closing(&self, chain: &Chain) -> Result<Record, AuditError> {
        let closed = self.event(EventKind::AuditClosed);
        match &self.options.key {
            Some(key) => chain.checkpoint(closed, key, &self.options.run),
            None => Record::encode(&closed),
        }
    }

    /// Everything up to `head` is on disk.
    pub(super) fn durable(&self, head: Head) {
        // Nothing inside the lock can panic.
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        *heads = Heads { last: head, checkpoint: self.last };
    }
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints")
            .field("options", &self.options)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
