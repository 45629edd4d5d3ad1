//! The hash chain that makes a log tamper-evident.
//!
//! One record is one line, a JSON object:
//!
//! ```text
//! {"seq":7,"node":"gw-1","time":"…", …,"prev_hash":"<64 hex>","hash":"<64 hex>"}
//! ```
//!
//! `hash` is the SHA-256 of the line's own bytes up to, not including, `,"hash":`. `prev_hash` is the `hash` of the
//! record before, 64 zeros for the first. `seq` counts from 1 without gaps. Every node has a chain of its own. So
//! anyone with `sha256sum` can check a record, and nothing is ever parsed or encoded twice.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::checkpoint::CheckpointKey;
use crate::event::{Event, EventKind};
use crate::head::Head;
use crate::hex::{Hex, split_hash};
use crate::sink::AuditError;

const HASH_MEMBER: &str = ",\"hash\":\"";
const EVENT_MEMBER: &str = ",\"event\":\"";
const PREV_MEMBER: &str = ",\"prev_hash\":\"";
/// What a record takes as a rule, in bytes: reserved once, so that its text does not grow step by step.
const USUAL_RECORD: usize = 1024;

/// An encoded event that waits for its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(String);

/// Gives records their place.
#[derive(Clone, Debug)]
pub struct Chain {
    node: String,
    head: Head,
}

/// What [`verify`] found in an intact log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Number of records.
    pub records: u64,
    /// The last of them. A log whose end was cut off is intact up to there: compare this with an earlier head.
    pub head: Head,
    /// Whether the last of them closed the log.
    pub ending: Ending,
    /// How many times the log was opened again without having been closed.
    pub interruptions: u64,
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was closed in good order: nothing that was written then is missing.
    Closed,
    /// It is being written, whoever wrote it was killed, or its end was cut off.
    Open,
}

/// The first record that is not as it was written.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("record {seq} (line {line}): {why}")]
pub struct Broken {
    /// `seq` of the record that was touched.
    pub seq: u64,
    /// Line, counted from 1, at which this shows.
    pub line: u64,
    /// What was done to it.
    pub why: Why,
}

/// What can be wrong with a record.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Why {
    /// The line does not have the form of a record.
    #[error("the line is not an audit record")]
    Malformed,
    /// The record does not hash to its own `hash`.
    #[error("its content does not match its hash: it was edited")]
    Edited,
    /// The next record names another hash: this one was replaced, its hash with it.
    #[error("the record after it names another hash: it was replaced")]
    Replaced,
    /// Another record stands where this one belongs.
    #[error("it is not where it belongs, record {found} is: it was deleted or moved")]
    Missing {
        /// `seq` of the record that is there.
        found: u64,
    },
    /// The record appears again, or out of turn.
    #[error("it stands where record {expected} belongs: it was inserted or moved")]
    Misplaced {
        /// `seq` of the record that belongs there.
        expected: u64,
    },
}

/// Checks a log line by line.
#[derive(Clone, Debug)]
pub struct Verifier {
    head: Head,
    line: u64,
    ending: Ending,
    interruptions: u64,
}

impl Record {
    /// Encodes `event`; done by whoever has the event, so that the writer only hashes and writes.
    pub fn encode(event: &Event) -> Result<Self, AuditError> {
        let mut json = Vec::with_capacity(USUAL_RECORD);
        serde_json::to_writer(&mut json, event).map_err(|error| AuditError::Encode(error.to_string()))?;
        String::from_utf8(json).map(Self).map_err(|error| AuditError::Encode(error.to_string()))
    }

    #[cfg(test)]
    pub(crate) fn of_text(text: String) -> Self {
        Self(text)
    }

    /// Size in bytes, before the chain adds its members.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl Head {
    /// The head of a log that ends with `line` (without its line feed).
    pub fn of_line(line: &str) -> Result<Self, Why> {
        let parts = Parts::split(line).ok_or(Why::Malformed)?;
        if parts.computed_hash() != parts.hash {
            return Err(Why::Edited);
        }
        Ok(Self { seq: parts.seq, hash: parts.hash })
    }
}

impl Chain {
    /// The chain of `node` after `head`.
    pub fn after(head: Head, node: &str) -> Self {
        Self { node: Value::from(node).to_string(), head }
    }

    /// Where the chain ends now.
    pub fn head(&self) -> Head {
        self.head
    }

