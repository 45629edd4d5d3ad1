//! Parts of operations that cannot be used, and what travels in one direction only.

use serde_json::{Value, json};

use super::{call, compiled, find, schema_of};
use crate::openapi::Bridge;

fn omitted(bridge: &Bridge) -> Vec<String> {
    bridge.omitted.iter().map(ToString::to_string).collect()
}

/// A bridge of one operation `x` with `parameters`.
fn with_parameters(parameters: &Value) -> Bridge {
    compiled(
        &json!({ "/x": { "get": { "operationId": "x", "parameters": parameters, "responses": {} } } }),
        &Value::Null,
    )
}

#[test]
fn one_unusable_parameter_does_not_cost_the_operation() {
    let text = json!({ "type": "string" });
    let header = |name: &str, required: bool| json!({ "name": name, "in": "header", "required": required, "schema": text });
    for (parameter, said) in [
        (header("Authorization", true), "the gateway's own"),
        (header("traceparent", true), "the gateway's own"),
        (header("User-Agent", true), "the gateway's own"),
        (header("X-Forwarded-For", false), "not allowed"),
        (header("Mcp-Session-Id", false), "not allowed"),
        (header("X_Under", false), "not a header name"),
        (json!({ "name": "sid", "in": "cookie", "schema": text }), "cookie"),
        (json!({ "name": "q", "in": "query", "style": "matrix", "schema": text }), "style"),
        (json!({ "name": "q", "in": "query", "content": { "text/csv": {} } }), "must be JSON"),
        (json!({ "name": "q", "in": "nowhere" }), "expected `path`"),
        (
            json!({ "name": "q", "in": "path", "required": true, "schema": text }),
            "does not appear in the path",
        ),
        (json!({ "$ref": "#/components/parameters/Gone" }), "nothing stands at"),
    ] {
        let own = json!({ "name": "own", "in": "query", "schema": text });
        let bridge = with_parameters(&json!([parameter, own]));
        // A path parameter without a place in the path is no reason either.
        assert_eq!((bridge.tools.len(), bridge.refused.len()), (1, 0), "{parameter}: {:?}", bridge.refused);
        let omitted = omitted(&bridge);
        assert!(omitted.len() == 1 && omitted[0].contains(said), "{parameter}: {omitted:?}");
        let schema = schema_of(&bridge, "x");
        let arguments: Vec<&String> = schema["properties"].as_object().expect("properties").keys().collect();
        assert_eq!(arguments, ["own"], "{parameter}");
    }
    for (parameter, said) in [
        (header("X-Forwarded-For", true), "not allowed"),
        (json!({ "name": "sid", "in": "cookie", "required": true, "schema": text }), "cookie"),
        (
            json!({ "name": "q", "in": "query", "required": true, "content": { "text/csv": {} } }),
            "must be JSON",
        ),
    ] {
        let bridge = with_parameters(&json!([parameter]));
        assert!(bridge.tools.is_empty() && bridge.refused[0].what.contains(said), "{parameter}");
    }
    assert!(
        with_parameters(&json!([{ "name": "Accept", "in": "header", "schema": text }])).omitted.is_empty()
    );
}

