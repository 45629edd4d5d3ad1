//! What was acknowledged survives `kill -9`.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use gatehouse_audit::chain::{self, Ending};
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::sink::AuditSink as _;
use gatehouse_audit::tally::Handful;
use gatehouse_identity::clock::Timestamp;
use gatehouse_telemetry::audit_file::{AuditFileOptions, CheckpointOptions, FileAudit, OpenError, open};

const PATH: &str = "GATEHOUSE_TEST_AUDIT_PATH";

fn event(kind: EventKind) -> Event {
    Event::new(kind, Outcome::Allow, Timestamp::from_unix_seconds(1_795_271_974))
}

fn open_at(path: PathBuf) -> Result<FileAudit, OpenError> {
    let options = AuditFileOptions {
        path,
        node: "gw-1".into(),
        spool_bytes: 1 << 24,
        patience: Duration::from_secs(60),
        refusals: Handful { per_network: 5, in_all: 100 },
        checkpoints: CheckpointOptions {
            key: None,
            run: "r1".into(),
            every: Duration::from_secs(60),
            every_records: 1_000,
        },
    };
    open(options, event)
}

/// The process that is killed: appends for ever, says so each time. Does nothing in an ordinary test run.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the parent test passes the path in the environment")]
async fn child() {
    let Ok(path) = env::var(PATH) else { return };
    let audit = open_at(path.into()).unwrap();
    for acknowledged in 1_u64.. {
        audit.submit(event(EventKind::ToolCall)).unwrap();
        audit.append(event(EventKind::TokenIssue)).await.unwrap();
        println!("acknowledged {acknowledged}");
    }
}

#[test]
fn acknowledged_records_survive_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut acknowledged = 0;
    for round in 1..=5 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        acknowledged +=
            lines.map(Result::unwrap).filter(|line| line.contains("acknowledged")).take(round * 17).count();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(open_at(path.clone()).unwrap());
    let text = fs::read_to_string(&path).unwrap();
    let summary = chain::verify(text.lines()).unwrap();
    let issued = text.lines().filter(|line| line.contains("token.issue")).count();
    assert!(issued >= acknowledged, "{issued} of {acknowledged} acknowledged records are there");
    assert_eq!(text.lines().filter(|line| line.contains("audit.opened")).count(), 6);
    assert_eq!(summary.records, text.lines().count() as u64);
    assert_eq!((summary.ending, summary.interruptions), (Ending::Closed, 5));
}
