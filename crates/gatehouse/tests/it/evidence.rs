//! What the process itself leaves in the audit trail: its beginning, its keys, the documents that it asked for, its
//! end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use gatehouse_audit::chain::{Chain, Record};
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::head::Head;
use gatehouse_identity::clock::Timestamp;
use gatehouse_testkit::fixture::World;
use gatehouse_testkit::process::{Gateway, Stopped, run};
use gatehouse_testkit::raw_http::Request;
use serde_json::{Value, json};

/// A world whose gateway makes its own keys and believes client documents at one host, which is an internal one.
fn world() -> World {
    let mut world = World::new(&crate::binary(), "");
    let text = std::mem::take(&mut world.configuration);
    let (before, rest) = text.split_once("  jwks:\n").unwrap();
    let (_, after) = rest.split_once("\nmcpProvider:").unwrap();
    let documents = "  clientIDMetadata: { allowedHosts: [\"127.0.0.1:9\"] }\n";
    world.configuration = format!("{before}{documents}\nmcpProvider:{after}");
    world
}

fn records(stopped: &Stopped) -> Vec<Value> {
    let text = std::fs::read_to_string(stopped.folder.path().join("audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["event"].as_str().unwrap()).collect()
}

fn keys<'a>(records: &'a [Value], change: &str) -> Vec<&'a str> {
    let of = |record: &&Value| record["event"] == "key.changed" && record["change"] == change;
    records.iter().filter(of).map(|record| record["target"]["object"].as_str().unwrap()).collect()
}

/// A request that is being read, and goes on until its body is there.
fn request_under_way(gateway: &Gateway) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.public).unwrap();
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: 1000\r\nexpect: 100-continue\r\n\r\n",
        gateway.host
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 25];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket
}

#[test]
fn a_run_whose_requests_were_given_up_says_so_at_its_end() {
    let gateway = world().serve();
    let _request = request_under_way(&gateway);
    gateway.begin_to_stop();
    let stopped = gateway.stop();
    assert_eq!(stopped.code, Some(1), "{}", stopped.log);
    assert!(
        stopped.log.ends_with("gatehouse: stopping: requests under way were given up"),
        "{}",
        stopped.log
    );
    let records = records(&stopped);
    assert_eq!(events(&records).last(), Some(&"audit.closed"));
    let end = records.iter().find(|record| record["event"] == "node.stopped").unwrap();
    assert_eq!(end["outcome"], "error");
}

#[test]
fn a_run_is_on_record_from_its_opening_to_its_closing() {
    let world = world();
    let gateway = world.serve();
    let published = gateway.send(&Request::get("/oauth2/jwks")).json();
    let published: Vec<&str> =
        published["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    let stopped = gateway.stop();
    assert_eq!(stopped.code, Some(0), "{}", stopped.log);
    let first = records(&stopped);
    let expected = [
        "audit.opened",
        "key.changed",
        "key.changed",
        "key.changed",
        "key.changed",
        "config.loaded",
        "node.started",
        "node.stopped",
        "audit.closed",
    ];
    assert_eq!(events(&first), expected);
    assert_eq!(keys(&first, "made"), published);
    assert_eq!(keys(&first, "activated"), published);
    let revision = &first[0]["rev"];
    assert!(revision.as_str().unwrap().starts_with("sha256:"), "{revision}");
    for record in &first {
        assert_eq!((&record["outcome"], &record["rev"]), (&json!("allow"), revision), "{record}");
    }

    // Another run in the same folder goes on with the keys and with the chain.
    let stopped = Gateway::serve_in(&crate::binary(), stopped.folder, "gatehouse.yaml").stop();
    let both = records(&stopped);
    let second = &both[first.len()..];
    assert_eq!((keys(second, "made"), keys(second, "activated")), (Vec::new(), published));
    assert_eq!(events(second).last(), Some(&"audit.closed"));
    let verified = run(&crate::binary(), stopped.folder.path(), &["audit", "verify"], "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.out.contains("; closed in good order\n"), "{verified:?}");
}

#[test]
fn a_client_document_that_is_not_taken_is_on_record() {
    let world = world();
    let gateway = world.serve();
    let id = "https://127.0.0.1:9/client";
    let path = format!("/oauth2/auth?response_type=code&client_id={id}");
    let refused = gateway.send(&Request::get(&path));
    assert_eq!(refused.status, 400, "{}", refused.text());
    let records = records(&gateway.stop());
    let record = records.iter().find(|record| record["event"] == "client.metadata").unwrap();
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("deny"), &json!("client_document_unusable")));
    assert_eq!(record["actor"]["client_id"], json!(id), "{record}");
    assert_eq!(record["actor"]["client_kind"], json!("metadata_document"), "{record}");
    assert_eq!(record["target"]["upstream"], json!("https://127.0.0.1:9"), "{record}");
    assert_eq!(record["source"]["ip"], json!("127.0.0.1"), "{record}");
    let request = records.iter().find(|record| record["event"] == "authorization.request").unwrap();
    assert_eq!(request["request"]["id"], record["request"]["id"], "{request}");
}

