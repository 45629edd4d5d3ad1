use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gatehouse_audit::chain::{Chain, Record};
use gatehouse_audit::checkpoint::CheckpointKey;
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::head::Head;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;

use super::{gatehouse, write};

/// A log of `count` records.
fn log(count: usize) -> String {
    log_of(&vec![EventKind::NodeStarted; count])
}

/// A log of one record of each of `kinds`, one a second.
fn log_of(kinds: &[EventKind]) -> String {
    let mut chain = Chain::after(Head::START, "node-1");
    let mut text = String::new();
    for (second, kind) in (0..).zip(kinds) {
        let event = Event::new(*kind, Outcome::Allow, Timestamp::from_unix_seconds(second));
        chain.append(&Record::encode(&event).unwrap(), &mut text);
    }
    text
}

fn verify(folder: &Path, text: &str) -> super::Ran {
    write(folder, "audit.jsonl", text);
    gatehouse(folder, &["audit", "verify", "audit.jsonl"], "")
}

#[test]
fn an_intact_log_is_summed_up() {
    let here = tempfile::tempdir().unwrap();
    let out = verify(here.path(), &log(7)).ok();
    assert!(out.starts_with("audit.jsonl: intact, 7 records, last record 7 with hash "), "{out}");
    assert!(out.contains("; not closed: "), "{out}");
}

#[test]
fn a_log_that_was_closed_is_told_from_one_that_lost_its_end() {
    use EventKind::{AuditClosed, AuditOpened, NodeStarted};
    let here = tempfile::tempdir().unwrap();
    let whole = log_of(&[AuditOpened, NodeStarted, AuditClosed]);
    assert!(verify(here.path(), &whole).ok().contains("; closed in good order\n"));
    let cut: String = whole.lines().take(2).map(|line| format!("{line}\n")).collect();
    assert!(verify(here.path(), &cut).ok().contains("; not closed: "));
    let out = verify(here.path(), &log_of(&[AuditOpened, NodeStarted, AuditOpened, AuditClosed])).ok();
    assert!(out.starts_with("warning: audit.jsonl: opened 1 times without having been closed"), "{out}");
}

#[test]
fn the_first_broken_record_is_named() {
    let here = tempfile::tempdir().unwrap();
    let text = log(7);
    let lines: Vec<&str> = text.lines().collect();
    let without = |at: usize| -> String {
        lines
            .iter()
            .enumerate()
            .filter(|(line, _)| *line != at)
            .map(|(_, line)| format!("{line}\n"))
            .collect()
    };
    let cases = [
        (text.replace("1970-01-01T00:00:03", "1970-01-01T00:00:04"), "record 4 (line 4): its content"),
        (without(2), "record 3 (line 3): it is not where it belongs"),
        (format!("{}{}\n", text, lines[0]), "record 1 (line 8): it stands where"),
        (format!("\n{text}"), "record 1 (line 1): the line is not an audit record"),
    ];
    for (damaged, expected) in cases {
        let err = verify(here.path(), &damaged).failed(1);
        assert!(err.contains(expected), "expected {expected}, found {err}");
    }
}

#[test]
fn an_unfinished_record_is_a_warning() {
    let here = tempfile::tempdir().unwrap();
    let text = log(3);
    let ran = verify(here.path(), &text[..text.len() - 20]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("warning: ") && ran.out.contains("intact, 2 records"), "{}", ran.out);
}

#[test]
fn the_log_of_the_configuration_is_the_default() {
    let here = tempfile::tempdir().unwrap();
    gatehouse(here.path(), &["init"], "").ok();
    write(here.path(), "gatehouse-audit.jsonl", &log(2));
    // The starter has a key for checkpoints, and nothing here is signed with it.
    let ran = gatehouse(here.path(), &["audit", "verify"], "");
    assert!(ran.code == 1 && ran.out.contains("intact, 2 records"), "{}", ran.out);
    assert!(ran.err.contains("nothing is proven"), "{}", ran.err);
}

#[test]
fn the_tail_has_as_many_records_as_asked_for() {
    let here = tempfile::tempdir().unwrap();
    let text = log(2_000);
    write(here.path(), "audit.jsonl", &text);
    for count in [0, 1, 10, 1_999, 2_000, 5_000] {
        let out =
            gatehouse(here.path(), &["audit", "tail", "-n", &count.to_string(), "audit.jsonl"], "").ok();
        let skipped = 2_000_usize.saturating_sub(count);
        let expected: String = text.lines().skip(skipped).map(|line| format!("{line}\n")).collect();
        assert!(out == expected, "{count}: {} lines", out.lines().count());
    }
}

