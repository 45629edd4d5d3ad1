//! The audit record of one request, from the door to the last byte of its answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use gatehouse_audit::event::{Event, Outcome};
use gatehouse_audit::sink::AuditSink;

use crate::rejection::{Rejection, loggable};
use crate::server::abort_reason::AbortReason;

/// Whom a request is about, as far as its record knows: what every log line about it names.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// The client.
    pub client: Option<String>,
    /// The person, or whoever else is the subject.
    pub user: Option<String>,
    /// The grant.
    pub grant: Option<String>,
    /// The app that is to be reached.
    pub app: Option<String>,
    /// The tool that is to be called, under its qualified name.
    pub tool: Option<String>,
}

/// An event that handlers add to. It is written once nobody can add to it any more: when the answer, streamed or
/// not, has been sent or given up.
pub struct AuditRow {
    event: Mutex<Option<Event>>,
    sink: Arc<dyn AuditSink>,
    patience: Duration,
    abort_reason: Arc<AbortReason>,
    started: Instant,
    status: AtomicU64,
    bytes: AtomicU64,
}

impl AuditRow {
    /// Begins the record of `event`, a request on the connection of `cutoff`; `patience` is how long [`Self::commit`]
    /// waits for the medium.
    pub(crate) fn begin(
        event: Event,
        sink: Arc<dyn AuditSink>,
        patience: Duration,
        abort_reason: Arc<AbortReason>,
    ) -> Arc<Self> {
        Arc::new(Self {
            event: Mutex::new(Some(event)),
            sink,
            patience,
            abort_reason,
            started: Instant::now(),
            status: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    /// Begins the record of something else that the same request does, such as a token that it needs.
    pub(crate) fn beside(&self, event: Event) -> Arc<Self> {
        Self::begin(event, Arc::clone(&self.sink), self.patience, Arc::clone(&self.abort_reason))
    }

    /// Adds to the event; after [`Self::commit`] there is nothing left to add to.
    pub fn note(&self, add: impl FnOnce(Event) -> Event) {
        let mut slot = self.event.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = slot.take().map(add);
    }

    /// How it ended, with the stable code of the reason.
    pub fn conclude(&self, outcome: Outcome, reason: &'static str) {
        self.note(|event| event.with_outcome(outcome).with_reason(reason));
    }

    /// Why the answer was dropped before its end although nothing failed: the client left, or was cut off by us.
    pub fn why_dropped(&self) -> &'static str {
        self.abort_reason.reason()
    }

    /// Whether the event, as far as it is known, is one of something that was allowed and went well.
    pub(crate) fn is_allowed(&self) -> bool {
        let event = self.event.lock().unwrap_or_else(PoisonError::into_inner);
        event.as_ref().is_some_and(|event| event.outcome() == Outcome::Allow)
    }

    /// Whom it is about, as far as that is known. URLs among the names stand as they may stand in a log.
    pub fn named(&self) -> Named {
        let event = self.event.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(event) = event.as_ref() else { return Named::default() };
        let tell = |name: Option<&str>| name.map(|name| loggable(name).into_owned());
        let target = event.target();
        Named {
            client: tell(event.client_id()),
            user: tell(event.user()),
            grant: tell(event.grant()),
            app: target.and_then(|target| target.app.clone()),
            tool: target.and_then(|target| target.tool.clone()),
        }
    }

    /// Gives the record up: the request turned out to be nothing worth recording, such as a page that was shown.
    pub fn withdraw(&self) {
        self.event.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Hands the record to the spool: it is complete, whatever becomes of the request.
    pub(crate) fn submit(&self) -> Result<(), Rejection> {
        let event = self.event.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(event) = event else { return Ok(()) };
        let submitted = self.sink.submit(self.finished(event));
        submitted.map_err(|error| Rejection::unavailable("audit_unavailable", error.to_string()))
    }

    /// Writes the record now and returns once it is durable. What it describes must not be acknowledged before, and
    /// not at all on an error: then the medium failed, or took longer than `audit.onBlocked.timeout`, in which case
    /// the record may still appear.
    pub async fn commit(&self) -> Result<(), Rejection> {
        let event = self.event.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(event) = event else { return Ok(()) };
        let unavailable = |why: String| Rejection::unavailable("audit_unavailable", why);
        match timeout(self.patience, self.sink.append(self.finished(event))).await {
            Ok(written) => written.map_err(|error| unavailable(error.to_string())),
            Err(_) => Err(unavailable(format!("the record was not durable within {:?}", self.patience))),
        }
    }

    pub(crate) fn count(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, status: u16) {
        self.status.store(u64::from(status), Ordering::Relaxed);
    }

    /// How long ago the request came in.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn finished(&self, event: Event) -> Event {
        let status = u16::try_from(self.status.load(Ordering::Relaxed)).unwrap_or(0);
        if status == 0 {
            return event;
        }
        event.with_result(status, self.bytes.load(Ordering::Relaxed), self.elapsed())
    }
}

impl Drop for AuditRow {
    fn drop(&mut self) {
        let event = self.event.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut event) = event else { return };
        if self.status.load(Ordering::Relaxed) == 0 && event.outcome() == Outcome::Allow {
            // Nobody answered: the request was dropped with its connection.
            event = event.with_outcome(Outcome::Error).with_reason(self.why_dropped());
        }
        let ip = event.source_ip().map(tracing::field::display);
        if let Err(error) = self.sink.submit(self.finished(event)) {
            tracing::error!(error = %error, source.ip = ip, "audit record lost");
        }
    }
}
