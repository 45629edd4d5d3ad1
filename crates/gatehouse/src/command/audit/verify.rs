//! `audit verify`: is the log as it was written, and what proves that?

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use gatehouse_audit::chain::{Ending, Summary, Verifier};
use gatehouse_audit::checkpoint::{CheckpointKey, PublicKey};
use gatehouse_audit::head::Head;
use gatehouse_audit::proof::{Proof, Prover};

use super::super::output::{Failure, line};
use super::{configured, log_of, unreadable};

/// More than the writer puts on one line.
const LONGEST_RECORD: u64 = 2 * 1024 * 1024;

#[derive(Args)]
pub(in crate::command) struct Verify {
    /// The log [default: the one of the configuration]
    file: Option<PathBuf>,
    /// A public key whose signatures prove records, as `audit new-key` printed it [default: that of the configuration,
    /// for its own log]
    // A key may begin with the character that options begin with.
    #[arg(long = "key", value_name = "PUBLIC", allow_hyphen_values = true)]
    keys: Vec<PublicKey>,
    /// A record that has to be in the log, by its number and hash, as an earlier `audit verify` printed them
    #[arg(long = "expect", value_name = "SEQ:HASH")]
    expected: Vec<Head>,
}

/// A log that was read to its end.
struct Read {
    summary: Summary,
    proof: Proof,
    /// Bytes behind the last whole record.
    unfinished: usize,
    /// The expected records that are there.
    found: Vec<Head>,
}

pub(super) fn run(verify: Verify, config: Option<PathBuf>) -> Result<(), Failure> {
    let Verify { file, mut keys, mut expected } = verify;
    let path = if let Some(file) = file {
        file
    } else {
        let loaded = configured(config)?;
        let signing = loaded.snapshot.audit.checkpoints.key.clone().filter(|_| keys.is_empty());
        if let Some(key) = signing.and_then(|key| CheckpointKey::new(key).ok()) {
            keys.extend(key.public().parse::<PublicKey>());
        }
        log_of(&loaded)
    };
    expected.sort_by_key(|head| head.seq);
    let named: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
    let read = read(&path, Prover::new(keys), &expected)?;
    let name = path.display().to_string();
    sum_up(&name, &read)?;
    let last = read.summary.head.seq;
    if let Some(missing) = expected.iter().find(|head| !read.found.contains(head)) {
        let why = if missing.seq > last {
            format!("the log ends with record {last}: it was shortened, or is another log")
        } else {
            "another record stands there: the log was rewritten, or is another log".to_owned()
        };
        return Err(Failure::Failed(format!("{name}: record {} is not as expected: {why}", missing.seq)));
    }
    if named.is_empty() {
        return say_unproven(&name, &read.proof);
    }
    say_proven(&name, &read, &named)
}

/// Reads the log to its end, or to the first record that is not as it was written.
fn read(path: &Path, mut prover: Prover, expected: &[Head]) -> Result<Read, Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut reader = BufReader::new(file);
    let mut verifier = Verifier::after(Head::START);
    let mut record = Vec::new();
    let mut found = Vec::new();
    let unfinished = loop {
        record.clear();
        let mut line = reader.by_ref().take(LONGEST_RECORD);
        let read = line.read_until(b'\n', &mut record).map_err(|error| Failure::new(&name, error))?;
        if line.limit() == 0 {
            let what = format!("a line is longer than {LONGEST_RECORD} bytes, which no record is");
            return Err(Failure::Failed(format!("{name}: {what}")));
        }
        let Some(text) = record.strip_suffix(b"\n") else { break read };
        // Text that is not UTF-8 was never written; no record looks like an empty line.
        let text = std::str::from_utf8(text).unwrap_or_default();
        let before = verifier.head();
        if let Err(broken) = verifier.push(text) {
            let proven = match prover.proof().reached {
                0 => String::new(),
                reached => format!("; the records up to {reached} stand behind a signature"),
            };
            return Err(Failure::Failed(format!("{name}: {broken}{proven}")));
        }
        prover.push(text, before).map_err(|forged| Failure::new(&name, forged))?;
        found.extend(expected.iter().filter(|head| **head == verifier.head()));
    };
    Ok(Read { summary: verifier.finish(), proof: prover.proof().clone(), unfinished, found })
}

fn sum_up(name: &str, read: &Read) -> Result<(), Failure> {
    let Read { summary: Summary { records, head, ending, interruptions }, unfinished, .. } = read;
    if *unfinished > 0 {
        line(format!(
            "warning: {name}: {unfinished} bytes of a record that is not finished stand at the end"
        ))?;
    }
    if *interruptions > 0 {
        line(format!(
            "warning: {name}: opened {interruptions} times without having been closed before: its writer was killed, \
             or the last records were cut off"
        ))?;
    }
    let ending = match ending {
        Ending::Closed => "closed in good order",
        Ending::Open => "not closed: it is being written, its writer was killed, or its end was cut off",
    };
    let text = head.to_string();
    let hash = text.split_once(':').map(|(_, hash)| hash).unwrap_or_default();
    line(format!("{name}: intact, {records} records, last record {} with hash {hash}; {ending}", head.seq))
}

/// What a chain is worth without a key.
fn say_unproven(name: &str, proof: &Proof) -> Result<(), Failure> {
    line(format!(
        "{name}: nothing is proven: whoever can rewrite the whole file can make a chain that is intact"
    ))?;
    if proof.others.is_empty() {
        return line(format!(
            "{name}: it has no signed checkpoints; `audit.checkpoints.key` makes the gateway sign"
        ));
    }
    for (key, checkpoints) in &proof.others {
        line(format!(
            "{name}: checkpoints that name the key {key}: {checkpoints}; if that is yours, `--key {key}` proves them"
        ))?;
    }
    Ok(())
}

/// Which records stand behind a signature, and from where on nothing is proven.
fn say_proven(name: &str, read: &Read, keys: &[String]) -> Result<(), Failure> {
    let Read { summary: Summary { head, .. }, proof, .. } = read;
    let Proof { checkpoints, reached, gaps, others } = proof;
    let named = keys.join(" or ");
    for (key, checkpoints) in others {
        line(format!("warning: {name}: checkpoints signed with {key}, which is not {named}: {checkpoints}"))?;
    }
    if *checkpoints == 0 {
        return Err(Failure::Failed(format!(
            "{name}: nothing is proven: no checkpoint is signed with {named}"
        )));
    }
    line(format!(
        "{name}: the records 1 to {reached} stand behind a signature of {named} (checkpoints: {checkpoints})"
    ))?;
    for gap in gaps {
        line(format!(
            "warning: {name}: except {} to {}, of which nothing is proven: the run that wrote them was killed before it \
             signed them, or had no key, and the next one went on behind them",
            gap.start(),
            gap.end()
        ))?;
    }
    if head.seq > *reached {
        line(format!(
            "warning: {name}: from record {} on nothing is proven: no checkpoint follows",
            reached + 1
        ))?;
    }
    if others.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{name}: some checkpoints are signed with a key that was not named; if it is yours, name it too with --key"
    )))
}
