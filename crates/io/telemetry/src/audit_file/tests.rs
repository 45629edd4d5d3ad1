use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_audit::chain::{self, Ending, Summary, Why};
use gatehouse_audit::checkpoint::{CheckpointKey, PublicKey};
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::head::Head;
use gatehouse_audit::proof::Prover;
use gatehouse_audit::sink::{AuditError, AuditSink as _};
use gatehouse_audit::tally::Handful;
use gatehouse_identity::clock::Timestamp;

use super::{AuditFileOptions, CheckpointOptions, FileAudit, OpenError, open};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_271_974);

fn event(user: &str) -> Event {
    Event::new(EventKind::SigninFailure, Outcome::Deny, NOW).with_claimed_user(user)
}

fn options(path: &Path, spool_bytes: usize) -> AuditFileOptions {
    let patience = Duration::from_secs(60);
    let every = Duration::from_hours(1);
    let checkpoints = CheckpointOptions { key: None, run: "r1".into(), every, every_records: 1_000 };
    let refusals = Handful { per_network: 5, in_all: 100 };
    AuditFileOptions {
        path: path.to_owned(),
        node: "gw-1".into(),
        spool_bytes,
        patience,
        refusals,
        checkpoints,
    }
}

fn open_at(path: &Path) -> Result<FileAudit, OpenError> {
    open_with(options(path, 1 << 20))
}

fn open_with(options: AuditFileOptions) -> Result<FileAudit, OpenError> {
    open(options, |kind| Event::new(kind, Outcome::Allow, NOW))
}

fn verified(path: &Path) -> (String, Summary) {
    let text = fs::read_to_string(path).unwrap();
    let summary = chain::verify(text.lines()).unwrap();
    (text, summary)
}

#[tokio::test]
async fn what_was_appended_is_in_the_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = open_at(&path).unwrap();
    audit.append(event("ada")).await.unwrap();
    let (text, summary) = verified(&path);
    assert_eq!(summary.records, 2);
    assert!(text.contains("ada"));
}

#[tokio::test]
async fn parallel_appends_and_submits_make_one_chain_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    for _ in 0..3 {
        let audit = Arc::new(open_at(&path).unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..20 {
            let audit = Arc::clone(&audit);
            tasks.spawn(async move {
                for call in 0..20 {
                    audit.submit(event(&format!("{task}.{call}"))).unwrap();
                }
                audit.append(event(&format!("{task}"))).await.unwrap();
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
    let (_, summary) = verified(&path);
    assert_eq!(summary.records, 3 * (1 + 20 * 21 + 1));
    assert_eq!((summary.ending, summary.interruptions), (Ending::Closed, 0));
}

#[tokio::test]
async fn an_unfinished_last_record_is_cut_and_the_cut_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = open_at(&path).unwrap();
    audit.append(event("ada")).await.unwrap();
    drop(audit);
    let whole = fs::read(&path).unwrap();
    for cut in [1, 7, whole.len() - 1] {
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&whole[..cut.min(40)]).unwrap();
        drop(open_at(&path).unwrap());
        let (text, summary) = verified(&path);
        let opened = text.lines().rev().nth(1).unwrap();
        assert!(opened.contains(&format!("\"recovery\":{{\"cut_bytes\":{}}}", cut.min(40))), "{opened}");
        assert_eq!(summary.interruptions, 0, "what was cut was no record");
    }
}

#[test]
fn a_log_of_nothing_but_an_unfinished_record_starts_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    fs::write(&path, "{\"seq\":1,").unwrap();
    drop(open_at(&path).unwrap());
    assert_eq!(verified(&path).1.records, 2);
}

#[test]
fn a_damaged_last_record_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    drop(open_at(&path).unwrap());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("closed", "cloned")).unwrap();
    assert!(matches!(open_at(&path), Err(OpenError::Damaged { why: Why::Edited, .. })));
    fs::write(&path, "hello\n").unwrap();
    assert!(matches!(open_at(&path), Err(OpenError::Damaged { why: Why::Malformed, .. })));
}

