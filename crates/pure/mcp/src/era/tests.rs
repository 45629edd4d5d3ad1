use std::fmt::Write as _;

use super::*;
use crate::message::compose;
use crate::version::Version;

const PV: &str = "io.modelcontextprotocol/protocolVersion";
const CC: &str = "io.modelcontextprotocol/clientCapabilities";

fn modern(method: &str, version: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{"_meta":{{"{PV}":"{version}","{CC}":{{}}}}}}}}"#
    )
}

fn row(out: &mut String, name: &str, headers: &[(&str, &str)], session: Session, body: &str) {
    let facts = HeaderFacts::collect(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    let body = Body::parse(body.as_bytes()).expect("a message");
    let verdict = match pick(&facts, session, &body) {
        Ok(Front::Modern(facts)) => format!("modern {}", facts.version),
        Ok(Front::ModernNotification) => "modern notification".to_owned(),
        Ok(Front::Initialize) => "initialize".to_owned(),
        Ok(Front::Session(version)) => format!("session {version}"),
        Err(error) => format!("{} HTTP {}", error.code(), error.http_status(Era::Modern)),
    };
    writeln!(out, "{name:<58} {verdict}").expect("text");
}

#[test]
fn the_era_pick_table() {
    let now = "2026-07-28";
    let v = ("mcp-protocol-version", now);
    let m = ("mcp-method", "tools/list");
    let list = modern("tools/list", now);
    let future = modern("tools/list", "2030-01-01");
    let bare = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
    let init = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let response = r#"{"jsonrpc":"2.0","id":"g-1","result":{}}"#;
    let batch = r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#;
    let without_capabilities = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{{"_meta":{{"{PV}":"{now}"}}}}}}"#
    );
    let null_capabilities = list.replace("{}", "null");
    let number_version = list.replace("\"2026-07-28\"", "7");
    let known = Session::Known(Version::V2025_11_25);
    let old = Session::Known(Version::V2025_03_26);
    let absent = Session::Absent;
    let mut out = String::new();
    let mut add = |name: &str, headers: &[(&str, &str)], session, body: &str| {
        row(&mut out, name, headers, session, body);
    };
    add("modern request", &[v, m], absent, &list);
    add("modern request, session header ignored", &[v, m, ("mcp-session-id", "x")], Session::Unknown, &list);
    add("modern request in a known session", &[v, m], known, &list);
    add("modern body, no version header", &[m], absent, &list);
    add("modern body, legacy version header", &[("mcp-protocol-version", "2025-11-25"), m], absent, &list);
    add("modern body, version header twice", &[v, v, m], absent, &list);
    add("modern body, no method header", &[v], absent, &list);
    add("modern body, wrong method header", &[v, ("mcp-method", "tools/call")], absent, &list);
    add("modern header, no _meta", &[v, m], absent, bare);
    add("modern header, no _meta, initialize", &[v], absent, init);
    add("future header, no _meta", &[("mcp-protocol-version", "2030-01-01")], absent, bare);
    add("nonsense header, no _meta", &[("mcp-protocol-version", "abc")], absent, bare);
    add("future version in both", &[("mcp-protocol-version", "2030-01-01"), m], absent, &future);
    add(
        "legacy version in both",
        &[("mcp-protocol-version", "2025-11-25"), m],
        absent,
        &modern("tools/list", "2025-11-25"),
    );
    add("no client capabilities", &[v, m], absent, &without_capabilities);
    add("null client capabilities", &[v, m], absent, &null_capabilities);
    add("version in _meta is a number", &[v, m], absent, &number_version);
    add(
        "modern initialize passes on to be unknown",
        &[v, ("mcp-method", "initialize")],
        absent,
        &modern("initialize", now),
    );
    add("modern notification", &[v], absent, note);
    add("modern response", &[v], absent, response);
    add("legacy initialize", &[], absent, init);
    add("legacy initialize, legacy header", &[("mcp-protocol-version", "2025-06-18")], absent, init);
    add("legacy initialize, stale session", &[], Session::Unknown, init);
    add("legacy request, no session", &[], absent, bare);
    add(
        "legacy request, no session, 2024-11-05 header",
        &[("mcp-protocol-version", "2024-11-05")],
        absent,
        bare,
    );
    add("legacy request, unknown session", &[], Session::Unknown, bare);
    add("legacy request, session", &[], known, bare);
    add("legacy request, session, its version", &[("mcp-protocol-version", "2025-11-25")], known, bare);
    add("legacy request, session, other version", &[("mcp-protocol-version", "2025-06-18")], known, bare);
    add("legacy request, session, version twice", &[("mcp-protocol-version", "2025-11-25"); 2], known, bare);
    add("legacy notification, session", &[], known, note);
    add("legacy notification, no session", &[], absent, note);
    add("legacy response, session", &[], known, response);
    add("legacy response, no session", &[], absent, response);
    add("batch, 2025-03-26 session", &[], old, batch);
    add("batch, 2025-11-25 session", &[], known, batch);
    add("batch, no session", &[], absent, batch);
    add("batch, unknown session", &[], Session::Unknown, batch);
    add("batch, modern header", &[v], old, batch);
    insta::assert_snapshot!(out);
}

#[test]
fn unsupported_versions_learn_the_supported_ones() {
    let body = modern("tools/list", "2030-01-01");
    let body = Body::parse(body.as_bytes()).expect("a message");
    let facts = HeaderFacts { protocol_version: Field::One("2030-01-01"), ..HeaderFacts::default() };
    let error = pick(&facts, Session::Absent, &body).expect_err("refused");
    insta::assert_snapshot!(
        compose::error(None, &error),
        @r#"{"jsonrpc":"2.0","error":{"code":-32022,"message":"protocol version \"2030-01-01\" is not supported; expected one of [\"2026-07-28\"]","data":{"requested":"2030-01-01","supported":["2026-07-28"]}}}"#
    );
}
