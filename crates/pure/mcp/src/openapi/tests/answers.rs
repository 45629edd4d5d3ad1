//! What answers are asked for, and what becomes of those that break their description.

use serde_json::{Value, json};

use super::{LARGEST, call, compiled, find};
use crate::openapi::result::{Content, HttpAnswer, to_content};
use crate::openapi::{Bridge, CompileOptions, OutputSchemas, compile};

fn accept(responses: &Value) -> String {
    let bridge =
        compiled(&json!({ "/x": { "get": { "operationId": "x", "responses": responses } } }), &Value::Null);
    let request = call(&bridge, "x", "{}").expect("a request");
    let value = request.headers.into_iter().find(|(name, _)| name == "accept");
    value.map(|(_, value)| value).unwrap_or_default()
}

fn content(types: &[&str]) -> Value {
    let types = types.iter().map(|name| ((*name).to_owned(), json!({})));
    json!({ "description": "", "content": types.collect::<serde_json::Map<_, _>>() })
}

#[test]
fn what_is_declared_is_asked_for() {
    for (responses, expected) in [
        (json!({ "200": content(&["application/hal+json"]) }), "application/hal+json, */*;q=0.1"),
        (json!({ "200": content(&["application/xml"]) }), "application/xml, */*;q=0.1"),
        (
            json!({ "200": content(&["text/csv"]), "default": content(&["application/problem+json"]) }),
            "text/csv, application/problem+json;q=0.2, */*;q=0.1",
        ),
        (
            json!({ "200": content(&["application/xml", "application/json"]) }),
            "application/json, application/xml;q=0.9, */*;q=0.1",
        ),
        (
            json!({ "200": content(&["application/json;stream=watch", "application/vnd.kubernetes.protobuf", "application/json"]) }),
            "application/json, application/json;stream=watch;q=0.9, */*;q=0.1",
        ),
        (json!({ "200": content(&["application/pdf"]) }), "application/pdf, */*;q=0.1"),
        (json!({ "default": content(&["application/vnd.api+json"]) }), "application/vnd.api+json, */*;q=0.1"),
        (json!({ "204": { "description": "" } }), "application/json, text/*;q=0.9, */*;q=0.1"),
        (json!({ "200": content(&["*/*"]) }), "application/json, text/*;q=0.9, */*;q=0.1"),
        (
            json!({ "200": content(&["application/json\r\nx-evil: 1", "not a type", "a/b, c/d"]) }),
            "application/json, text/*;q=0.9, */*;q=0.1",
        ),
        (json!({}), "application/json, text/*;q=0.9, */*;q=0.1"),
    ] {
        assert_eq!(accept(&responses), expected, "{responses}");
    }
}

fn notes(output_schemas: OutputSchemas) -> Bridge {
    let note = json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } } });
    let answer =
        json!({ "200": { "description": "", "content": { "application/json": { "schema": note } } } });
    let spec = json!({ "openapi": "3.1.0", "servers": [{ "url": "https://a.example" }], "paths": { "/n": {
        "get": { "operationId": "read", "responses": answer }, "post": { "operationId": "write", "responses": answer } } } });
    compile(&spec, &CompileOptions { output_schemas, ..CompileOptions::default() }).expect("a bridge")
}

fn answered(bridge: &Bridge, name: &str, status: u16, kind: &str, body: &str) -> Content {
    let answer = HttpAnswer { status, content_type: Some(kind), body: body.as_bytes(), largest: LARGEST };
    to_content(find(bridge, name), answer)
}

#[test]
fn what_is_done_is_done() {
    let json = "application/json";
    let strict = notes(OutputSchemas::Strict);
    for (name, status) in [("read", 204), ("write", 204), ("write", 200), ("write", 205)] {
        let result = answered(&strict, name, status, json, "").result.to_json();
        assert!(!result.contains("isError") && result.contains(r#""structuredContent":{}"#), "{result}");
        assert!(result.contains(&format!("Done (HTTP {status}, no content).")), "{result}");
    }
    for (kind, body) in [("text/html", "<p>"), (json, "{"), ("image/png", "png")] {
        let result = answered(&strict, "write", 201, kind, body).result.to_json();
        assert!(!result.contains("isError") && result.contains("Done (HTTP 201). The API"), "{result}");
        let result = answered(&strict, "read", 200, kind, body).result.to_json();
        assert!(result.contains("isError"), "{result}");
    }
    let broken = answered(&strict, "write", 201, json, r#"{"id":"x"}"#);
    let told = broken.result.to_json();
    assert!(
        told.contains("isError") && told.contains("the call was carried out: do not repeat it"),
        "{told}"
    );
    assert!(broken.breach.is_some());
    let failed = answered(&strict, "write", 500, json, "{}").result.to_json();
    assert!(failed.contains("isError") && !failed.contains("carried out"), "{failed}");
}

#[test]
fn an_empty_result_fits_what_a_tool_declares() {
    let definition: Value =
        serde_json::from_str(find(&notes(OutputSchemas::Strict), "write").tool().definition().get())
            .expect("JSON");
    let schema = &definition["outputSchema"];
    assert_eq!(schema["type"], "object");
    let validator = jsonschema::draft202012::new(schema).expect("a schema");
    for (value, fits) in [
        (json!({}), true),
        (json!({ "id": 1 }), true),
        (json!({ "id": "x" }), false),
        (json!({ "x": 1 }), false),
    ] {
        assert_eq!(validator.is_valid(&value), fits, "{value}");
    }
}

#[test]
fn strictness_can_be_turned() {
    let (json, broken) = ("application/json", r#"{"id":"x"}"#);
    for (mode, is_error, is_declared, has_breach) in [
        (OutputSchemas::Strict, true, true, true),
        (OutputSchemas::Report, false, false, true),
        (OutputSchemas::Off, false, false, false),
    ] {
        let bridge = notes(mode);
        let Content { result, breach } = answered(&bridge, "read", 200, json, broken);
        let told = result.to_json();
        assert_eq!(told.contains("isError"), is_error, "{mode:?}: {told}");
        assert_eq!(told.contains(r#""structuredContent":{"id":"x"}"#), !is_error, "{mode:?}: {told}");
        assert_eq!(breach.is_some(), has_breach, "{mode:?}");
        let declared = find(&bridge, "read").tool().definition().get().contains("outputSchema");
        assert_eq!(declared, is_declared, "{mode:?}");
        let Content { result, breach } = answered(&bridge, "read", 200, "text/html", "<p>");
        assert_eq!(result.to_json().contains("isError"), is_error, "{mode:?}");
        assert_eq!(breach.is_some(), has_breach, "{mode:?}");
        let fits = answered(&bridge, "read", 200, json, r#"{"id":1}"#);
        assert!(fits.breach.is_none() && fits.result.to_json().contains(r#""structuredContent":{"id":1}"#));
    }
}
