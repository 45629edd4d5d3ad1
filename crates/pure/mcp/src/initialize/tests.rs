use super::*;
use crate::message::{Body, Message};

fn negotiate(params: &str) -> Result<Initialized, i64> {
    let text = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{params}}}"#);
    let Ok(Body::One(Message::Request(request))) = Body::parse(text.as_bytes()) else {
        panic!("no request: {text}")
    };
    Initialized::negotiate(&request).map_err(|error| error.code())
}

#[test]
fn known_versions_come_back_and_others_get_our_newest() {
    for (asked, given) in [
        ("2025-03-26", Version::V2025_03_26),
        ("2025-06-18", Version::V2025_06_18),
        ("2025-11-25", Version::V2025_11_25),
        ("2024-11-05", Version::V2025_11_25),
        ("2026-07-28", Version::V2025_11_25),
        ("x", Version::V2025_11_25),
    ] {
        let params = format!(
            r#"{{"protocolVersion":"{asked}","capabilities":{{"elicitation":{{}}}},"clientInfo":{{"name":"c"}}}}"#
        );
        let initialized = negotiate(&params).expect("a handshake");
        assert_eq!(initialized.version, given, "{asked}");
        assert_eq!(initialized.client_capabilities.get(), r#"{"elicitation":{}}"#);
        assert_eq!(
            initialized.client_info.map(|info| info.get().to_owned()).as_deref(),
            Some(r#"{"name":"c"}"#)
        );
    }
    assert_eq!(negotiate(r#"{"capabilities":{}}"#).err(), Some(-32602));
    assert_eq!(negotiate(r#"{"protocolVersion":7,"capabilities":{}}"#).err(), Some(-32602));
    assert_eq!(negotiate(r#"{"protocolVersion":"2025-11-25"}"#).err(), Some(-32602));
    assert_eq!(negotiate(r#"{"protocolVersion":"2025-11-25","capabilities":[]}"#).err(), Some(-32602));
}

#[test]
fn the_result_fits_the_version() {
    let server = ServerFacts {
        name: "gatehouse".to_owned(),
        title: Some("Gatehouse".to_owned()),
        version: "0.1.0".to_owned(),
        instructions: None,
    };
    let result = |version: &str| {
        let params = format!(r#"{{"protocolVersion":"{version}","capabilities":{{}}}}"#);
        negotiate(&params).expect("a handshake").result(&server).to_json()
    };
    insta::assert_snapshot!(result("2025-11-25"), @r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"gatehouse","title":"Gatehouse","version":"0.1.0"}}"#);
    insta::assert_snapshot!(result("2025-03-26"), @r#"{"protocolVersion":"2025-03-26","capabilities":{"tools":{}},"serverInfo":{"name":"gatehouse","version":"0.1.0"}}"#);
}