/// The log of a process that was killed does not look like that of one that was stopped.
#[test]
fn a_killed_run_has_no_closing_record() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in world.files() {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().join("audit.jsonl");
    let gateway = Gateway::serve_in(&crate::binary(), folder, "gatehouse.yaml");
    assert_eq!(events(&gateway.audit()).last(), Some(&"node.started"));
    let copy = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    // Dropping kills it.
    drop(gateway);
    std::fs::write(copy.path().join("audit.jsonl"), text).unwrap();
    let verified = run(&crate::binary(), copy.path(), &["audit", "verify", "audit.jsonl"], "");
    assert!(verified.code == Some(0) && verified.out.contains("; not closed: "), "{verified:?}");
}

/// The comparison of the log with what the store remembers, of a run on a log that `tamper` has been at while nobody
/// wrote it; and the log lines of that run.
fn compared_after(tamper: impl FnOnce(&[&str]) -> Option<String>) -> (Value, String) {
    let stopped = world().serve().stop();
    assert_eq!(stopped.code, Some(0), "{}", stopped.log);
    let path = stopped.folder.path().join("audit.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    match tamper(&lines) {
        Some(text) => std::fs::write(&path, text).unwrap(),
        None => std::fs::remove_file(&path).unwrap(),
    }
    let last = lines[lines.len() - 2].parse::<Value>().unwrap();
    let stopped = Gateway::serve_in(&crate::binary(), stopped.folder, "gatehouse.yaml").stop();
    assert_eq!(stopped.code, Some(0), "{}", stopped.log);
    let records = records(&stopped);
    let of = |record: &&Value| record["event"] == "audit.compared";
    let compared = records.iter().find(of).unwrap_or_else(|| panic!("{}", stopped.log)).clone();
    let remembered = json!({ "seq": last["seq"], "hash": last["hash"] });
    assert_eq!(compared["remembered"], remembered, "the end of the run before");
    (compared, stopped.log)
}

fn text_of(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A log of other records, with hashes that fit.
fn another_log(lines: &[&str]) -> String {
    let mut chain = Chain::after(Head::START, "gw-1");
    let mut text = String::new();
    for _ in lines {
        let event = Event::new(EventKind::NodeStarted, Outcome::Allow, Timestamp::from_unix_seconds(1));
        chain.append(&Record::encode(&event).unwrap(), &mut text);
    }
    text
}

#[test]
fn a_log_that_nobody_touched_is_as_the_store_remembers_it() {
    let (compared, log) = compared_after(|lines| Some(text_of(lines)));
    assert_eq!(compared["outcome"], "allow");
    assert!(!log.contains("the audit log"), "{log}");
}

#[test]
fn a_log_that_was_shortened_is_told_at_the_next_start() {
    let (compared, log) = compared_after(|lines| Some(text_of(&lines[..lines.len() - 3])));
    assert_eq!((&compared["outcome"], &compared["reason"]), (&json!("error"), &json!("audit_shortened")));
    assert!(log.contains("\"ERROR\"") && log.contains("the audit log was shortened"), "{log}");
}

#[test]
fn a_log_that_was_replaced_is_told_at_the_next_start() {
    let (compared, log) = compared_after(|lines| Some(another_log(lines)));
    assert_eq!(compared["reason"], "audit_replaced");
    assert!(log.contains("the audit log was replaced"), "{log}");
}

#[test]
fn a_log_that_was_moved_away_is_told_at_the_next_start() {
    let (compared, log) = compared_after(|_| None);
    assert_eq!(compared["reason"], "audit_begun_anew");
    assert!(log.contains("the audit log begins anew"), "{log}");
}
