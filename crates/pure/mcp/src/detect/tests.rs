use super::*;

const DISCOVER: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;

fn error(code: i64, data: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m","data":{data}}}}}"#)
}

#[test]
fn the_answer_to_discover_decides() {
    let legacy = Step::Initialize(Version::V2025_11_25);
    let modern = Step::Modern(Version::V2026_07_28);
    let cases = [
        (200, DISCOVER.to_owned(), modern.clone()),
        (200, error(-32601, "null"), legacy.clone()),
        (200, error(-32602, "null"), legacy.clone()),
        (404, error(-32601, "null"), modern.clone()),
        (400, error(-32020, "null"), modern.clone()),
        (400, error(-32021, "{}"), modern.clone()),
        (400, error(-32022, r#"{"supported":["2026-07-28","2030-01-01"]}"#), modern),
        (
            400,
            error(-32022, r#"{"supported":["2025-06-18","2025-03-26"]}"#),
            Step::Initialize(Version::V2025_06_18),
        ),
        (
            400,
            error(-32022, r#"{"supported":["2030-01-01"]}"#),
            Step::Stop(Failure::NoCommonVersion(vec!["2030-01-01".to_owned()])),
        ),
        (400, error(-32600, "null"), legacy.clone()),
        (400, String::new(), legacy.clone()),
        (404, "<html>".to_owned(), legacy.clone()),
        (405, String::new(), legacy.clone()),
        (200, r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#.to_owned(), legacy.clone()),
        (202, String::new(), legacy),
        (401, String::new(), Step::Stop(Failure::Credential(401))),
        (403, DISCOVER.to_owned(), Step::Stop(Failure::Credential(403))),
        (503, String::new(), Step::Stop(Failure::Unavailable(503))),
        (429, String::new(), Step::Stop(Failure::Unavailable(429))),
    ];
    for (status, body, expected) in cases {
        assert_eq!(after_discover(status, body.as_bytes()), expected, "{status} {body}");
    }
}

#[test]
fn the_answer_to_initialize_settles_it() {
    let result =
        |version: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":"{version}"}}}}"#);
    let cases = [
        (200, result("2025-06-18"), Step::Legacy(Version::V2025_06_18)),
        (200, result("2024-11-05"), Step::Stop(Failure::NoCommonVersion(vec!["2024-11-05".to_owned()]))),
        (200, result("2026-07-28"), Step::Stop(Failure::NoCommonVersion(vec!["2026-07-28".to_owned()]))),
        (404, String::new(), Step::Stop(Failure::RetiredTransport(404))),
        (405, String::new(), Step::Stop(Failure::RetiredTransport(405))),
        (400, error(-32022, r#"{"supported":["2026-07-28"]}"#), Step::Modern(Version::V2026_07_28)),
        (200, error(-32603, "null"), Step::Stop(Failure::Handshake("error -32603".to_owned()))),
        (401, String::new(), Step::Stop(Failure::Credential(401))),
    ];
    for (status, body, expected) in cases {
        assert_eq!(after_initialize(status, body.as_bytes()), expected, "{status} {body}");
    }
}
