use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use gatehouse_audit::chain::{Chain, Head, Record};
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_identity::clock::Timestamp;

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
    assert!(verify(here.path(), &whole).ok().ends_with("; closed in good order\n"));
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
    assert!(gatehouse(here.path(), &["audit", "verify"], "").ok().contains("intact, 2 records"));
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
