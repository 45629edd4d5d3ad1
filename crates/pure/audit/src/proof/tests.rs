use gatehouse_identity::clock::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Forged, Proof, Prover};
use crate::chain::{Broken, Chain, Record, Verifier};
use crate::checkpoint::CheckpointKey;
use crate::event::{Event, EventKind, Outcome};
use crate::head::Head;

/// What somebody finds who has the public key.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Broken(Broken),
    Forged(Forged),
    Whole(Proof, Head),
}

/// Writes logs, checkpoints included.
struct Writer {
    chain: Chain,
    key: Option<CheckpointKey>,
    text: String,
    second: i64,
}

impl Writer {
    fn new(key: &CheckpointKey) -> Self {
        let chain = Chain::after(Head::START, "gw-1");
        Self { chain, key: Some(key.clone()), text: String::new(), second: 0 }
    }

    fn write(&mut self, kind: EventKind, user: &str) {
        self.second += 1;
        let time = Timestamp::from_unix_seconds(self.second);
        let event = Event::new(kind, Outcome::Allow, time).with_claimed_user(user);
        let signs = matches!(kind, EventKind::AuditCheckpoint | EventKind::AuditClosed);
        let record = match &self.key {
            Some(key) if signs => self.chain.checkpoint(event, key, "run").unwrap(),
            _ => Record::encode(&event).unwrap(),
        };
        self.chain.append(&record, &mut self.text);
    }

    /// A run of so many records between its beginning and its end, and a checkpoint behind each `every` of them.
    fn run(&mut self, records: usize, every: usize) {
        self.write(EventKind::AuditOpened, "");
        self.write(EventKind::AuditCheckpoint, "");
        for record in 1..=records {
            self.write(EventKind::SigninFailure, &format!("user {record}"));
            if record % every == 0 {
                self.write(EventKind::AuditCheckpoint, "");
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        self.text.lines().map(str::to_owned).collect()
    }
}

/// Computes all sequence numbers and hashes anew, as whoever may write the file can.
fn chained_anew(lines: &[String]) -> Vec<String> {
    let mut chain = Chain::after(Head::START, "gw-1");
    let mut text = String::new();
    for line in lines {
        let (_, rest) = line.split_once(",\"time\"").unwrap();
        let (body, _) = rest.rsplit_once(",\"prev_hash\"").unwrap();
        chain.append(&Record::of_text(format!("{{\"time\"{body}}}")), &mut text);
    }
    text.lines().map(str::to_owned).collect()
}

fn look(lines: &[String], keys: &[&CheckpointKey]) -> Found {
    let mut verifier = Verifier::after(Head::START);
    let mut prover = Prover::new(keys.iter().map(|key| key.public().parse().unwrap()).collect());
    for line in lines {
        let before = verifier.head();
        if let Err(broken) = verifier.push(line) {
            return Found::Broken(broken);
        }
        if let Err(forged) = prover.push(line, before) {
            return Found::Forged(forged);
        }
    }
    Found::Whole(prover.proof().clone(), verifier.head())
}

fn proof(lines: &[String], keys: &[&CheckpointKey]) -> Proof {
    match look(lines, keys) {
        Found::Whole(proof, _) => proof,
        found => panic!("{found:?}"),
    }
}

fn key() -> CheckpointKey {
    CheckpointKey::generate().unwrap()
}

#[test]
fn a_log_is_proven_up_to_its_last_checkpoint() {
    let key = key();
    let mut writer = Writer::new(&key);
    writer.run(25, 10);
    let found = proof(&writer.lines(), &[&key]);
    // Opened, checkpoint, ten, checkpoint, ten, checkpoint, five.
    assert_eq!((found.checkpoints, found.reached), (3, 24));
    assert_eq!((found.gaps.len(), found.others.len()), (0, 0));
    writer.write(EventKind::AuditClosed, "");
    let found = proof(&writer.lines(), &[&key]);
    assert_eq!((found.checkpoints, found.reached), (4, 30), "the end is signed too");
}

#[test]
fn what_a_killed_run_wrote_last_is_proven_by_nobody() {
    let key = key();
    let mut writer = Writer::new(&key);
    writer.run(15, 10);
    writer.run(10, 10);
    let found = proof(&writer.lines(), &[&key]);
    assert_eq!((found.gaps, found.reached), (vec![14..=18], 31));
}

#[test]
fn a_run_without_a_key_is_proven_by_nobody() {
    let key = key();
    let mut writer = Writer::new(&key);
    writer.key = None;
    writer.write(EventKind::AuditOpened, "");
    writer.write(EventKind::NodeStarted, "");
    writer.write(EventKind::AuditClosed, "");
    assert_eq!(proof(&writer.lines(), &[&key]), Proof::default());
    writer.key = Some(key.clone());
    writer.run(0, 1);
    let found = proof(&writer.lines(), &[&key]);
    assert_eq!((found.gaps, found.reached), (vec![1..=3], 5));
}

#[test]
fn a_key_that_was_not_named_proves_nothing_and_is_told() {
    let (key, other) = (key(), key());
    let mut writer = Writer::new(&other);
    writer.run(10, 10);
    let found = proof(&writer.lines(), &[&key]);
    assert_eq!((found.checkpoints, found.reached), (0, 0));
    assert_eq!(found.others.into_iter().collect::<Vec<_>>(), [(other.public().to_owned(), 2)]);
    assert_eq!(proof(&writer.lines(), &[&key, &other]).checkpoints, 2);
}

#[test]
fn the_end_of_a_run_cannot_be_made_of_a_checkpoint() {
    let key = key();
    let mut writer = Writer::new(&key);
    writer.run(10, 10);
    let mut lines = writer.lines();
    let last = lines.pop().unwrap();
    lines.push(last.replace("audit.checkpoint", "audit.closed"));
    assert_eq!(look(&chained_anew(&lines), &[&key]), Found::Forged(Forged { seq: 13, proven: 2 }));
}

#[test]
fn a_checkpoint_without_its_signature_is_found() {
    let key = key();
    let mut writer = Writer::new(&key);
    writer.run(10, 10);
    let lines: Vec<String> =
        writer.lines().iter().map(|line| line.replace("\"signature\"", "\"scribble\"")).collect();
    assert_eq!(look(&chained_anew(&lines), &[&key]), Found::Forged(Forged { seq: 2, proven: 0 }));
}

#[test]
fn the_records_of_another_log_cannot_be_spliced_in() {
    let key = key();
    let (mut one, mut other) = (Writer::new(&key), Writer::new(&key));
    other.second = 1_000;
    one.run(30, 10);
    other.run(30, 10);
    let (one, other) = (one.lines(), other.lines());
    let spliced: Vec<String> = one[..13].iter().chain(&other[13..]).cloned().collect();
    assert!(matches!(look(&spliced, &[&key]), Found::Broken(broken) if broken.seq == 13));
    assert_eq!(look(&chained_anew(&spliced), &[&key]), Found::Forged(Forged { seq: 24, proven: 13 }));
}

/// The checkpoint that stands at or behind the `at`th line, and the one before it, by their numbers.
fn checkpoints_around(lines: &[String], at: usize) -> (Option<u64>, u64) {
    let signed: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].contains("\"signature\"")).collect();
    let next = signed.iter().find(|line| **line >= at).map(|line| *line as u64 + 1);
    (next, signed.iter().rev().find(|line| **line < at).map_or(0, |line| *line as u64 + 1))
}

