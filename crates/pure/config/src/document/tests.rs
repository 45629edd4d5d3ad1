use std::time::Duration;

use super::scalar::Seconds;
use super::{Document, Source};
use crate::source::environment::Environment;
use crate::source::loader::MemoryLoader;

fn read(text: &str) -> Result<Document, String> {
    Document::read(&Source::new("f", text), &Environment::empty(), &MemoryLoader::empty())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn defaults_stand_in_for_what_is_not_written() {
    let root = read("version: 0.0.1").unwrap().root;
    assert_eq!(root.http.address.to_string(), "0.0.0.0:9420");
    assert_eq!(root.admin.address.to_string(), "127.0.0.1:9421");
    assert_eq!(root.health.location.0, "/status");
    assert_eq!(root.http.read_timeout.0, Seconds::new(20).0);
    assert_eq!(root.session.cookie.name.0, "maverics_session");
}

#[test]
fn durations_need_units() {
    let idle = |text: &str| {
        read(&format!("session: {{ lifetime: {{ idleTimeout: {text} }} }}"))
            .map(|document| document.root.session.lifetime.idle_timeout.value)
    };
    assert_eq!(idle("1h30m"), Ok(Duration::from_mins(90)));
    assert_eq!(idle("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(idle("7d"), Ok(Duration::from_hours(168)));
    for wrong in ["15", "m", "15 m", "-5s", "1h30", "99999999999999999999s", "999999999999999999d", "5000d"] {
        assert!(idle(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn yaml_1_1_booleans_are_text() {
    for word in ["yes", "on", "y", "True", "1", "\"true\""] {
        let found = read(&format!("mcpProvider: {{ enabled: {word} }}")).err().unwrap();
        assert!(found.contains("expected `true` or `false`"), "{word}: {found}");
    }
}

#[test]
fn a_number_is_not_a_text() {
    let found = read("audit: { node: 17 }").err().unwrap();
    assert_eq!(
        found,
        "f:1:16: audit.node: expected a text that is not empty, found the number `17` (put it in quotes)"
    );
}

#[test]
fn a_key_without_value_is_named() {
    assert_eq!(
        read("http:\nadmin: { address: \":9\" }").err().unwrap(),
        "f:1:1: http: this key has no value (give it one, or remove the key)"
    );
}
