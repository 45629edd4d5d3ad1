use std::path::Path;

use super::{gatehouse, write};

fn configured(folder: &Path, store: &str) {
    gatehouse(folder, &["init"], "").ok();
    let path = folder.join("gatehouse.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.split("\nstore:").collect();
    assert!(kept.len() <= 2, "{text}");
    let rest = kept.get(1).and_then(|rest| rest.find("\n\n").map(|end| &rest[end..])).unwrap_or_default();
    write(folder, "gatehouse.yaml", &format!("{}{rest}\nstore: {store}\n", kept[0]));
}

#[test]
fn the_plan_changes_nothing_and_a_run_happens_once() {
    let here = tempfile::tempdir().unwrap();
    configured(here.path(), "{ type: sqlite, sqlite: { path: gatehouse.db }, migrate: manual }");
    let plan = gatehouse(here.path(), &["migrate", "--plan"], "").ok();
    assert!(plan.starts_with("-- 1 foundation: missing"), "{plan}");
    assert!(plan.contains("CREATE TABLE grants"), "{plan}");
    assert!(!here.path().join("gatehouse.db").exists());

    let refused = gatehouse(here.path(), &["serve"], "").failed(1);
    assert!(refused.contains("the database lacks migration 1 `foundation`"), "{refused}");

    let run = gatehouse(here.path(), &["migrate", "--run"], "").ok();
    assert!(run.contains("-- 1 foundation: applied\n-- 2 epochs: applied\n"), "{run}");
    for flag in ["--run", "--plan"] {
        assert_eq!(gatehouse(here.path(), &["migrate", flag], "").ok(), "-- nothing is missing\n");
    }
}

#[test]
fn one_of_two_things_is_asked_for() {
    let here = tempfile::tempdir().unwrap();
    configured(here.path(), "{ type: sqlite, sqlite: { path: gatehouse.db } }");
    gatehouse(here.path(), &["migrate"], "").failed(2);
    gatehouse(here.path(), &["migrate", "--plan", "--run"], "").failed(2);
}

#[test]
fn a_server_that_cannot_be_reached_is_named() {
    let here = tempfile::tempdir().unwrap();
    // Taken and given back: nobody listens there now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://gatehouse:hunter2@127.0.0.1:{port}/gatehouse");
    configured(here.path(), &format!("{{ type: postgres, postgres: {{ url: \"{url}\" }} }}"));
    let failed = gatehouse(here.path(), &["migrate", "--plan"], "").failed(1);
    assert!(failed.contains(&format!("127.0.0.1:{port}/gatehouse: cannot be reached")), "{failed}");
    assert!(!failed.contains("hunter2"), "{failed}");
}
