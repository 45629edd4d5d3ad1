//! The thread that owns the file.

use std::fs::File;
use std::io::{self, Write as _};

use gatehouse_audit::chain::{Chain, Record};
use gatehouse_audit::event::Event;
use gatehouse_audit::sink::AuditError;
use tokio::time::Instant;

use super::checkpoints::Checkpoints;
use super::spool::{Ack, Batch, Spool, Wake};
use super::{COUNT_EVERY, LINGER, RETRY, SYNC_EVERY};

/// What the writer needs of a file.
pub(super) trait Medium {
    /// Writes `text` to the end, whole or with an error.
    fn write(&mut self, text: &str) -> io::Result<()>;

    /// Takes back everything after the last whole write.
    fn cut(&mut self) -> io::Result<()>;

    /// Makes all writes durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The locked file and how much of it is ours for sure.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    size: u64,
}

/// Chains records and writes them.
#[derive(Debug)]
pub(super) struct Writer<M> {
    medium: M,
    chain: Chain,
    checkpoints: Checkpoints,
    text: String,
    unsynced_batches: u32,
    counted_at: Instant,
}

/// Whether what is written is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signing {
    /// As soon as so many records wait for it.
    WhenDue,
    /// Now.
    Now,
    /// It signs itself, and nothing follows it.
    Never,
}

impl LogFile {
    pub(super) fn new(file: File, size: u64) -> Self {
        Self { file, size }
    }
}

