//! Writes: one thread, group commit.
//!
//! While one group is being synced to disk the next one queues up, so the cost of a sync is shared by all that
//! wait for it. Each write runs in its own savepoint: one that fails takes nothing else with it. Nobody is
//! answered before the commit of the group has returned.

use std::thread::{self, JoinHandle};

use gatehouse_store::error::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::{lost_a_sync, store_error};

/// How many writes may wait; more are turned away at once.
const QUEUE: usize = 4_096;

/// The most writes in one commit.
const GROUP: usize = 256;

/// The handle on the writer thread.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn QueuedWrite>>>,
    thread: Option<JoinHandle<()>>,
}

/// A write that waits for its commit.
trait QueuedWrite: Send {
    /// Executes the statements.
    fn execute(&mut self, connection: &Connection) -> Executed;

    /// Answers the caller, `Err` when the group could not be committed.
    fn answer(self: Box<Self>, commit: Result<(), String>);
}

/// How a write went, before its commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Executed {
    Done,
    Failed,
}

struct Write<T, F> {
    statements: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (queue, writes) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || WriterThread { connection, lost: None }.run(writes))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `statements` as one atomic write and returns once it is durable.
    ///
    /// A caller that stops waiting does not undo the write.
    pub(super) async fn write<T, F>(&self, statements: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let write = Write { statements: Some(statements), outcome: None, caller };
        let queue = self.queue.as_ref().ok_or_else(|| unavailable("the store is closed"))?;
        queue.try_send(Box::new(write)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => unavailable("too many writes are waiting"),
            mpsc::error::TrySendError::Closed(_) => unavailable("the writer has stopped"),
        })?;
        answer.await.map_err(|_| unavailable("the writer has stopped"))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has already failed its callers.
            drop(thread.join());
        }
    }
}

impl<T, F> QueuedWrite for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn execute(&mut self, connection: &Connection) -> Executed {
        let Some(statements) = self.statements.take() else { return Executed::Failed };
        let outcome = statements(connection);
        let executed = if outcome.is_ok() { Executed::Done } else { Executed::Failed };
        self.outcome = Some(outcome);
        executed
    }

    fn answer(self: Box<Self>, commit: Result<(), String>) {
        let result = match (commit, self.outcome) {
            (_, Some(Err(error))) => Err(error),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), None) => Err(unavailable("the write was not reached")),
            (Err(reason), _) => Err(StoreError::Unavailable { reason }),
        };
        // A caller that has gone away needs no answer.
        drop(self.caller.send(result));
    }
}

struct WriterThread {
    connection: Connection,
    /// Why nothing can be written until the store is opened again.
    lost: Option<String>,
}

impl WriterThread {
    fn run(mut self, mut writes: mpsc::Receiver<Box<dyn QueuedWrite>>) {
        let mut group = Vec::with_capacity(GROUP);
        while let Some(first) = writes.blocking_recv() {
            group.push(first);
            let commit = match &self.lost {
                Some(reason) => Err(reason.clone()),
                None => self.commit_group(&mut group, &mut writes),
            };
            for write in group.drain(..) {
                write.answer(commit.clone());
            }
        }
    }

    /// Executes the first write and all that have queued up behind it in one transaction.
    fn commit_group(
        &mut self,
        group: &mut Vec<Box<dyn QueuedWrite>>,
        writes: &mut mpsc::Receiver<Box<dyn QueuedWrite>>,
    ) -> Result<(), String> {
        let committed = self.execute_group(group, writes).and_then(|()| self.batch("COMMIT"));
        committed.map_err(|error| {
            if lost_a_sync(&error) {
                self.lost =
                    Some(format!("a sync to disk failed ({error}): restart to recover from what is on disk"));
            }
            if !self.connection.is_autocommit()
                && let Err(again) = self.batch("ROLLBACK")
            {
                self.lost = Some(format!("a rollback failed ({again}): restart to recover"));
            }
            let reason = store_error(&error).to_string();
            tracing::error!(error = %error, writes = group.len(), "a group of writes was not committed");
            reason
        })
    }

    fn execute_group(
        &self,
        group: &mut Vec<Box<dyn QueuedWrite>>,
        writes: &mut mpsc::Receiver<Box<dyn QueuedWrite>>,
    ) -> rusqlite::Result<()> {
        self.batch("BEGIN IMMEDIATE")?;
        for write in group.iter_mut() {
            self.execute_one(write.as_mut())?;
        }
        while group.len() < GROUP
            && let Ok(mut write) = writes.try_recv()
        {
            let executed = self.execute_one(write.as_mut());
            group.push(write);
            executed?;
        }
        Ok(())
    }

    /// One write in its savepoint. An error here is one of the whole group: SQLite has rolled back everything, or
    /// the savepoint cannot be undone.
    fn execute_one(&self, write: &mut dyn QueuedWrite) -> rusqlite::Result<()> {
        self.batch("SAVEPOINT one_write")?;
        if write.execute(&self.connection) == Executed::Failed {
            self.batch("ROLLBACK TO one_write")?;
        }
        self.batch("RELEASE one_write")
    }

    fn batch(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