#[test]
fn a_followed_log_shows_what_is_written_later_and_survives_a_move() {
    let here = tempfile::tempdir().unwrap();
    let text = log(6);
    let lines: Vec<&str> = text.lines().collect();
    let path = here.path().join("audit.jsonl");
    std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["audit", "tail", "-f", "-n", "1", "audit.jsonl"])
        .current_dir(here.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    assert_eq!(next(), lines[1]);
    let append = |path: &Path, text: &str| {
        use std::io::Write as _;
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    };
    // Half a record is no record.
    let (first, rest) = lines[2].split_at(30);
    append(&path, first);
    append(&path, &format!("{rest}\n{}\n", lines[3]));
    assert_eq!(next(), lines[2]);
    assert_eq!(next(), lines[3]);
    std::fs::rename(&path, here.path().join("audit.jsonl.1")).unwrap();
    append(&path, &format!("{}\n", lines[4]));
    assert_eq!(next(), lines[4]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_log_that_is_not_there_is_named_with_what_to_do() {
    let here = tempfile::tempdir().unwrap();
    gatehouse(here.path(), &["init"], "").ok();
    for command in ["verify", "tail"] {
        let err = gatehouse(here.path(), &["audit", command], "").failed(1);
        assert!(err.contains("gatehouse-audit.jsonl: there is no such log; `serve` begins it"), "{err}");
    }
    std::fs::remove_file(here.path().join("gatehouse.yaml")).unwrap();
    let err = gatehouse(here.path(), &["audit", "verify"], "").failed(78);
    assert!(err.contains("name the log itself"), "{err}");
}

/// A key that `audit new-key` made: its public half, and the key.
fn new_key(folder: &Path, file: &str) -> (String, CheckpointKey) {
    let out = gatehouse(folder, &["audit", "new-key", file], "").ok();
    let public = out.lines().find_map(|line| line.strip_prefix("public key: ")).unwrap().to_owned();
    let pem = std::fs::read_to_string(folder.join(file)).unwrap();
    let key = SigningKey::from_pkcs8_pem(Algorithm::EdDsa, &pem).unwrap();
    (public, CheckpointKey::new(Arc::new(key)).unwrap())
}

/// A log of `count` records behind its opening, with a checkpoint of `key` behind each three of them.
fn signed_log(key: &CheckpointKey, count: usize) -> String {
    let mut chain = Chain::after(Head::START, "node-1");
    let mut text = String::new();
    let event = |kind, second| Event::new(kind, Outcome::Allow, Timestamp::from_unix_seconds(second));
    chain.append(&Record::encode(&event(EventKind::AuditOpened, 0)).unwrap(), &mut text);
    for (number, second) in (1..=count).zip(1..) {
        chain.append(&Record::encode(&event(EventKind::NodeStarted, second)).unwrap(), &mut text);
        if number % 3 == 0 {
            let record = chain.checkpoint(event(EventKind::AuditCheckpoint, second), key, "run").unwrap();
            chain.append(&record, &mut text);
        }
    }
    text
}

#[test]
fn a_new_key_is_written_for_its_owner_only_and_never_over_another() {
    let here = tempfile::tempdir().unwrap();
    let (public, key) = new_key(here.path(), "audit-key.pem");
    assert_eq!((public.len(), public.as_str()), (43, key.public()));
    let mode = here.path().join("audit-key.pem").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let err = gatehouse(here.path(), &["audit", "new-key", "audit-key.pem"], "").failed(1);
    assert!(err.contains("is not overwritten"), "{err}");
    assert_ne!(new_key(here.path(), "other.pem").0, public);
}

#[test]
fn a_chain_without_a_key_is_said_to_prove_nothing() {
    let here = tempfile::tempdir().unwrap();
    let out = verify(here.path(), &log(7)).ok();
    assert!(out.contains("nothing is proven: whoever can rewrite the whole file"), "{out}");
    assert!(out.contains("it has no signed checkpoints"), "{out}");
    let (public, key) = new_key(here.path(), "key.pem");
    let out = verify(here.path(), &signed_log(&key, 7)).ok();
    assert!(out.contains(&format!("checkpoints that name the key {public}: 2")), "{out}");
}

#[test]
fn with_a_key_it_is_told_what_is_proven_and_from_where_on_nothing_is() {
    let here = tempfile::tempdir().unwrap();
    let (public, key) = new_key(here.path(), "key.pem");
    // Opened, three, checkpoint (5), three, checkpoint (9), two.
    let text = signed_log(&key, 8);
    write(here.path(), "audit.jsonl", &text);
    let with = |keys: &[&str], more: &[&str]| {
        let keys = keys.iter().flat_map(|key| ["--key", key]);
        let all: Vec<&str> =
            ["audit", "verify", "audit.jsonl"].into_iter().chain(keys).chain(more.iter().copied()).collect();
        gatehouse(here.path(), &all, "")
    };
    let out = with(&[&public], &[]).ok();
    assert!(out.contains("the records 1 to 9 stand behind a signature"), "{out}");
    assert!(out.contains("from record 10 on nothing is proven"), "{out}");
    let (other, foreign) = new_key(here.path(), "other.pem");
    let err = with(&[&other], &[]).failed(1);
    assert!(err.contains("nothing is proven"), "{err}");
    // What somebody else signed behind it is told.
    let mut longer = text.clone();
    let last = Head::of_line(text.lines().last().unwrap()).unwrap();
    let mut chain = Chain::after(last, "node-1");
    let event = Event::new(EventKind::AuditCheckpoint, Outcome::Allow, Timestamp::from_unix_seconds(9));
    chain.append(&chain.clone().checkpoint(event, &foreign, "run").unwrap(), &mut longer);
    write(here.path(), "audit.jsonl", &longer);
    let err = with(&[&public], &[]).failed(1);
    assert!(err.contains("some checkpoints are signed with a key that was not named"), "{err}");
    with(&[&public, &other], &[]).ok();
    let ran = with(&["short"], &[]);
    assert!(ran.code == 2 && ran.err.contains("43 characters of base64url"), "{}", ran.err);
}

#[test]
fn hashes_that_were_computed_anew_are_found_at_the_next_checkpoint() {
    let here = tempfile::tempdir().unwrap();
    let (public, key) = new_key(here.path(), "key.pem");
    let text = signed_log(&key, 8);
    let mut chain = Chain::after(Head::START, "node-1");
    let mut forged = String::new();
    for line in text.lines() {
        let line = line.replace("1970-01-01T00:00:05", "1970-01-01T00:00:04");
        let (seq, prev) = (chain.head().seq + 1, chain.head());
        // Members in the order in which the writer has them.
        let body = line.split_once(",\"time\"").unwrap().1.rsplit_once(",\"prev_hash\"").unwrap().0;
        let prev = prev.to_string().split_once(':').unwrap().1.to_owned();
        let hashed = format!("{{\"seq\":{seq},\"node\":\"node-1\",\"time\"{body},\"prev_hash\":\"{prev}\"");
        let line = format!("{hashed},\"hash\":\"{}\"}}", sha256(&hashed));
        chain = Chain::after(Head::of_line(&line).unwrap(), "node-1");
        forged.push_str(&line);
        forged.push('\n');
    }
    let out = verify(here.path(), &forged).ok();
    assert!(out.contains("intact, 11 records"), "the chain alone sees nothing: {out}");
    let err = gatehouse(here.path(), &["audit", "verify", "audit.jsonl", "--key", &public], "").failed(1);
    assert!(err.contains("record 9: its signature is of another log: the records 6 to 9"), "{err}");
    // A record that was kept elsewhere finds it too, without a key.
    let kept = Head::of_line(text.lines().nth(7).unwrap()).unwrap().to_string();
    let err = gatehouse(here.path(), &["audit", "verify", "audit.jsonl", "--expect", &kept], "").failed(1);
    assert!(err.contains("record 8 is not as expected: another record stands there"), "{err}");
    write(here.path(), "audit.jsonl", &text);
    gatehouse(here.path(), &["audit", "verify", "audit.jsonl", "--expect", &kept, "--key", &public], "").ok();
    let cut: String = text.lines().take(6).map(|line| format!("{line}\n")).collect();
    write(here.path(), "audit.jsonl", &cut);
    let err = gatehouse(here.path(), &["audit", "verify", "audit.jsonl", "--expect", &kept], "").failed(1);
    assert!(err.contains("the log ends with record 6: it was shortened"), "{err}");
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_key_of_the_configuration_proves_its_own_log() {
    let here = tempfile::tempdir().unwrap();
    let out = gatehouse(here.path(), &["init"], "").ok();
    let public = out.split("its public key is ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let pem = std::fs::read_to_string(here.path().join("gatehouse-audit-key.pem")).unwrap();
    let key = SigningKey::from_pkcs8_pem(Algorithm::EdDsa, &pem).unwrap();
    let key = CheckpointKey::new(Arc::new(key)).unwrap();
    assert_eq!(key.public(), public);
    write(here.path(), "gatehouse-audit.jsonl", &signed_log(&key, 3));
    let out = gatehouse(here.path(), &["audit", "verify"], "").ok();
    assert!(out.contains(&format!("the records 1 to 5 stand behind a signature of {public}")), "{out}");
}

/// Keys are drawn until one begins with a character that an option could begin with.
#[test]
fn a_key_that_looks_like_an_option_is_a_key() {
    let here = tempfile::tempdir().unwrap();
    let keys = std::iter::repeat_with(|| CheckpointKey::generate().unwrap());
    let key = keys.take(10_000).find(|key| key.public().starts_with('-')).unwrap();
    write(here.path(), "audit.jsonl", &signed_log(&key, 3));
    gatehouse(here.path(), &["audit", "verify", "audit.jsonl", "--key", key.public()], "").ok();
}
