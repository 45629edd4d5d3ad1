use proptest::prelude::*;
use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::message::{Body, Message};

fn facts<'a>(headers: &[(&'a str, &'a str)]) -> HeaderFacts<'a> {
    HeaderFacts::collect(headers.iter().map(|(name, value)| (*name, value.as_bytes())))
}

/// Headers, body, verdict.
type Case = (&'static [(&'static str, &'static str)], &'static str, Result<(), i64>);

fn check(headers: &[(&str, &str)], body: &str) -> Result<(), i64> {
    let Ok(Body::One(Message::Request(request))) = Body::parse(body.as_bytes()) else {
        panic!("no request: {body}")
    };
    check_request(&facts(headers), &request).map_err(|error| error.code())
}

#[test]
fn standard_headers_must_equal_the_body() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"crm find é"}}"#;
    let plain = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find"}}"#;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let mismatch = Err(-32020);
    let cases: &[Case] = &[
        (&[("Mcp-Method", "tools/list")], list, Ok(())),
        (&[("mcp-method", "  tools/list\t")], list, Ok(())),
        (&[("MCP-METHOD", "TOOLS/LIST")], list, mismatch),
        (&[("mcp-method", "tools/call")], list, mismatch),
        (&[], list, mismatch),
        (&[("mcp-method", "tools/list"), ("Mcp-Method", "tools/list")], list, mismatch),
        (&[("mcp-method", "tools/list"), ("mcp-name", "anything")], list, Ok(())),
        (&[("mcp-method", "tools/call"), ("mcp-name", "find")], plain, Ok(())),
        (&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?ZmluZA==?=")], plain, Ok(())),
        (&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?ZmluZA?=")], plain, mismatch),
        (&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?****?=")], plain, mismatch),
        (&[("mcp-method", "tools/call"), ("mcp-name", "=?BASE64?ZmluZA==?=")], plain, mismatch),
        (&[("mcp-method", "tools/call"), ("mcp-name", "ZmluZA==")], plain, mismatch),
        (&[("mcp-method", "tools/call"), ("mcp-name", "Find")], plain, mismatch),
        (&[("mcp-method", "tools/call")], plain, mismatch),
        (&[("mcp-method", "tools/call"), ("mcp-name", "crm find é")], call, mismatch),
        (&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?Y3JtIGZpbmQgw6k=?=")], call, Ok(())),
        (
            &[("mcp-method", "tools/call"), ("mcp-name", "x")],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
            mismatch,
        ),
        (
            &[("mcp-method", "tools/call")],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
            Ok(()),
        ),
        (
            &[("mcp-method", "resources/read"), ("mcp-name", "file:///a")],
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#,
            Ok(()),
        ),
    ];
    for (headers, body, expected) in cases {
        assert_eq!(check(headers, body), *expected, "{headers:?} {body}");
    }
}

#[test]
fn values_survive_the_wire() {
    for text in
        ["find", "", " x", "x ", "\tx", "é", "a\r\nHost: evil", "=?base64?eA==?=", "=?base64?", "😀", "a b"]
    {
        let sent = encode(text);
        assert!(sent.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7E)), "{text:?}");
        assert_eq!(decode(sent.trim()).as_deref(), Some(text), "{sent:?}");
    }
    assert_eq!(decode("=?base64?/w==?="), None);
}

fn region_schema() -> Value {
    json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "filter": {"type": "object", "properties": {
            "limit": {"type": "integer", "x-mcp-header": "Limit"},
            "deep": {"type": "boolean", "x-mcp-header": "Deep"}}}}})
}