    /// `event` with a signature of `key` over the log up to here, to be written next; `run` says which run of the process
    /// signs.
    pub fn checkpoint(&self, event: Event, key: &CheckpointKey, run: &str) -> Result<Record, AuditError> {
        key.sign(event, run, &self.node, self.head).and_then(|event| Record::encode(&event))
    }

    /// Writes `record` as the next line of the log to the end of `log`.
    pub fn append(&mut self, record: &Record, log: &mut String) {
        use std::fmt::Write as _;
        let seq = self.head.seq + 1;
        let start = log.len();
        let body = record.0.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        log.reserve(body.len() + self.node.len() + 256);
        // Writing to a String cannot fail.
        let _ = write!(
            log,
            "{{\"seq\":{seq},\"node\":{},{body}{PREV_MEMBER}{}\"",
            self.node,
            Hex(&self.head.hash)
        );
        let hash: [u8; 32] = Sha256::digest(log.as_bytes().get(start..).unwrap_or_default()).into();
        let _ = writeln!(log, "{HASH_MEMBER}{}\"}}", Hex(&hash));
        self.head = Head { seq, hash };
    }
}

/// Checks a whole log, one record a line without line feeds.
pub fn verify<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Summary, Broken> {
    let mut verifier = Verifier::after(Head::START);
    for line in lines {
        verifier.push(line)?;
    }
    Ok(verifier.finish())
}

impl Verifier {
    /// A verifier of the records that follow `head`.
    pub fn after(head: Head) -> Self {
        Self { head, line: 0, ending: Ending::Open, interruptions: 0 }
    }

    /// Checks the next line (without its line feed).
    pub fn push(&mut self, line: &str) -> Result<(), Broken> {
        self.line += 1;
        let expected = self.head.seq + 1;
        let broken = |seq, why| Err(Broken { seq, line: self.line, why });
        let Some(parts) = Parts::split(line) else { return broken(expected, Why::Malformed) };
        if parts.computed_hash() != parts.hash {
            return broken(expected, Why::Edited);
        }
        if parts.seq > expected {
            return broken(expected, Why::Missing { found: parts.seq });
        }
        if parts.seq < expected {
            return broken(parts.seq, Why::Misplaced { expected });
        }
        if parts.prev_hash != self.head.hash {
            // The first record of all has nobody before it who could have been replaced.
            return broken(self.head.seq.max(1), Why::Replaced);
        }
        self.head = Head { seq: parts.seq, hash: parts.hash };
        let event = parts.event();
        if event == Some(EventKind::AuditOpened.code()) && self.line > 1 && self.ending == Ending::Open {
            self.interruptions += 1;
        }
        let is_closing = event == Some(EventKind::AuditClosed.code());
        self.ending = if is_closing { Ending::Closed } else { Ending::Open };
        Ok(())
    }

    /// Where the log ends that was checked so far.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The result when every line was pushed.
    pub fn finish(self) -> Summary {
        let Self { head, line, ending, interruptions } = self;
        Summary { records: line, head, ending, interruptions }
    }
}

/// A line, taken apart at the places that the chain put there.
pub(crate) struct Parts<'a> {
    seq: u64,
    hashed: &'a str,
    prev_hash: [u8; 32],
    hash: [u8; 32],
}

impl<'a> Parts<'a> {
    pub(crate) fn split(line: &'a str) -> Option<Self> {
        let (rest, hash) = split_hash(line.strip_suffix("\"}")?)?;
        let hashed = rest.strip_suffix(HASH_MEMBER)?;
        let (rest, prev_hash) = split_hash(hashed.strip_suffix('"')?)?;
        rest.strip_suffix(PREV_MEMBER)?;
        let (seq, _) = line.strip_prefix("{\"seq\":")?.split_once(',')?;
        let seq = seq.parse().ok().filter(|seq: &u64| *seq > 0)?;
        Some(Self { seq, hashed, prev_hash, hash })
    }

    /// The code of the event. Of all that stands before it only the name of the node is free text, in which every
    /// quotation mark is escaped.
    pub(crate) fn event(&self) -> Option<&'a str> {
        let (_, rest) = self.hashed.split_once(EVENT_MEMBER)?;
        rest.split_once('"').map(|(code, _)| code)
    }

    fn computed_hash(&self) -> [u8; 32] {
        Sha256::digest(self.hashed.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests;