impl Medium for LogFile {
    fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.size += text.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.size)?;
        self.file.sync_data()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl<M: Medium> Writer<M> {
    pub(super) fn new(medium: M, chain: Chain, checkpoints: Checkpoints) -> Self {
        let (text, counted_at) = (String::new(), Instant::now());
        Self { medium, chain, checkpoints, text, unsynced_batches: 0, counted_at }
    }

    /// Writes the record of the opening, and a checkpoint.
    pub(super) fn begin(&mut self, opened: &Event) -> Result<(), AuditError> {
        self.put(&[Record::encode(opened)?], Signing::Now)?;
        self.sync()
    }

    /// Writes until the spool is closed, and then the event of that, or until the medium fails for good.
    pub(super) fn run(mut self, spool: &Spool) {
        loop {
            let end = match spool.next(SYNC_EVERY, LINGER) {
                Wake::Batch(batch) => self.take(batch, spool),
                Wake::Idle => self.take(Batch::default(), spool),
                Wake::Closed => {
                    if let Err(error) = self.close(spool) {
                        tracing::error!(%error, "audit log not closed in good order");
                    }
                    return;
                }
            };
            if let Err(error) = end {
                tracing::error!(%error, "audit log failed; it takes nothing more until it is opened again");
                answer(spool.fail(error.clone()).appended, &Err(error));
                return;
            }
        }
    }

    /// Writes a batch, what was counted, and a checkpoint, as far as there is any of it; an error is final.
    fn take(&mut self, mut batch: Batch, spool: &Spool) -> Result<(), AuditError> {
        let is_idle = batch.is_empty();
        if self.counted_at.elapsed() >= COUNT_EVERY {
            self.counted_at = Instant::now();
            batch.submitted.extend(counts(spool));
        }
        if !batch.is_empty() {
            self.handle(batch, spool)?;
        } else if is_idle && self.unsynced_batches > 0 {
            self.sync()?;
        }
        if self.checkpoints.is_time(self.chain.head()) {
            match self.put(&[], Signing::Now) {
                Ok(()) => self.unsynced_batches += 1,
                Err(error) => {
                    self.take_back()?;
                    tracing::warn!(%error, "checkpoint not written");
                }
            }
        }
        Ok(())
    }

    /// Writes what was counted, and the last record. What stands before is synced even when there is no room for them.
    fn close(&mut self, spool: &Spool) -> Result<(), AuditError> {
        let counts: Vec<Record> = counts(spool).collect();
        let written = self.put(&counts, Signing::WhenDue).and_then(|()| {
            let closed = self.checkpoints.closing(&self.chain)?;
            self.put(&[closed], Signing::Never)
        });
        let whole = written.or_else(|error| self.take_back().and(Err(error)));
        self.sync().and(whole)
    }

    /// Writes a batch; an error is final.
    fn handle(&mut self, batch: Batch, spool: &Spool) -> Result<(), AuditError> {
        let Batch { submitted, appended } = batch;
        let (appended, acks): (Vec<Record>, Vec<Ack>) = appended.into_iter().unzip();
        let whole: Vec<Record> = submitted.iter().cloned().chain(appended).collect();
        if let Err(error) = self.write(&whole) {
            self.take_back()?;
            tracing::error!(%error, waiting.records = submitted.len(), "audit log cannot be written; retrying");
            answer_all(acks, &Err(error.clone()));
            return self.retry(&submitted, error, spool);
        }
        self.unsynced_batches += 1;
        let due = u128::from(self.unsynced_batches) * LINGER.as_millis() >= SYNC_EVERY.as_millis();
        if acks.is_empty() && !due {
            return Ok(());
        }
        let synced = self.sync();
        answer_all(acks, &synced);
        synced
    }

    /// Tries until the events that were accepted are written.
    fn retry(&mut self, records: &[Record], mut error: AuditError, spool: &Spool) -> Result<(), AuditError> {
        if records.is_empty() {
            return Ok(());
        }
        answer(spool.stall(&error, records), &Err(error.clone()));
        loop {
            if spool.pause(RETRY) {
                return Err(error);
            }
            match self.write(records) {
                Ok(()) => break,
                Err(again) => error = again,
            }
            self.take_back()?;
        }
        spool.resume();
        tracing::info!(written.records = records.len(), "audit log can be written again");
        self.sync()
    }

    pub(super) fn write(&mut self, records: &[Record]) -> Result<(), AuditError> {
        self.put(records, Signing::WhenDue)
    }

    /// Writes `records` and their checkpoints; on an error the chain stands where it stood.
    fn put(&mut self, records: &[Record], signing: Signing) -> Result<(), AuditError> {
        self.text.clear();
        let (mut chain, mut checkpoint) = (self.chain.clone(), self.checkpoints.last());
        for record in records {
            chain.append(record, &mut self.text);
            if signing == Signing::WhenDue && self.checkpoints.is_due_behind(checkpoint, chain.head()) {
                checkpoint = self.checkpoints.append(&mut chain, &mut self.text)?;
            }
        }
        if signing == Signing::Now {
            checkpoint = self.checkpoints.append(&mut chain, &mut self.text)?;
        }
        self.medium.write(&self.text).map_err(|error| AuditError::Write(error.to_string()))?;
        self.chain = chain;
        self.checkpoints.written(checkpoint);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), AuditError> {
        self.unsynced_batches = 0;
        let synced = self.medium.sync();
        synced.map_err(|error| AuditError::Write(format!("sync failed: {error}")))?;
        self.checkpoints.durable(self.chain.head());
        Ok(())
    }

    fn take_back(&mut self) -> Result<(), AuditError> {
        self.medium
            .cut()
            .map_err(|error| AuditError::Write(format!("an unfinished write cannot be undone: {error}")))
    }
}

/// The records that stand for what was only counted.
fn counts(spool: &Spool) -> impl Iterator<Item = Record> {
    spool.take_counts().into_iter().filter_map(|counted| {
        let encoded = Record::encode(&Event::counting(&counted));
        encoded.inspect_err(|error| tracing::error!(error = %error, "audit record lost")).ok()
    })
}

fn answer(appended: Vec<(Record, Ack)>, result: &Result<(), AuditError>) {
    answer_all(appended.into_iter().map(|(_, ack)| ack), result);
}

fn answer_all(acks: impl IntoIterator<Item = Ack>, result: &Result<(), AuditError>) {
    for ack in acks {
        // Whoever waited may have gone away.
        let _ = ack.send(result.clone());
    }
}

#[cfg(test)]
mod tests;