#[test]
fn argument_headers_must_equal_the_arguments() {
    let bindings = Binding::read(&region_schema()).expect("bindings");
    let check = |headers: &[(&str, &str)], arguments: Value| {
        let arguments = RawValue::from_string(arguments.to_string()).expect("JSON");
        let arguments = Arguments::read(Some(&arguments)).expect("an object");
        check_params(&facts(headers), &bindings, &arguments).map_err(|error| error.code())
    };
    let mismatch = Err(-32020);
    assert_eq!(check(&[("mcp-param-region", "eu")], json!({"region": "eu"})), Ok(()));
    assert_eq!(check(&[("MCP-PARAM-REGION", " eu ")], json!({"region": "eu"})), Ok(()));
    assert_eq!(check(&[("mcp-param-region", "=?base64?w6k=?=")], json!({"region": "é"})), Ok(()));
    assert_eq!(check(&[("mcp-param-region", "EU")], json!({"region": "eu"})), mismatch);
    assert_eq!(check(&[], json!({"region": "eu"})), mismatch);
    assert_eq!(check(&[("mcp-param-region", "eu")], json!({})), mismatch);
    assert_eq!(check(&[("mcp-param-region", "eu")], json!({"region": null})), mismatch);
    assert_eq!(check(&[], json!({"region": null})), Ok(()));
    assert_eq!(
        check(&[("mcp-param-region", "eu"), ("mcp-param-region", "eu")], json!({"region": "eu"})),
        mismatch
    );
    assert_eq!(check(&[("mcp-param-limit", "42")], json!({"filter": {"limit": 42}})), Ok(()));
    assert_eq!(check(&[("mcp-param-limit", "42.0")], json!({"filter": {"limit": 42}})), Ok(()));
    assert_eq!(check(&[("mcp-param-limit", "42")], json!({"filter": {"limit": 42.0}})), Ok(()));
    assert_eq!(check(&[("mcp-param-limit", "4e1")], json!({"filter": {"limit": 40}})), mismatch);
    assert_eq!(check(&[("mcp-param-limit", "NaN")], json!({"filter": {"limit": 40}})), mismatch);
    assert_eq!(
        check(
            &[("mcp-param-limit", "9007199254740993")],
            json!({"filter": {"limit": 9_007_199_254_740_992_u64}})
        ),
        mismatch
    );
    assert_eq!(check(&[("mcp-param-deep", "true")], json!({"filter": {"deep": true}})), Ok(()));
    assert_eq!(check(&[("mcp-param-deep", "false")], json!({"filter": {"deep": true}})), mismatch);
    assert_eq!(check(&[("mcp-param-unknown", "x")], json!({})), Ok(()));
}

#[test]
fn rebuilt_headers_pass_their_own_check() {
    let bindings = Binding::read(&region_schema()).expect("bindings");
    let arguments = json!({"region": "Köln\r\nX: y", "filter": {"limit": 7.0, "deep": false}}).to_string();
    let arguments = RawValue::from_string(arguments).expect("JSON");
    let arguments = Arguments::read(Some(&arguments)).expect("an object");
    let sent = param_headers(&bindings, &arguments);
    assert_eq!(sent.len(), 3);
    let headers: Vec<(&str, &str)> =
        sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(check_params(&facts(&headers), &bindings, &arguments).is_ok());
}

#[test]
fn misplaced_annotations_spoil_the_tool() {
    let property = |schema: Value| json!({"type": "object", "properties": {"a": schema}});
    let wrong = [
        property(json!({"type": "number", "x-mcp-header": "A"})),
        property(json!({"type": "string", "x-mcp-header": ""})),
        property(json!({"type": "string", "x-mcp-header": "a b"})),
        property(json!({"type": "string", "x-mcp-header": 1})),
        property(json!({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}})),
        property(json!({"anyOf": [{"type": "string", "x-mcp-header": "A"}]})),
        json!({"$defs": {"x": {"type": "string", "x-mcp-header": "A"}}}),
        json!({"type": "string", "x-mcp-header": "A"}),
        json!({"properties": {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}}),
    ];
    for schema in wrong {
        assert!(Binding::read(&schema).is_err(), "{schema}");
    }
    let data = property(
        json!({"type": "object", "default": {"x-mcp-header": "A"}, "enum": [{"x-mcp-header": "A"}]}),
    );
    assert_eq!(Binding::read(&data), Ok(Vec::new()));
}

proptest! {
    #[test]
    fn a_call_passes_only_under_the_name_that_it_has(
        sent in prop_oneof!["[a-c =?\t]{0,6}", any::<String>().prop_map(|text| encode(&text)), "=\\?base64\\?[A-Za-z0-9+/=]{0,8}\\?="],
        name in prop_oneof!["[a-c =?]{0,6}", any::<String>()],
    ) {
        let params = json!({"name": name});
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let passed = check(&[("mcp-method", "tools/call"), ("mcp-name", &sent)], &body).is_ok();
        prop_assert_eq!(passed, decode(sent.trim_matches([' ', '\t'])).as_deref() == Some(name.as_str()));
        let own = encode(&name);
        prop_assert_eq!(check(&[("mcp-method", "tools/call"), ("mcp-name", &own)], &body), Ok(()));
    }
}
