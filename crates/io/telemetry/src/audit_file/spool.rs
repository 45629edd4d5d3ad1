//! Events on their way to the writer.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_audit::chain::Record;
use gatehouse_audit::event::{Event, Refused};
use gatehouse_audit::sink::AuditError;
use gatehouse_audit::tally::{Counted, Handful, Room, Tally, Verdict};
use tokio::sync::oneshot;

/// Tells an append how it went.
pub(super) type Ack = oneshot::Sender<Result<(), AuditError>>;

/// A bounded queue between many doors and one writer.
#[derive(Debug)]
pub(super) struct Spool {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    batch: Batch,
    bytes: usize,
    condition: Condition,
    refusals: Tally<Refused>,
}

#[derive(Clone, Debug)]
enum Condition {
    Open,
    /// Appends are refused with this error, submitted events still queue.
    Stalled(AuditError),
    /// Nothing is taken any more.
    Ended(AuditError),
}

/// What the writer writes at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) submitted: Vec<Record>,
    pub(super) appended: Vec<(Record, Ack)>,
}

/// What woke the writer.
#[derive(Debug)]
pub(super) enum Wake {
    /// Something to write.
    Batch(Batch),
    /// Nothing came for the given time.
    Idle,
    /// The log was closed and everything is written.
    Closed,
}

impl Spool {
    pub(super) fn new(limit: usize, handful: Handful) -> Self {
        let state = State {
            batch: Batch::default(),
            bytes: 0,
            condition: Condition::Open,
            refusals: Tally::new(handful),
        };
        Self { limit, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn submit(&self, record: Record) -> Result<(), AuditError> {
        let mut state = self.lock();
        if let Condition::Ended(error) = &state.condition {
            return Err(error.clone());
        }
        self.make_room(&mut state, &record)?;
        let first = state.batch.is_empty();
        state.batch.submitted.push(record);
        drop(state);
        if first {
            self.changed.notify_one();
        }
        Ok(())
    }

    pub(super) fn append(
        &self,
        record: Record,
    ) -> Result<oneshot::Receiver<Result<(), AuditError>>, AuditError> {
        let mut state = self.lock();
        if let Condition::Ended(error) | Condition::Stalled(error) = &state.condition {
            return Err(error.clone());
        }
        self.make_room(&mut state, &record)?;
        let (ack, written) = oneshot::channel();
        let first = state.batch.appended.is_empty();
        state.batch.appended.push((record, ack));
        drop(state);
        if first {
            self.changed.notify_one();
        }
        Ok(written)
    }

    /// Whether a new request may be let in: an eighth of the room is for the records of those already inside.
    pub(super) fn has_room(&self) -> bool {
        let state = self.lock();
        !matches!(state.condition, Condition::Ended(_)) && state.bytes < self.limit - self.limit / 8
    }

    /// Whether `event` is to be written whole. A refusal of a stranger may be in a count instead. Strangers get half of
    /// the room, so that they cannot stop the records of others, and with them their requests.
    pub(super) fn judge(&self, event: &Event) -> Result<Verdict, AuditError> {
        let Some((refused, network)) = event.refused_stranger() else { return Ok(Verdict::Whole) };
        let mut state = self.lock();
        if let Condition::Ended(error) = &state.condition {
            return Err(error.clone());
        }
        let room = if state.bytes < self.limit / 2 { Room::Ample } else { Room::Scarce };
        Ok(state.refusals.note(&refused, network, event.time(), room))
    }

    /// What was counted since it was asked for last.
    pub(super) fn take_counts(&self) -> Vec<Counted<Refused>> {
        self.lock().refusals.take()
    }

    fn make_room(&self, state: &mut State, record: &Record) -> Result<(), AuditError> {
        let bytes = state.bytes.saturating_add(record.size());
        if bytes > self.limit {
            return Err(AuditError::Full { limit: self.limit });
        }
        state.bytes = bytes;
        Ok(())
    }

    /// Waits at most `idle` for something to write, then lets more gather: for `linger`, or when an append waits, as
    /// long as others that are ready to run take to get here.
    pub(super) fn next(&self, idle: Duration, linger: Duration) -> Wake {
        let mut state = self.lock();
        if state.batch.is_empty() && state.condition.is_open() {
            state = self.wait(state, idle, |state| state.batch.is_empty() && state.condition.is_open());
        }
        if state.batch.is_empty() {
            return if state.condition.is_open() { Wake::Idle } else { Wake::Closed };
        }
        drop(self.wait(state, linger, |state| state.batch.appended.is_empty() && state.condition.is_open()));
        std::thread::yield_now();
        let mut state = self.lock();
        state.bytes = 0;
        Wake::Batch(mem::take(&mut state.batch))
    }

    /// Refuses appends while the medium does, and returns those that wait. What was taken but not written counts
    /// against the limit again.
    pub(super) fn stall(&self, error: &AuditError, unwritten: &[Record]) -> Vec<(Record, Ack)> {
        let mut state = self.lock();
        if state.condition.is_open() {
            state.condition = Condition::Stalled(error.clone());
        }
        let refused = mem::take(&mut state.batch.appended);
        state.bytes = unwritten.iter().map(Record::size).sum::<usize>() + state.batch.size();
        refused
    }

    /// Takes appends again.
    pub(super) fn resume(&self) {
        let mut state = self.lock();
        state.bytes = state.batch.size();
        if let Condition::Stalled(_) = state.condition {
            state.condition = Condition::Open;
        }
    }

    /// Takes nothing more, for good, and returns what nobody will write now.
    pub(super) fn fail(&self, error: AuditError) -> Batch {
        let mut state = self.lock();
        state.condition = Condition::Ended(error);
        mem::take(&mut state.batch)
    }

    pub(super) fn close(&self) {
        self.lock().condition = Condition::Ended(AuditError::Closed);
        self.changed.notify_one();
    }

    /// Waits for `time` or for the log to be closed, whichever is first; tells whether it was closed.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let state = self.wait(self.lock(), time, |state| !matches!(state.condition, Condition::Ended(_)));
        matches!(state.condition, Condition::Ended(_))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing inside the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        time: Duration,
        while_: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout_while(state, time, |state| while_(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Condition {
    fn is_open(&self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.submitted.is_empty() && self.appended.is_empty()
    }

    fn size(&self) -> usize {
        let appended = self.appended.iter().map(|(record, _)| record);
        self.submitted.iter().chain(appended).map(Record::size).sum()
    }
}
