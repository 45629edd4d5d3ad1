use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_audit::chain::{self, Ending, Summary, Why};
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::sink::{AuditError, AuditSink as _};
use gatehouse_identity::clock::Timestamp;

use super::spool::Spool;
use super::{AuditFileOptions, FileAudit, OpenError, open};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_271_974);

fn event(user: &str) -> Event {
    Event::new(EventKind::SigninFailure, Outcome::Deny, NOW).with_claimed_user(user)
}

fn options(path: &Path, spool_bytes: usize) -> AuditFileOptions {
    let patience = Duration::from_secs(60);
    AuditFileOptions { path: path.to_owned(), node: "gw-1".into(), spool_bytes, patience }
}

fn open_at(path: &Path) -> Result<FileAudit, OpenError> {
    open_with(options(path, 1 << 20))
}

fn open_with(options: AuditFileOptions) -> Result<FileAudit, OpenError> {
    let event = |kind| Event::new(kind, Outcome::Allow, NOW);
    open(options, event(EventKind::AuditOpened), move || event(EventKind::AuditClosed))
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
    let audit = FileAudit { spool: Arc::new(Spool::new(1 << 20)), patience, writer: None };
    assert_eq!(audit.append(event("ada")).await, Err(AuditError::Slow { waited: patience }));
    assert_eq!(audit.submit(event("bob")), Ok(()));
}

#[test]
fn only_a_regular_file_is_a_log() {
    assert!(matches!(open_at(Path::new("/dev/full")), Err(OpenError::Io { .. })));
    assert!(matches!(open_at(Path::new("/nowhere/audit.jsonl")), Err(OpenError::Io { .. })));
}