proptest! {
    /// An edit is found at its place when the hashes are left alone, and at the next checkpoint when they are not.
    #[test]
    fn an_edit_is_found(records in 1..60_usize, every in 1..20_usize, at: Index) {
        let key = key();
        let mut writer = Writer::new(&key);
        writer.run(records, every);
        let mut lines = writer.lines();
        let at = at.index(lines.len());
        lines[at] = lines[at].replacen("\"time\":\"1970", "\"time\":\"1971", 1);
        match look(&lines, &[&key]) {
            Found::Broken(broken) => prop_assert_eq!(broken.seq, at as u64 + 1),
            found => prop_assert!(false, "{:?}", found),
        }
        let (next, before) = checkpoints_around(&lines, at);
        match (look(&chained_anew(&lines), &[&key]), next) {
            (Found::Forged(forged), Some(seq)) => prop_assert_eq!(forged, Forged { seq, proven: before }),
            (Found::Whole(proof, _), None) => prop_assert_eq!(proof.reached, before),
            (found, _) => prop_assert!(false, "{:?}", found),
        }
    }

    /// A record that is left out, with all hashes computed anew, is found at the next checkpoint; a cut-off end is not
    /// proven, and the number up to which the log is proven says where it was cut.
    #[test]
    fn a_cut_is_found(records in 1..60_usize, every in 1..20_usize, at: Index) {
        let key = key();
        let mut writer = Writer::new(&key);
        writer.run(records, every);
        let mut lines = writer.lines();
        let at = at.index(lines.len());
        let (_, before) = checkpoints_around(&lines, at);
        prop_assert_eq!(proof(&lines[..at], &[&key]).reached, before);
        lines.remove(at);
        let (next, _) = checkpoints_around(&lines, at);
        match (look(&chained_anew(&lines), &[&key]), next) {
            (Found::Forged(forged), Some(seq)) => prop_assert_eq!(forged, Forged { seq, proven: before }),
            (Found::Whole(proof, _), None) => prop_assert_eq!(proof.reached, before),
            (found, _) => prop_assert!(false, "{:?}", found),
        }
    }

    /// Two records that change places, with all hashes computed anew.
    #[test]
    fn a_swap_is_found(records in 2..60_usize, every in 2..20_usize, at: Index) {
        let key = key();
        let mut writer = Writer::new(&key);
        writer.run(records, every);
        let mut lines = writer.lines();
        let at = at.index(lines.len() - 1);
        lines.swap(at, at + 1);
        let (next, before) = checkpoints_around(&lines, at);
        match (look(&chained_anew(&lines), &[&key]), next) {
            (Found::Forged(forged), Some(seq)) => prop_assert_eq!(forged, Forged { seq, proven: before }),
            (Found::Whole(proof, _), None) => prop_assert_eq!(proof.reached, before),
            (found, _) => prop_assert!(false, "{:?}", found),
        }
    }

    #[test]
    fn no_text_makes_the_prover_panic(text: String, seq: u64) {
        let mut prover = Prover::new(vec![key().public().parse().unwrap()]);
        let _ = prover.push(&text, Head { seq: seq / 2, hash: [0; 32] });
    }
}
