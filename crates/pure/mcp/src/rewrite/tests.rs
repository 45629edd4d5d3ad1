use std::fmt::Write as _;

use super::*;
use crate::message::{Message, Outcome};

fn server() -> ServerFacts {
    ServerFacts { name: "gw".to_owned(), title: None, version: "1".to_owned(), instructions: None }
}

fn dressed(result: &str, client: Version) -> Result<String, (i64, String)> {
    let result = RawObject::parse(result).expect("an object");
    call_result(result, client, &server())
        .map(|result| result.to_json())
        .map_err(|error| (error.code(), error.message().to_owned()))
}

const LEGACY: &str = r#"{"x/vendor":{"b":1e400,"a":[]},"content":[{"type":"text","text":"\u00e9"}]}"#;

#[test]
fn legacy_answers_gain_what_the_modern_era_demands() {
    insta::assert_snapshot!(dressed(LEGACY, Version::V2026_07_28).expect("a result"), @r#"{"x/vendor":{"b":1e400,"a":[]},"content":[{"type":"text","text":"\u00e9"}],"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"gw","version":"1"}}}"#);
    for version in [Version::V2025_03_26, Version::V2025_06_18, Version::V2025_11_25] {
        assert_eq!(dressed(LEGACY, version).as_deref(), Ok(LEGACY));
    }
}

#[test]
fn modern_answers_lose_what_legacy_clients_do_not_know() {
    let modern = r#"{"resultType":"complete","content":[],"structuredContent":[1,2.50],"ttlMs":0,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"},"v/k":1}}"#;
    insta::assert_snapshot!(dressed(modern, Version::V2025_11_25).expect("a result"), @r#"{"content":[{"text":"[1,2.50]","type":"text"}],"_meta":{"v/k":1}}"#);
    let object = r#"{"resultType":"complete","content":[{"type":"text","text":"t"},{"type":"resource_link","name":"n","uri":"u:1"}],"structuredContent":{"a":1},"_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#;
    insta::assert_snapshot!(dressed(object, Version::V2025_06_18).expect("a result"), @r#"{"content":[{"type":"text","text":"t"},{"type":"resource_link","name":"n","uri":"u:1"}],"structuredContent":{"a":1}}"#);
    insta::assert_snapshot!(dressed(object, Version::V2025_03_26).expect("a result"), @r#"{"content":[{"type":"text","text":"t"},{"text":"n: u:1","type":"text"}]}"#);
    assert!(
        dressed(object, Version::V2026_07_28)
            .expect("a result")
            .contains(r#""serverInfo":{"name":"gw""#.trim_start_matches('"'))
    );
}

#[test]
fn questions_are_told_apart_from_answers() {
    let asks = r#"{"resultType":"input_required","inputRequests":{"r1":{"method":"elicitation/create"}},"requestState":"s"}"#;
    assert_eq!(ResultKind::of(&RawObject::parse(asks).expect("an object")), ResultKind::InputRequired);
    assert!(dressed(asks, Version::V2026_07_28).expect("passed on").starts_with(asks.trim_end_matches('}')));
    assert_eq!(dressed(asks, Version::V2025_11_25).expect_err("refused").0, -32603);
    let task = r#"{"resultType":"task","taskId":"1"}"#;
    assert_eq!(dressed(task, Version::V2026_07_28).expect_err("refused").0, -32603);
    assert_eq!(dressed(r#"{"resultType":7}"#, Version::V2026_07_28).expect_err("refused").0, -32603);
}

fn mapped(error: &str, client: Version) -> String {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#);
    let Ok(Message::Response(response)) = Message::parse_upstream(text.as_bytes()) else {
        panic!("no response: {text}")
    };
    let Outcome::Error(error) = response.outcome() else { panic!("no error: {text}") };
    match call_error(error, client) {
        ErrorAnswer::Result(result) => result.to_json(),
        ErrorAnswer::Error(error) => {
            format!("HTTP {} {}", error.http_status(client.era()), error.members().to_json())
        }
    }
}

#[test]
fn errors_about_our_own_envelope_stay_with_us() {
    let (modern, legacy) = (Version::V2026_07_28, Version::V2025_11_25);
    let mut out = String::new();
    for (code, data) in [
        (-32602, r#"{"k":12345678901234567890}"#),
        (-32002, r#"{"uri":"a"}"#),
        (-32020, "1"),
        (-32021, r#"{"requiredCapabilities":{"sampling":{}}}"#),
        (-32022, "1"),
        (-32050, "1"),
        (-32042, "{}"),
        (-32601, "1"),
        (-32603, "1"),
        (42, "1"),
    ] {
        let error = format!(r#"{{"code":{code},"message":"m","data":{data}}}"#);
        for client in [modern, legacy] {
            writeln!(out, "{code} to {client}: {}", mapped(&error, client)).expect("text");
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn progress_keeps_the_clients_token() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let note = |text: &'static str| match Message::parse_upstream(text.as_bytes()) {
        Ok(Message::Notification(note)) => note,
        other => panic!("{other:?}"),
    };
    let progress = note(
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"g-1","progress":1}}"#,
    );
    assert_eq!(
        progress_for(&progress, &raw("\"g-1\""), &raw("7")).as_deref(),
        Some(
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}"#
        )
    );
    assert_eq!(progress_for(&progress, &raw("\"g-2\""), &raw("7")), None);
    let other =
        note(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"progressToken":"g-1"}}"#);
    assert_eq!(progress_for(&other, &raw("\"g-1\""), &raw("7")), None);
}
