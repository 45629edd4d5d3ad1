//! Which records of a log stand behind a signature, and from where on nothing is proven.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize as _;
use serde_json::Value;

use crate::chain::Parts;
use crate::checkpoint::{PublicKey, Statement};
use crate::event::{Checkpoint, EventKind};
use crate::head::Head;

/// Most stretches without proof that are told apart.
const MOST_GAPS: usize = 100;

/// Looks at the checkpoints of a log, line by line, beside a [`crate::chain::Verifier`] that has taken the line.
#[derive(Debug)]
pub struct Prover {
    keys: Vec<PublicKey>,
    /// `seq` of the last record before the run at hand.
    begun_behind: u64,
    proof: Proof,
}

/// What the checkpoints of a log prove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// How many checkpoints a named key has signed.
    pub checkpoints: u64,
    /// `seq` of the last of them: what stands behind it is not proven. 0 when there is none.
    pub reached: u64,
    /// Records before it that no signature covers: the run that wrote them ended without a checkpoint, and the next one
    /// went on behind them as it found them.
    pub gaps: Vec<RangeInclusive<u64>>,
    /// Keys that were not named, with the number of their checkpoints.
    pub others: BTreeMap<String, u64>,
}

/// A checkpoint that is not what its key has signed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "record {seq}: its signature is of another log: the records {} to {seq} are not, or not all, what was written",
    .proven + 1
)]
pub struct Forged {
    /// `seq` of the checkpoint.
    pub seq: u64,
    /// `seq` of the last checkpoint that is right; 0 for none.
    pub proven: u64,
}

impl Prover {
    /// Believes signatures of `keys`.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self { keys, begun_behind: 0, proof: Proof::default() }
    }

    /// Looks at the next line, which stands behind `before`.
    pub fn push(&mut self, line: &str, before: Head) -> Result<(), Forged> {
        let Some(event) = Parts::split(line).and_then(|parts| parts.event()) else { return Ok(()) };
        let (seq, proven) = (before.seq + 1, self.proof.reached);
        if event == EventKind::AuditOpened.code() {
            self.begun_behind = before.seq;
            return Ok(());
        }
        if event != EventKind::AuditCheckpoint.code() && event != EventKind::AuditClosed.code() {
            return Ok(());
        }
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        let checkpoint = record.get("checkpoint").and_then(|member| Checkpoint::deserialize(member).ok());
        let Some(Checkpoint { run, key, signature }) = checkpoint else {
            // A run without a key closes its log without a checkpoint.
            return if event == EventKind::AuditClosed.code() { Ok(()) } else { Err(Forged { seq, proven }) };
        };
        let Some(named) = self.keys.iter().find(|named| named.as_str() == key.as_str()) else {
            *self.proof.others.entry(key).or_default() += 1;
            return Ok(());
        };
        let node = record.get("node").map(Value::to_string).unwrap_or_default();
        let time = record.get("time").and_then(Value::as_str).unwrap_or_default();
        let statement = Statement { event, node: &node, run: &run, head: before, time };
        if !named.verifies(&statement, &signature) {
            return Err(Forged { seq, proven });
        }
        // What the checkpoints of a run sign is what it found: it does not vouch for what came before it and after the
        // last checkpoint.
        if self.begun_behind > proven && self.proof.gaps.len() < MOST_GAPS {
            self.proof.gaps.push(proven + 1..=self.begun_behind);
        }
        self.proof.checkpoints += 1;
        self.proof.reached = seq;
        Ok(())
    }

    /// What was found so far.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }
}

#[cfg(test)]
mod tests;
