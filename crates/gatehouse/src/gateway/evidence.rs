//! The audit log against the store's memory of it. A log that was shortened or replaced while nobody wrote it is told at
//! the next start; the gateway starts all the same, as whoever can cut a file could otherwise stop it for good.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::head::Head;
use gatehouse_audit::sink::{AuditError, AuditSink as _};
use gatehouse_identity::clock::Clock;
use gatehouse_store::Store;
use gatehouse_store::audit_head::AuditLog;
use gatehouse_store::error::StoreError;
use gatehouse_telemetry::audit_file::FileAudit;

/// How often the store is told of a new checkpoint.
const EVERY: Duration = Duration::from_secs(1);
/// How long the end of a run waits for the store.
const PATIENCE: Duration = Duration::from_secs(1);

/// An open log, and what the store knows of it.
pub(super) struct Evidence {
    log: Arc<FileAudit>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    revision: String,
    name: AuditLog,
    is_compared: bool,
    remembered: Option<Head>,
    is_failing: bool,
}

/// What has become of the record that the store remembers as the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// It is in its place.
    Stands,
    /// The log is empty: it was moved away, or removed.
    BegunAnew,
    /// The log ends before it.
    Shortened,
    /// Another record is in its place.
    Replaced,
}

/// Why the log could not be compared.
#[derive(Debug, thiserror::Error)]
enum Uncompared {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the log cannot be read: {0}")]
    Log(#[from] std::io::Error),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("the log could not be looked through")]
    Lost,
}

impl Evidence {
    /// The open log `log` of `node`, which is the file at `path`.
    pub(super) fn new(
        log: Arc<FileAudit>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        (node, path): (String, PathBuf),
        revision: String,
    ) -> Self {
        let path = path.canonicalize().unwrap_or(path);
        let name = AuditLog { node, log: path.to_string_lossy().into_owned() };
        Self { log, store, clock, revision, name, is_compared: false, remembered: None, is_failing: false }
    }

    /// Compares the log, as it was found, with what the store remembers. Without an answer of the store that is put off:
    /// [`Self::run`] tries again.
    pub(super) async fn compare(&mut self) {
        let compared = self.try_to_compare().await;
        self.is_compared = compared.is_ok();
        self.note(&compared);
    }

    /// Tells the store of checkpoints until `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Self {
        let mut turns = interval(EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return self,
                _ = turns.tick() => {}
            }
            if self.is_compared {
                self.remember(self.log.heads().checkpoint).await;
            } else {
                self.compare().await;
            }
        }
    }

    /// Tells the store how the run ends, if it answers soon.
    pub(super) async fn finish(mut self) {
        if self.is_compared {
            // What the store was told last still finds a log that is cut before that.
            let _ = timeout(PATIENCE, self.remember(self.log.heads().last)).await;
        }
    }

    async fn remember(&mut self, head: Head) {
        if self.remembered == Some(head) {
            return;
        }
        let told = self.store.audit_heads().remember(&self.name, head, self.clock.now()).await;
        if told.is_ok() {
            self.remembered = Some(head);
        }
        self.note(&told.map_err(Uncompared::from));
    }

    async fn try_to_compare(&mut self) -> Result<(), Uncompared> {
        let Some(head) = self.store.audit_heads().remembered(&self.name).await? else { return Ok(()) };
        let (log, found) = (Arc::clone(&self.log), self.log.found());
        let finding = if found.seq >= head.seq {
            let looked = tokio::task::spawn_blocking(move || log.standing(head.seq)).await;
            let standing = looked.map_err(|_| Uncompared::Lost)??;
            if standing == Some(head) { Finding::Stands } else { Finding::Replaced }
        } else if found.seq == 0 {
            Finding::BegunAnew
        } else {
            Finding::Shortened
        };
        self.record(finding, head).await?;
        tell(finding, head, found);
        Ok(())
    }

    async fn record(&self, finding: Finding, head: Head) -> Result<(), AuditError> {
        let event = |outcome| {
            let event = Event::new(EventKind::AuditCompared, outcome, self.clock.now());
            event.with_revision(&self.revision).with_remembered(head)
        };
        let event = match finding {
            Finding::Stands => event(Outcome::Allow),
            Finding::BegunAnew => event(Outcome::Error).with_reason("audit_begun_anew"),
            Finding::Shortened => event(Outcome::Error).with_reason("audit_shortened"),
            Finding::Replaced => event(Outcome::Error).with_reason("audit_replaced"),
        };
        self.log.append(event).await
    }

    /// Logs the first of a row of failures.
    fn note(&mut self, done: &Result<(), Uncompared>) {
        if let Err(error) = done
            && !self.is_failing
        {
            tracing::error!(error = %error, "the store and the audit log cannot be compared; trying again");
        }
        self.is_failing = done.is_err();
    }
}

fn tell(finding: Finding, remembered: Head, found: Head) {
    let (expected, found) = (remembered.to_string(), found.to_string());
    match finding {
        Finding::Stands => {}
        Finding::BegunAnew => {
            tracing::warn!(audit.remembered = expected, "the audit log begins anew");
        }
        Finding::Shortened => {
            tracing::error!(audit.remembered = expected, audit.found = found, "the audit log was shortened");
        }
        Finding::Replaced => {
            tracing::error!(audit.remembered = expected, audit.found = found, "the audit log was replaced");
        }
    }
}
