use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatehouse_audit::chain::{self, Chain, Ending, Head, Record};
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::sink::AuditError;
use gatehouse_identity::clock::Timestamp;

use super::super::spool::Spool;
use super::{Medium, Writer};

/// A disk that can be full, half-way through a line, and whose syncs can fail.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Default)]
struct DiskState {
    text: String,
    whole: usize,
    is_full: bool,
    fails_to_sync: bool,
}

impl Medium for Disk {
    fn write(&mut self, text: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.is_full {
            disk.text.extend(text.chars().take(text.len() / 2));
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        disk.text.push_str(text);
        disk.whole = disk.text.len();
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let whole = disk.whole;
        disk.text.truncate(whole);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.0.lock().unwrap().fails_to_sync { Err(io::Error::other("EIO")) } else { Ok(()) }
    }
}

impl Disk {
    /// Whom the records are about, in their order, without the one that closes the log.
    fn users(&self) -> Vec<String> {
        let disk = self.0.lock().unwrap();
        let summary = chain::verify(disk.text.lines()).unwrap();
        let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let users = disk.text.lines().map(value).filter(|record| record["event"] != "audit.closed");
        let users: Vec<String> =
            users.map(|record| record["actor"]["claimed_user"].as_str().unwrap().to_owned()).collect();
        assert_eq!(summary.records - users.len() as u64, u64::from(summary.ending == Ending::Closed));
        users
    }

    fn ending(&self) -> Ending {
        chain::verify(self.0.lock().unwrap().text.lines()).unwrap().ending
    }
}

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_271_974);

fn record(user: &str) -> Record {
    Record::encode(&Event::new(EventKind::SigninFailure, Outcome::Deny, NOW).with_claimed_user(user)).unwrap()
}

fn start(disk: &Disk) -> (Arc<Spool>, std::thread::JoinHandle<()>) {
    let spool = Arc::new(Spool::new(1 << 20));
    let writer = Writer::new(disk.clone(), Chain::after(Head::START, "gw-1"));
    let shared = Arc::clone(&spool);
    let closed = || Event::new(EventKind::AuditClosed, Outcome::Allow, NOW);
    (spool, std::thread::spawn(move || writer.run(&shared, closed)))
}

fn append(spool: &Spool, user: &str) -> Result<(), AuditError> {
    spool.append(record(user))?.blocking_recv().unwrap()
}

#[test]
fn a_full_disk_fails_appends_keeps_what_was_submitted_and_heals() {
    let disk = Disk::default();
    let (spool, writer) = start(&disk);
    append(&spool, "before").unwrap();
    disk.0.lock().unwrap().is_full = true;
    spool.submit(record("spooled")).unwrap();
    while append(&spool, "refused").is_ok() {}
    spool.submit(record("spooled too")).unwrap();
    assert_eq!(disk.users()[0], "before");

    disk.0.lock().unwrap().is_full = false;
    while append(&spool, "after").is_err() {
        std::thread::sleep(Duration::from_millis(50));
    }
    spool.close();
    writer.join().unwrap();
    let users = disk.users();
    assert!(users.ends_with(&["spooled".into(), "spooled too".into(), "after".into()]), "{users:?}");
    assert_eq!(users.iter().filter(|user| *user == "spooled").count(), 1);
    assert!(!users.iter().any(|user| user == "refused"));
}

#[test]
fn a_failed_sync_ends_the_log() {
    let disk = Disk::default();
    let (spool, writer) = start(&disk);
    append(&spool, "durable").unwrap();
    disk.0.lock().unwrap().fails_to_sync = true;
    let error = append(&spool, "perhaps").unwrap_err();
    assert!(matches!(&error, AuditError::Write(text) if text.contains("sync failed")));
    writer.join().unwrap();
    disk.0.lock().unwrap().fails_to_sync = false;
    assert_eq!(spool.submit(record("late")), Err(error.clone()));
    assert_eq!(append(&spool, "late"), Err(error));
    assert_eq!(disk.ending(), Ending::Open);
}

#[test]
fn closing_writes_what_is_queued_and_says_that_it_is_all() {
    let disk = Disk::default();
    let (spool, writer) = start(&disk);
    for call in 0..100 {
        spool.submit(record(&call.to_string())).unwrap();
    }
    spool.close();
    assert_eq!(spool.submit(record("late")), Err(AuditError::Closed));
    writer.join().unwrap();
    assert_eq!(disk.users().len(), 100);
    assert_eq!(disk.ending(), Ending::Closed);
}

#[test]
fn a_disk_that_is_full_at_the_end_leaves_a_log_that_was_not_closed() {
    let disk = Disk::default();
    let (spool, writer) = start(&disk);
    append(&spool, "before").unwrap();
    disk.0.lock().unwrap().is_full = true;
    spool.close();
    writer.join().unwrap();
    assert_eq!(disk.users(), ["before"]);
    assert_eq!(disk.ending(), Ending::Open);
}