#[test]
fn two_writers_cannot_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let first = open_at(&path).unwrap();
    assert!(matches!(open_at(&path), Err(OpenError::InUse(_))));
    drop(first);
    open_at(&path).unwrap();
}

#[test]
fn a_full_spool_refuses_instead_of_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = open_with(options(&path, 2_000)).unwrap();
    let results: Vec<_> = (0..10_000).map(|call| audit.submit(event(&call.to_string()))).collect();
    drop(audit);
    let accepted = results.iter().filter(|result| result.is_ok()).count() as u64;
    assert!(results.contains(&Err(AuditError::Full { limit: 2_000 })));
    assert_eq!(verified(&path).1.records, accepted + 2);
}

#[tokio::test]
async fn a_medium_that_hangs_is_not_waited_for_without_end() {
    let patience = Duration::from_millis(20);
    // Nobody ever takes anything out of this spool.
    let audit = FileAudit::without_writer(patience);
    assert_eq!(audit.append(event("ada")).await, Err(AuditError::Slow { waited: patience }));
    assert_eq!(audit.submit(event("bob")), Ok(()));
}

#[test]
fn only_a_regular_file_is_a_log() {
    assert!(matches!(open_at(Path::new("/dev/full")), Err(OpenError::Io { .. })));
    assert!(matches!(open_at(Path::new("/nowhere/audit.jsonl")), Err(OpenError::Io { .. })));
}

#[tokio::test]
async fn a_log_knows_what_it_found_and_how_far_it_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = open_at(&path).unwrap();
    assert_eq!(audit.found(), Head::START);
    assert_eq!((audit.heads().last.seq, audit.heads().checkpoint.seq), (1, 1));
    audit.append(event("ada")).await.unwrap();
    assert_eq!((audit.heads().last.seq, audit.heads().checkpoint.seq), (2, 1));
    drop(audit);
    let audit = open_at(&path).unwrap();
    assert_eq!(audit.found().seq, 3);
    assert_eq!(audit.standing(3).unwrap(), Some(audit.found()));
}

#[test]
fn a_record_is_found_from_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = open_with(options(&path, 1 << 24)).unwrap();
    for call in 0..3_000 {
        audit.submit(event(&format!("{call}{}", "x".repeat(400)))).unwrap();
    }
    drop(audit);
    let audit = open_at(&path).unwrap();
    let (text, _) = verified(&path);
    let lines: Vec<&str> = text.lines().collect();
    assert!(text.len() > 1 << 20, "more than one block");
    for seq in [1, 2, 1_500, 2_999, 3_002] {
        assert_eq!(
            audit.standing(seq).unwrap(),
            Some(Head::of_line(lines[usize::try_from(seq).unwrap() - 1]).unwrap()),
            "{seq}"
        );
    }
    assert_eq!(audit.standing(9_999).unwrap(), None);
    fs::write(&path, text.replacen("1497x", "1498x", 1)).unwrap();
    assert_eq!(audit.standing(1_499).unwrap(), None, "an edited record is none");
}

#[tokio::test]
async fn with_a_key_a_log_is_signed_from_its_opening_to_its_closing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let key = CheckpointKey::generate().unwrap();
    let public: PublicKey = key.public().parse().unwrap();
    for _ in 0..2 {
        let mut options = options(&path, 1 << 20);
        options.checkpoints.key = Some(key.clone());
        let audit = open_with(options).unwrap();
        audit.append(event("ada")).await.unwrap();
    }
    let (text, summary) = verified(&path);
    assert_eq!((summary.records, summary.ending), (8, Ending::Closed));
    let (mut prover, mut head) = (Prover::new(vec![public]), Head::START);
    for line in text.lines() {
        prover.push(line, head).unwrap();
        head = Head::of_line(line).unwrap();
    }
    assert_eq!((prover.proof().checkpoints, prover.proof().reached), (4, 8));
    assert!(prover.proof().gaps.is_empty());
}
