use super::*;
use crate::message::{Body, Message};

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"crm_find","arguments":{"region":"Köln","n":12345678901234567890123},"task":{"ttl":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"traceparent":"00-a-b-01","progressToken":"p7","v/x":1}},"extra":[1]}"#;

fn sent(version: Version, call: &str) -> String {
    let Ok(Body::One(Message::Request(call))) = Body::parse(call.as_bytes()) else {
        panic!("no request: {call}")
    };
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let (none, info, token) = (raw("{}"), raw(r#"{"name":"gatehouse","version":"1"}"#), raw("\"g-9\""));
    let tool = Tool::parse(
        r#"{"name":"find","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#,
    )
    .expect("a tool");
    let headers: [(&str, &[u8]); 3] =
        [("mcp-param-region", b"forged"), ("mcp-param-other", b"kept"), ("mcp-name", b"crm_find")];
    let peer = Peer { version, client: ClientFacts { capabilities: &none, info: &info } };
    let request = peer.call_tool(
        &call,
        Retarget {
            id: &Id::number(4711),
            tool: &tool,
            arguments: Arguments::read(call.param("arguments")).expect("arguments"),
            received: &HeaderFacts::collect(headers),
            progress_token: Some(&token),
            traceparent: Some("00-a-c-01"),
        },
    );
    let headers: Vec<String> =
        request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{}\n\n{}\n", headers.join("\n"), request.body)
}

#[test]
fn a_modern_call_to_a_modern_upstream() {
    insta::assert_snapshot!(sent(Version::V2026_07_28, CALL));
}

#[test]
fn a_modern_call_to_a_legacy_upstream() {
    insta::assert_snapshot!(sent(Version::V2025_11_25, CALL));
}

#[test]
fn a_legacy_call_to_a_modern_upstream() {
    insta::assert_snapshot!(sent(
        Version::V2026_07_28,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"crm_find"}}"#
    ));
}

#[test]
fn a_legacy_call_to_a_legacy_upstream_changes_name_and_id_only() {
    assert_eq!(
        sent(
            Version::V2025_03_26,
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"z":1.50,"name":"crm_find","arguments":{"region":"x"},"_meta":{"v/x":1}}}"#
        )
        .replace("00-a-c-01", "T"),
        "\n\n{\"jsonrpc\":\"2.0\",\"id\":4711,\"method\":\"tools/call\",\"params\":{\"z\":1.50,\"name\":\"find\",\"arguments\":{\"region\":\"x\"},\"_meta\":{\"v/x\":1,\"traceparent\":\"T\"}}}\n"
    );
}

#[test]
fn the_gateways_own_requests() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let (none, info) = (raw("{}"), raw(r#"{"name":"gatehouse"}"#));
    let client = ClientFacts { capabilities: &none, info: &info };
    let legacy = Peer { version: Version::V2025_06_18, client };
    let modern = Peer { version: Version::V2026_07_28, client };
    let all = [
        discover(&Id::number(1), client),
        initialize(&Id::number(2), legacy),
        initialized(Version::V2025_06_18),
        legacy.list_tools(&Id::number(3), Some("")),
        modern.list_tools(&Id::number(4), None),
        cancelled(&Id::number(3), Version::V2025_06_18),
        pong(&Id::number(5), Version::V2025_03_26),
    ];
    let shown: Vec<String> =
        all.iter().map(|request| format!("{:?}\n{}", request.headers, request.body)).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}