#[test]
fn bodies_that_cannot_be_sent_are_left_out_unless_they_are_required() {
    let paths = |required: bool, media_type: &str| {
        let mut content = json!({});
        content[media_type] = json!({ "schema": { "type": "string" } });
        json!({ "/x": { "post": { "operationId": "x", "requestBody": { "required": required, "content": content }, "responses": {} } } })
    };
    for media_type in ["application/octet-stream", "multipart/form-data", "application/xml"] {
        let bridge = compiled(&paths(false, media_type), &Value::Null);
        assert_eq!((bridge.tools.len(), bridge.omitted.len()), (1, 1), "{media_type}");
        assert!(schema_of(&bridge, "x")["properties"].as_object().expect("properties").is_empty());
        let bridge = compiled(&paths(true, media_type), &Value::Null);
        assert_eq!((bridge.tools.len(), bridge.refused.len()), (0, 1), "{media_type}");
    }
    let bridge = compiled(&paths(true, "text/plain"), &Value::Null);
    let request = call(&bridge, "x", r#"{"body":"a\nb"}"#).expect("a request");
    assert_eq!(request.body.as_deref(), Some(&b"a\nb"[..]));
    assert!(request.headers.contains(&("content-type".to_owned(), "text/plain".to_owned())));
}

#[test]
fn forms_cannot_be_made_to_grow() {
    let paths = json!({ "/x": { "post": { "operationId": "x", "requestBody": { "required": true, "content": {
        "application/x-www-form-urlencoded": { "schema": { "type": "object" }, "encoding": { "deep": { "style": "deepObject" } } } } }, "responses": {} } } });
    let bridge = compiled(&paths, &Value::Null);
    let name = "n".repeat(100_000);
    let items = vec!["1"; 50_000].join(",");
    let nulls = vec!["null"; 50_000].join(",");
    for body in [
        format!(r#"{{"{name}":[{items}]}}"#),
        format!(r#"{{"deep":{{"{name}":[{items}]}}}}"#),
        format!(r#"{{"deep":{{"{name}":[{nulls}]}}}}"#),
        format!(r#"{{"deep":{}1{}}}"#, "[".repeat(40), "]".repeat(40)),
    ] {
        let refused = call(&bridge, "x", &format!(r#"{{"body":{body}}}"#));
        assert!(refused.is_err(), "{body:.60}");
    }
    let objects =
        call(&bridge, "x", r#"{"body":{"plain":{"a":[1]},"list":[{"b":2}],"yes":true}}"#).expect("a request");
    let form = objects.body.expect("a body");
    assert_eq!(
        std::str::from_utf8(&form).expect("text"),
        "plain=%7B%22a%22%3A%5B1%5D%7D&list=%5B%7B%22b%22%3A2%7D%5D&yes=true"
    );
}

#[test]
fn what_is_wrong_with_an_answer_costs_no_tool() {
    let schemas = [
        json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "^(?=a)b$" } } }),
        json!({ "type": "object", "properties": { "a": { "$ref": "#/components/schemas/Gone" } } }),
        json!({ "type": "object", "properties": { "a": { "type": "string", "required": true } } }),
        json!({ "type": "object", "properties": { "a": { "type": "file" } } }),
        json!({ "type": "object", "properties": { "a": "text" } }),
        json!({ "type": "object", "properties": { "a": { "minLength": "1" } } }),
        json!({ "type": "object", "$id": "urn:a" }),
        json!({ "$ref": "#/components/schemas/Gone" }),
    ];
    for schema in schemas {
        let answer =
            json!({ "200": { "description": "", "content": { "application/json": { "schema": schema } } } });
        let bridge =
            compiled(&json!({ "/x": { "get": { "operationId": "x", "responses": answer } } }), &Value::Null);
        assert_eq!((bridge.tools.len(), bridge.omitted.len()), (1, 1), "{schema}: {:?}", bridge.refused);
    }
    let bridge = compiled(
        &json!({ "/x": { "get": { "operationId": "x", "responses": { "200": { "$ref": "#/components/responses/Gone" } } } } }),
        &Value::Null,
    );
    assert_eq!((bridge.tools.len(), bridge.omitted.len()), (1, 1));
}

#[test]
fn what_is_wrong_with_a_schema_of_arguments_is_left_out_of_it() {
    let body = json!({ "type": "object", "required": ["a"], "properties": {
        "a": { "type": "string", "pattern": "^(?!x)", "maxLength": 3 },
        "b": { "type": "string", "required": true },
        "c": { "$ref": "#/components/schemas/Gone" } } });
    let bridge = compiled(
        &json!({ "/x": { "post": { "operationId": "x", "requestBody": { "required": true, "content": { "application/json": { "schema": body } } }, "responses": {} } } }),
        &Value::Null,
    );
    assert_eq!((bridge.tools.len(), bridge.omitted.len()), (1, 3), "{:?}", omitted(&bridge));
    assert!(call(&bridge, "x", r#"{"body":{"a":"abc","c":7}}"#).is_ok());
    for refused in [r#"{"body":{"a":"abcd"}}"#, r#"{"body":{"b":"x"}}"#, r#"{"body":{"a":"a","b":7}}"#] {
        assert!(call(&bridge, "x", refused).is_err(), "{refused}");
    }
}

#[test]
fn what_only_the_api_writes_is_never_demanded_of_a_caller() {
    let components = json!({ "schemas": {
        "Id": { "type": "string", "readOnly": true },
        "Base": { "type": "object", "required": ["id", "name"], "properties": {
            "id": { "$ref": "#/components/schemas/Id" }, "name": { "type": "string" } } },
        "Needy": { "required": ["stamp"] },
        "Marked": { "type": "object", "properties": { "stamp": { "allOf": [{ "$ref": "#/components/schemas/Id" }] } } },
        "Plain": { "type": "object", "properties": { "stamp": { "type": "string" } } },
        "Secret": { "type": "object", "required": ["password"], "properties": { "password": { "type": "string", "writeOnly": true } } },
    } });
    let base = json!({ "$ref": "#/components/schemas/Base" });
    let needy = json!({ "$ref": "#/components/schemas/Needy" });
    let marked = json!({ "$ref": "#/components/schemas/Marked" });
    let bodies = [
        ("behind_a_reference", base.clone(), json!({ "name": "a" }), json!({})),
        (
            "in_all_of",
            json!({ "allOf": [base.clone(), { "type": "object" }] }),
            json!({ "name": "a" }),
            json!({}),
        ),
        (
            "demanded_in_another_part",
            json!({ "allOf": [{ "properties": { "id": { "readOnly": true } } }, { "required": ["id", "x"] }] }),
            json!({ "x": 1 }),
            json!({}),
        ),
        (
            "demanded_beside_the_parts",
            json!({ "required": ["id", "x"], "allOf": [{ "properties": { "id": { "readOnly": true } } }] }),
            json!({ "x": 1 }),
            json!({}),
        ),
        ("both_behind_references", json!({ "allOf": [needy.clone(), marked] }), json!({}), Value::Null),
        (
            "the_same_demand_of_a_writable_one",
            json!({ "allOf": [needy, { "$ref": "#/components/schemas/Plain" }] }),
            json!({ "stamp": "s" }),
            json!({}),
        ),
        (
            "hidden_in_another_alternative",
            json!({ "oneOf": [
                { "required": ["name"], "properties": { "id": { "readOnly": true }, "name": {} }, "additionalProperties": false },
                { "required": ["id"], "properties": { "id": { "type": "string" } }, "additionalProperties": false },
            ] }),
            json!({ "id": "7" }),
            json!({}),
        ),
        (
            "hidden_in_this_alternative",
            json!({ "anyOf": [{ "required": ["id", "name"], "properties": { "id": { "readOnly": true }, "name": {} } }] }),
            json!({ "name": "a" }),
            json!({}),
        ),
        ("in_a_list", json!({ "type": "array", "items": base }), json!([{ "name": "a" }]), json!([{}])),
    ];
    for (name, schema, fits, lacks) in bodies {
        let paths = json!({ "/x": { "post": { "operationId": "x",
            "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } },
            "responses": {} } } });
        let bridge = compiled(&paths, &components);
        let try_body = |body: &Value| call(&bridge, "x", &json!({ "body": body }).to_string());
        assert!(try_body(&fits).is_ok(), "{name}: {:?} {}", try_body(&fits), schema_of(&bridge, "x"));
        if !lacks.is_null() {
            assert!(try_body(&lacks).is_err(), "{name}: {lacks}");
        }
    }
    // In answers it is the other way round.
    let answer = json!({ "200": { "description": "", "content": { "application/json": { "schema": {
        "type": "object", "allOf": [{ "$ref": "#/components/schemas/Secret" }, base_of(&components)] } } } } });
    let bridge =
        compiled(&json!({ "/x": { "get": { "operationId": "x", "responses": answer } } }), &components);
    let tool = find(&bridge, "x");
    let output = &tool.output.as_ref().expect("a schema").validator;
    assert!(output.is_valid(&json!({ "id": "1", "name": "a" })) && !output.is_valid(&json!({ "name": "a" })));
}

fn base_of(components: &Value) -> Value {
    components["schemas"]["Base"].clone()
}

/// A schema costs as much behind a reference as in place.
#[test]
fn a_parameter_behind_a_reference_costs_itself_only() {
    let odd = json!({ "type": "string", "$anchor": "here" });
    let components = json!({ "schemas": { "Odd": odd } });
    for (name, schema) in
        [("in_place", odd.clone()), ("referred", json!({ "$ref": "#/components/schemas/Odd" }))]
    {
        let parameter = json!({ "name": "q", "in": "query", "schema": schema });
        let paths =
            json!({ "/x": { "get": { "operationId": "x", "parameters": [parameter], "responses": {} } } });
        let bridge = compiled(&paths, &components);
        assert_eq!(bridge.tools.len(), 1, "{name}: {:?}", omitted(&bridge));
        assert!(!bridge.omitted.is_empty(), "{name}");
        assert!(call(&bridge, "x", "{}").is_ok(), "{name}");
    }
}
