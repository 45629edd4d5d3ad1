use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatehouse_audit::chain::{self, Chain, Ending, Record};
use gatehouse_audit::checkpoint::CheckpointKey;
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::head::Head;
use gatehouse_audit::sink::AuditError;
use gatehouse_audit::tally::{Handful, Verdict};
use gatehouse_identity::clock::Timestamp;

use super::super::checkpoints::{CheckpointOptions, Checkpoints};
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

    fn events(&self) -> Vec<String> {
        let disk = self.0.lock().unwrap();
        let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        disk.text.lines().map(|line| value(line)["event"].as_str().unwrap().to_owned()).collect()
    }

    fn ending(&self) -> Ending {
        chain::verify(self.0.lock().unwrap().text.lines()).unwrap().ending
    }
}

const HANDFUL: Handful = Handful { per_network: 5, in_all: 100 };
const HOUR: Duration = Duration::from_hours(1);
const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_271_974);

fn record(user: &str) -> Record {
    Record::encode(&Event::new(EventKind::SigninFailure, Outcome::Deny, NOW).with_claimed_user(user)).unwrap()
}

fn start(disk: &Disk) -> (Arc<Spool>, std::thread::JoinHandle<()>) {
    start_with(disk, CheckpointOptions { key: None, run: "r1".into(), every: HOUR, every_records: 1_000_000 })
}

fn start_with(disk: &Disk, options: CheckpointOptions) -> (Arc<Spool>, std::thread::JoinHandle<()>) {
    let spool = Arc::new(Spool::new(1 << 20, HANDFUL));
    let event = |kind| Event::new(kind, Outcome::Allow, NOW);
    let checkpoints = Checkpoints::new(options, Box::new(event), Head::START);
    let writer = Writer::new(disk.clone(), Chain::after(Head::START, "gw-1"), checkpoints);
    let shared = Arc::clone(&spool);
    (spool, std::thread::spawn(move || writer.run(&shared)))
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

/// Everybody who waits long enough sees the number grow.
fn wait_for(holds: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came true");
}

#[test]
fn a_checkpoint_stands_behind_so_many_records_and_signs_the_end() {
    let disk = Disk::default();
    let key = CheckpointKey::generate().unwrap();
    let options = CheckpointOptions { key: Some(key), run: "r1".into(), every: HOUR, every_records: 10 };
    let (spool, writer) = start_with(&disk, options);
    for call in 0..25 {
        spool.submit(record(&call.to_string())).unwrap();
    }
    spool.close();
    writer.join().unwrap();
    let events = disk.events();
    let at: Vec<usize> = (0..events.len()).filter(|at| events[*at] == "audit.checkpoint").collect();
    assert_eq!((at, events.len()), (vec![10, 21], 28));
    assert_eq!(events[27], "audit.closed");
    assert!(disk.0.lock().unwrap().text.lines().last().unwrap().contains("\"signature\""));
}

#[test]
fn a_checkpoint_comes_with_time_only_where_something_was_written() {
    let disk = Disk::default();
    let key = CheckpointKey::generate().unwrap();
    let every = Duration::from_millis(1);
    let options = CheckpointOptions { key: Some(key), run: "r1".into(), every, every_records: 1_000_000 };
    let (spool, writer) = start_with(&disk, options);
    append(&spool, "ada").unwrap();
    wait_for(|| disk.events().len() == 2);
    // Nothing new is written, so nothing is signed.
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(disk.events(), ["signin.failure", "audit.checkpoint"]);
    append(&spool, "bob").unwrap();
    wait_for(|| disk.events().len() == 4);
    spool.close();
    writer.join().unwrap();
}

#[test]
fn a_full_disk_keeps_a_checkpoint_away_and_nothing_else() {
    let disk = Disk::default();
    let key = CheckpointKey::generate().unwrap();
    let every = Duration::from_millis(500);
    let options = CheckpointOptions { key: Some(key), run: "r1".into(), every, every_records: 1_000_000 };
    let (spool, writer) = start_with(&disk, options);
    append(&spool, "ada").unwrap();
    disk.0.lock().unwrap().is_full = true;
    std::thread::sleep(Duration::from_millis(1_500));
    disk.0.lock().unwrap().is_full = false;
    append(&spool, "bob").unwrap();
    wait_for(|| disk.events().last().is_some_and(|last| last == "audit.checkpoint"));
    spool.close();
    writer.join().unwrap();
    assert_eq!(disk.ending(), Ending::Closed);
}

/// A refusal that a stranger from `ip` got.
fn refusal(ip: [u8; 4]) -> Event {
    let event = Event::new(EventKind::CredentialRefused, Outcome::Deny, NOW);
    let ip = std::net::IpAddr::from(ip);
    event.with_reason("key_refused").with_source(ip.into(), ip, None)
}

/// How many refusals the log tells of, and in how many records.
fn refusals(disk: &Disk) -> (u64, usize) {
    let disk = disk.0.lock().unwrap();
    let records = disk.text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let refused: Vec<_> = records.filter(|record| record["event"] == "credential.refused").collect();
    let count = |record: &serde_json::Value| record["counted"]["count"].as_u64().unwrap_or(1);
    (refused.iter().map(count).sum(), refused.len())
}

#[test]
fn what_strangers_are_refused_is_counted_to_the_last_one() {
    let disk = Disk::default();
    let (spool, writer) = start(&disk);
    let refuse = |ip| {
        let event = refusal(ip);
        if spool.judge(&event).unwrap() == Verdict::Whole {
            spool.submit(Record::encode(&event).unwrap()).unwrap();
        }
    };
    for number in 0..20_000_u32 {
        refuse([192, 0, 2, (number % 3) as u8]);
    }
    // While it goes on, and when nothing more comes.
    wait_for(|| refusals(&disk).0 == 20_000);
    for _ in 0..1_000 {
        refuse([198, 51, 100, 1]);
    }
    spool.close();
    assert_eq!(spool.judge(&refusal([192, 0, 2, 1])), Err(AuditError::Closed));
    writer.join().unwrap();
    let (count, records) = refusals(&disk);
    assert_eq!(count, 21_000);
    assert!(records < 100, "{records}");
    assert_eq!(disk.ending(), Ending::Closed);
}

#[test]
fn counts_outlast_a_full_disk() {
    let disk = Disk::default();
    let (spool, writer) = start(&disk);
    append(&spool, "ada").unwrap();
    disk.0.lock().unwrap().is_full = true;
    for _ in 0..1_000 {
        let event = refusal([192, 0, 2, 1]);
        if spool.judge(&event).unwrap() == Verdict::Whole {
            spool.submit(Record::encode(&event).unwrap()).unwrap();
        }
    }
    std::thread::sleep(Duration::from_millis(2_500));
    disk.0.lock().unwrap().is_full = false;
    wait_for(|| refusals(&disk).0 == 1_000);
    spool.close();
    writer.join().unwrap();
    assert_eq!(refusals(&disk).0, 1_000);
}

#[test]
fn strangers_get_no_more_than_half_of_the_room() {
    let spool = Spool::new(10_000, HANDFUL);
    while spool.has_room() && spool.judge(&refusal([192, 0, 2, 1])).unwrap() == Verdict::Whole {
        spool.submit(record("ada")).unwrap();
    }
    for network in 0..100 {
        let event = refusal([192, 0, 2, network]);
        if spool.judge(&event).unwrap() == Verdict::Whole {
            spool.submit(Record::encode(&event).unwrap()).unwrap();
        }
    }
    assert!(spool.has_room(), "strangers have filled the spool");
}
