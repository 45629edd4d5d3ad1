//! Parts of operations that cannot be used, and what travels in one direction only.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{call, compiled, find, schema_of};
use crate::openapi::Bridge;
use crate::openapi::request::{BuildError, weight};

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

/// A bridge of one operation `x` whose body is a form of `schema`.
fn with_form(schema: &Value, encoding: &Value) -> Bridge {
    compiled(
        &json!({ "/x": { "post": { "operationId": "x", "requestBody": { "required": true, "content": {
            "application/x-www-form-urlencoded": { "schema": schema, "encoding": encoding } } }, "responses": {} } } }),
        &Value::Null,
    )
}

/// Policies see each value under its own name, so nothing may reach the API under another one's.
#[test]
fn a_field_of_a_form_writes_no_other_one() {
    let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Amount" }, { "type": "object" }] });
    let components =
        json!({ "schemas": { "Amount": { "properties": { "amount": { "type": "integer" } } } } });
    let encoding = json!({ "meta": { "style": "form", "explode": true }, "more": { "explode": true }, "deep": { "style": "deepObject" } });
    let bridge = compiled(
        &json!({ "/x": { "post": { "operationId": "x", "requestBody": { "required": true, "content": {
            "application/x-www-form-urlencoded": { "schema": schema, "encoding": encoding } } }, "responses": {} } } }),
        &components,
    );
    let sent = |body: &str| call(&bridge, "x", &format!(r#"{{"body":{body}}}"#));
    for (body, field) in [
        (r#"{"amount":1,"meta":{"amount":"1000000"}}"#, "meta"),
        (r#"{"meta":{"amount":"1000000"},"amount":1}"#, "meta"),
        // It is declared, and absent.
        (r#"{"meta":{"amount":"1000000"}}"#, "meta"),
        (r#"{"note":1,"meta":{"note":2}}"#, "meta"),
        (r#"{"meta":{"a":1},"more":{"a":2}}"#, "more"),
        (r#"{"deep":{"a":1},"deep[a]":2}"#, "deep"),
    ] {
        match sent(body) {
            Err(BuildError::Shadowed { argument, .. }) => {
                assert_eq!(argument, format!("body.{field}"), "{body}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    for (body, form) in [
        (r#"{"amount":1,"meta":{"note":2}}"#, "amount=1&note=2"),
        (r#"{"meta":{"meta":2}}"#, "meta=2"),
        (r#"{"tags":[1,1]}"#, "tags=1&tags=1"),
        (r#"{"deep":{"a":1,"amount":2}}"#, "deep%5Ba%5D=1&deep%5Bamount%5D=2"),
    ] {
        let request = sent(body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(request.body.as_deref(), Some(form.as_bytes()), "{body}");
    }
    let object = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "object" } });
    let bridge = with_parameters(&json!([object("a"), object("b")]));
    let twice = call(&bridge, "x", r#"{"a":{"x":1},"b":{"x":2}}"#);
    assert!(matches!(twice, Err(BuildError::Shadowed { .. })), "{twice:?}");
    assert!(call(&bridge, "x", r#"{"a":{"x":1},"b":{"y":2}}"#).is_ok());
}

/// Fields become many small texts, which take more than what they were written with.
#[test]
fn what_a_form_takes_is_counted() {
    let bridge = with_form(&json!({ "type": "object" }), &Value::Null);
    let weighed = |items: usize| {
        let body = format!(r#"{{"body":{{"n":[{}]}}}}"#, vec!["1"; items].join(","));
        weight(find(&bridge, "x"), &RawValue::from_string(body).expect("JSON"))
    };
    assert!(weighed(10_000) > 10_000 * 2 * size_of::<(String, String)>());
    assert!(weighed(20_000) > weighed(10_000) * 3 / 2);
    let json = compiled(
        &json!({ "/x": { "post": { "operationId": "x", "requestBody": { "content": { "application/json": {} } }, "responses": {} } } }),
        &Value::Null,
    );
    let body = RawValue::from_string(format!(r#"{{"body":[{}]}}"#, vec!["1"; 1000].join(","))).expect("JSON");
    assert_eq!(weight(find(&json, "x"), &body), 2001);
}

#[test]
fn patterns_that_cannot_be_checked_cost_themselves_however_many_there_are() {
    let many = |schema: Value| {
        let properties: serde_json::Map<String, Value> =
            (0..60).map(|n| (format!("p{n}"), schema.clone())).collect();
        json!({ "type": "object", "properties": properties, "patternProperties": { "^(?!x)": {} } })
    };
    let look_ahead = json!({ "type": "string", "pattern": "^(?=a)b", "maxLength": 3 });
    let with_body = |schema: &Value| {
        compiled(
            &json!({ "/x": { "post": { "operationId": "x", "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } }, "responses": {} } } }),
            &Value::Null,
        )
    };
    let bridge = with_body(&many(look_ahead.clone()));
    assert_eq!((bridge.tools.len(), bridge.omitted.len()), (1, 61), "{:?}", omitted(&bridge));
    assert!(call(&bridge, "x", r#"{"body":{"p7":"abc"}}"#).is_ok());
    assert!(call(&bridge, "x", r#"{"body":{"p7":"abcd"}}"#).is_err(), "the rest of the schema holds");
    // A property of that name is no pattern, and a good one stays.
    let named = json!({ "type": "object", "properties": { "pattern": { "type": "string", "pattern": "^a" }, "b": look_ahead } });
    let bridge = with_body(&named);
    assert_eq!((bridge.tools.len(), bridge.omitted.len()), (1, 1), "{:?}", bridge.refused);
    assert!(call(&bridge, "x", r#"{"body":{"pattern":"b"}}"#).is_err());
    // Faults of another kind are repaired one by one, and at last the schema of the body is given up.
    let bridge = with_body(&many(json!({ "type": "string", "minLength": "1" })));
    assert_eq!(bridge.tools.len(), 1, "{:?}", bridge.refused);
    assert!(
        omitted(&bridge).iter().any(|one| one.contains("the schema of the body")),
        "{:?}",
        omitted(&bridge)
    );
    let parameters: Vec<Value> =
        (0..40).map(|n| json!({ "name": format!("q{n}"), "in": "query", "schema": look_ahead })).collect();
    let bridge = with_parameters(&json!(parameters));
    assert_eq!((bridge.tools.len(), bridge.omitted.len()), (1, 40), "{:?}", bridge.refused);
}
