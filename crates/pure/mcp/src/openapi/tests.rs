use proptest::prelude::*;
use serde_json::value::RawValue;

use super::request::{BuildError, HttpRequestParts, build};
use super::result::{HttpAnswer, cost, to_content};
use super::*;

mod answers;
mod names;
mod parts;

const LARGEST: usize = 1024 * 1024;

fn compiled(paths: &Value, components: &Value) -> Bridge {
    let spec = serde_json::json!({
        "openapi": "3.0.3", "servers": [{ "url": "https://a.example" }], "paths": paths, "components": components });
    compile(&spec, &CompileOptions::default()).expect("a bridge")
}

fn schema_of(bridge: &Bridge, name: &str) -> Value {
    let definition: Value = serde_json::from_str(find(bridge, name).tool().definition().get()).expect("JSON");
    definition["inputSchema"].clone()
}

fn employees() -> Bridge {
    let spec = serde_json::from_str(include_str!("tests/employee-directory.json")).expect("a document");
    let base_url = Some("https://hr.example:8443/api/v1/".to_owned());
    compile(&spec, &CompileOptions { base_url, ..CompileOptions::default() }).expect("a bridge")
}

fn tickets() -> Bridge {
    let spec = serde_json::from_str(include_str!("tests/tickets.json")).expect("a document");
    compile(&spec, &CompileOptions::default()).expect("a bridge")
}

fn find<'a>(bridge: &'a Bridge, name: &str) -> &'a BridgeTool {
    bridge.tools.iter().find(|tool| tool.tool().name() == name).unwrap_or_else(|| panic!("no tool {name}"))
}

fn call(bridge: &Bridge, name: &str, arguments: &str) -> Result<HttpRequestParts, BuildError> {
    let raw = RawValue::from_string(arguments.to_owned()).expect("JSON");
    build(find(bridge, name), &raw)
}

fn url(bridge: &Bridge, name: &str, arguments: &str) -> String {
    call(bridge, name, arguments).map_or_else(|error| error.to_string(), |request| request.url.to_string())
}

fn shown(bridge: &Bridge) -> String {
    let tool = |tool: &BridgeTool| {
        let definition: Value = serde_json::from_str(tool.tool().definition().get()).expect("JSON");
        format!("{} {}\n{definition:#}\n", tool.method(), tool.path_template())
    };
    let tools: Vec<String> = bridge.tools.iter().map(tool).collect();
    let said = |problems: &[Problem]| {
        problems.iter().fold(String::new(), |said, one| said + &one.to_string() + "\n")
    };
    format!(
        "{}\n\n{}\nrefused:\n{}\nomitted:\n{}",
        bridge.base,
        tools.join("\n"),
        said(&bridge.refused),
        said(&bridge.omitted)
    )
}

#[test]
fn an_employee_directory_in_3_0() {
    let bridge = employees();
    assert_eq!((bridge.tools.len(), bridge.refused.len()), (7, 0));
    insta::assert_snapshot!(shown(&bridge));
}

#[test]
fn a_ticket_system_in_3_1() {
    insta::assert_snapshot!(shown(&tickets()));
}

#[test]
fn a_bridge_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&tickets());
}

#[test]
fn documents_that_cannot_be_bridged_at_all() {
    let problem = |spec: Value| {
        let problems = compile(&spec, &CompileOptions::default()).expect_err("a problem");
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let mut out = Vec::new();
    for servers in [
        serde_json::json!([{ "url": "/api" }]),
        serde_json::json!([{ "url": "https://{region}.example" }]),
        serde_json::json!([{ "url": "https://u:p@api.example" }]),
        serde_json::json!([{ "url": "file:///etc" }]),
        serde_json::json!([]),
    ] {
        out.push(problem(serde_json::json!({ "openapi": "3.1.0", "servers": servers, "paths": {} })));
    }
    out.push(problem(serde_json::json!({ "openapi": "3.2.0" })));
    out.push(problem(serde_json::json!({ "swagger": "2.0" })));
    out.push(problem(serde_json::json!([])));
    out.push(problem(serde_json::json!({ "openapi": "3.0.3", "servers": [{ "url": "https://a.example" }] })));
    insta::assert_snapshot!(out.join("\n"));
}

#[test]
fn what_is_described_too_deeply_may_be_anything() {
    let mut schema = serde_json::json!({ "type": "string" });
    for _ in 0..100 {
        schema = serde_json::json!({ "type": "array", "items": schema });
    }
    let spec = serde_json::json!({ "openapi": "3.1.0", "servers": [{ "url": "https://a.example" }], "paths": {
        "/x": { "post": { "operationId": "x", "requestBody": { "content": { "application/json": { "schema": schema } } } } },
        "/y": { "get": { "operationId": "y", "parameters": [{ "name": "q", "in": "query", "schema": schema }] } } } });
    let bridge = compile(&spec, &CompileOptions::default()).expect("a bridge");
    assert_eq!((bridge.tools.len(), bridge.refused.len(), bridge.omitted.len()), (2, 0, 2));
    for omitted in &bridge.omitted {
        assert!(omitted.what.contains("deeper than 64"), "{omitted}");
    }
    assert!(call(&bridge, "x", r#"{"body":[7]}"#).is_ok() && call(&bridge, "y", r#"{"q":7}"#).is_ok());
}

#[test]
fn parameters_take_their_places() {
    let hr = employees();
    assert_eq!(url(&hr, "listEmployees", "{}"), "https://hr.example:8443/api/v1/employees");
    assert_eq!(
        url(&hr, "listEmployees", r#"{"department":"R&D é","skill":["a,b","c"],"limit":5,"status":null}"#),
        "https://hr.example:8443/api/v1/employees?department=R%26D%20%C3%A9&skill=a%2Cb&skill=c&limit=5"
    );
    let put = call(&hr, "updateEmployee", r#"{"employeeId":"e.1","If-Match":"\"7\"","body":{"name":"A","email":"a@b","x":12345678901234567890123}}"#)
        .expect("a request");
    assert_eq!((put.method, put.url.path()), ("PUT", "/api/v1/employees/e.1"));
    assert_eq!(put.body.as_deref(), Some(&br#"{"name":"A","email":"a@b","x":12345678901234567890123}"#[..]));
    assert_eq!(
        put.headers,
        [
            ("accept", "application/json, */*;q=0.1"),
            ("if-match", "\"7\""),
            ("content-type", "application/json")
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    let tickets = tickets();
    let query = |arguments: &str| {
        url(&tickets, "get_tickets", arguments).replace("https://tickets.example/v2/tickets", "")
    };
    assert_eq!(
        query(r#"{"filter":{"owner":"a&b","open":true}}"#),
        "?filter%5Bowner%5D=a%26b&filter%5Bopen%5D=true"
    );
    assert_eq!(query(r#"{"tags":["a|b","c"]}"#), "?tags=a%7Cb%7Cc");
    assert_eq!(query(r#"{"ids":[12345678901234567890123,"x"]}"#), "?ids=12345678901234567890123%20x");
    assert_eq!(query(r#"{"fields":["a","b,c"]}"#), "?fields=a,b%2Cc");
    assert_eq!(query(r#"{"range":{"from":1,"to":2}}"#), "?from=1&to=2");
    assert_eq!(query(r#"{"where":{"a":[1]}}"#), "?where=%7B%22a%22%3A%5B1%5D%7D");
    assert_eq!(query(r#"{"page_size_":3}"#), "?page%5Bsize%5D=3");
    assert_eq!(
        query(r#"{"range":{"tags":1}}"#),
        "the argument \"range\" must not hold the member \"tags\", which is a parameter of its own"
    );
    assert_eq!(
        url(&tickets, "files_read", r#"{"id":7,"name":"a/b","query_id":"q"}"#),
        "https://tickets.example/v2/tickets/7/files/a%2Fb.txt?id=q"
    );
    let patch =
        call(&tickets, "changeTicket_d61aaa26d5", r#"{"id":1,"query_body":"b","body":{"title":null}}"#)
            .expect("a request");
    assert_eq!(patch.url.query(), Some("body=b"));
    assert!(patch.headers.contains(&("content-type".to_owned(), "application/merge-patch+json".to_owned())));
}

#[test]
fn path_arguments_stay_in_their_segment() {
    let tickets = tickets();
    for hostile in [
        "../../admin",
        "..%2f..%2fadmin",
        "%2e%2e",
        "a/b",
        "a\\..\\b",
        "?x=1",
        "#f",
        "a;b=c",
        "@evil.example",
        "//evil.example",
        "\u{0}",
        "a\r\nHost: evil",
        "é",
        "%00",
        "..;",
        ". .",
        "http://evil.example/",
    ] {
        let arguments = serde_json::json!({ "id": 7, "name": hostile }).to_string();
        let request = call(&tickets, "files_read", &arguments).expect("an encoded request");
        let segments: Vec<&str> = request.url.path_segments().expect("segments").collect();
        assert_eq!(segments.len(), 5, "{hostile:?}: {}", request.url);
        assert_eq!(segments[..4], ["v2", "tickets", "7", "files"], "{hostile:?}");
        assert_eq!(request.url.host_str(), Some("tickets.example"));
        assert_eq!((request.url.query(), request.url.fragment()), (None, None));
    }
    let spec = serde_json::json!({ "openapi": "3.1.0", "servers": [{ "url": "https://a.example/base" }], "paths": {
        "/x/{one}{two}/y": { "get": { "operationId": "both", "parameters": [
            { "name": "one", "in": "path", "schema": { "type": "string" } }, { "name": "two", "in": "path", "schema": { "type": "string" } }] } },
        "/s/{one}": { "get": { "operationId": "one", "parameters": [{ "name": "one", "in": "path", "schema": {} }] } } } });
    let bridge = compile(&spec, &CompileOptions::default()).expect("a bridge");
    for hostile in [r#""..""#, r#"".""#, r#""""#, "[]", "{}", r#"["..",""]"#, "[[1]]", r#"{"a":{}}"#] {
        let outcome = call(&bridge, "one", &format!(r#"{{"one":{hostile}}}"#));
        match outcome {
            Err(BuildError::Segment(_) | BuildError::TooDeep(_)) => {}
            Ok(request) => assert_eq!(request.url.as_str(), "https://a.example/base/s/..,"),
            Err(other) => panic!("{hostile}: {other}"),
        }
    }
    assert_eq!(call(&bridge, "both", r#"{"one":".","two":"."}"#), Err(BuildError::Segment("two".to_owned())));
    assert_eq!(url(&bridge, "both", r#"{"one":"a","two":"."}"#), "https://a.example/base/x/a./y");
}

#[test]
fn headers_cannot_be_split() {
    for hostile in ["a\r\nAuthorization: x", "a\nb", "\0", "é", " a", "a "] {
        let arguments = serde_json::json!({ "X-Tenant": hostile }).to_string();
        assert_eq!(
            call(&tickets(), "get_tickets", &arguments),
            Err(BuildError::HeaderValue("X-Tenant".to_owned()))
        );
    }
}

#[test]
fn arguments_must_fit_the_schema() {
    let hr = employees();
    let mut out = Vec::new();
    for (name, arguments) in [
        ("getEmployee", "{}"),
        ("getEmployee", r#"{"employeeId":7}"#),
        ("getEmployee", r#"{"employeeId":"e1","admin":true}"#),
        ("getEmployee", r#"{"employeeId":"../x"}"#),
        ("listEmployees", r#"{"limit":0}"#),
        ("listEmployees", r#"{"status":"gone"}"#),
        ("createEmployee", r#"{"body":{"name":"A"}}"#),
        ("createEmployee", "[]"),
    ] {
        let error = call(&hr, name, arguments).expect_err(arguments);
        assert_eq!(error.to_rpc().code(), -32602);
        out.push(error.to_string());
    }
    insta::assert_snapshot!(out.join("\n"));
}

#[test]
fn answers_become_content() {
    let (hr, tickets) = (employees(), tickets());
    let mut out = Vec::new();
    let mut add = |tool: &BridgeTool, status, content_type, body: &[u8]| {
        out.push(
            to_content(tool, HttpAnswer { status, content_type, body, largest: LARGEST }).result.to_json(),
        );
    };
    let get = find(&hr, "getEmployee");
    let json = Some("application/json; charset=utf-8");
    add(get, 200, json, br#"{ "id":"1","name":"A","email":"a@b","salary":12345678901234567890123.10 }"#);
    add(get, 200, json, br#"{"id":1}"#);
    add(get, 200, json, b"{");
    add(get, 200, Some("text/html"), b"<p>");
    add(get, 200, json, b"");
    add(get, 404, Some("application/problem+json"), br#"{"title":"No such employee"}"#);
    add(get, 500, Some("image/png"), b"\x89PNG");
    add(get, 302, None, b"");
    add(find(&hr, "deleteEmployee"), 204, None, b"");
    add(find(&hr, "listDepartments"), 200, json, br#"["a", "b"]"#);
    add(find(&tickets, "files_read"), 200, Some("text/plain"), "é\n".as_bytes());
    add(find(&tickets, "files_read"), 200, Some("image/png"), b"\x89PNG");
    add(find(&tickets, "files_read"), 200, Some("text/plain"), b"\xff");
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    add(find(&hr, "listDepartments"), 200, json, deep.as_bytes());
    insta::assert_snapshot!(out.join("\n"));
    let long = vec![b'x'; LARGEST + 1];
    let answer = HttpAnswer { status: 200, content_type: json, body: &long, largest: LARGEST };
    let refused = to_content(get, answer);
    assert!(refused.result.to_json().contains("larger than"));
}

#[test]
fn of_a_large_document_the_first_operations_are_bridged() {
    let path = |number: usize| {
        let operation = serde_json::json!({ "responses": { "204": { "description": "" } } });
        (format!("/p{number:04}"), serde_json::json!({ "get": operation, "delete": operation }))
    };
    let paths: serde_json::Map<String, Value> = (0..600).map(path).collect();
    let spec = serde_json::json!({ "openapi": "3.1.0", "servers": [{ "url": "https://a.example" }], "paths": paths });
    let whole = compile(&spec, &CompileOptions::default()).expect("a bridge");
    assert_eq!((whole.tools.len(), whole.left_out), (1_200, 0));
    let some =
        compile(&spec, &CompileOptions { most_tools: 5, ..CompileOptions::default() }).expect("a bridge");
    assert_eq!((some.tools.len(), some.left_out), (5, 1_195));
    let names = |bridge: &Bridge| -> Vec<String> {
        bridge.tools.iter().take(5).map(|tool| tool.tool().name().to_owned()).collect()
    };
    assert_eq!(names(&some), names(&whole));
}

#[test]
fn what_an_answer_becomes_is_never_larger_than_its_cost() {
    let hr = employees();
    let list = find(&hr, "listDepartments");
    let json = Some("application/json");
    let numbers = format!("[{}]", vec!["0"; 50_000].join(","));
    let quoted = format!("[{}]", vec![r#""\"\n""#; 20_000].join(","));
    let bare = "\u{1}".repeat(100_000);
    for (tool, kind, body) in
        [(list, json, &numbers), (list, json, &quoted), (list, Some("text/plain"), &bare)]
    {
        let answer = HttpAnswer { status: 200, content_type: kind, body: body.as_bytes(), largest: LARGEST };
        let (estimated, made) = (cost(tool, answer), to_content(tool, answer).result.to_json().len());
        assert!(made > body.len() && made <= estimated, "{made} > {estimated}: {body:.20}");
    }
    let declared = find(&hr, "getEmployee");
    let objects = format!(r#"{{"id":"1","name":"A","more":[{}]}}"#, vec!["{}"; 10_000].join(","));
    let answer = HttpAnswer { status: 200, content_type: json, body: objects.as_bytes(), largest: LARGEST };
    assert!(cost(declared, answer) > 100 * objects.len(), "it is checked as a value");
    let larger = HttpAnswer { largest: 10, ..answer };
    assert_eq!(cost(declared, larger), 0, "it is not read");
}

proptest! {
    #[test]
    fn no_argument_leaves_the_base(id in any::<i64>(), name in "(?s).{0,30}", query in "(?s).{0,30}") {
        let bridge = tickets();
        let arguments = serde_json::json!({ "id": id, "name": name, "query_id": query }).to_string();
        match call(&bridge, "files_read", &arguments) {
            Ok(request) => {
                let path = request.url.path();
                let prefix = format!("/v2/tickets/{id}/files/");
                prop_assert!(path.starts_with(&prefix), "{}", path);
                let last = path.strip_prefix(&prefix).expect("a prefix").strip_suffix(".txt").expect("a suffix");
                prop_assert!(!last.contains('/'));
                let decoded = percent_encoding::percent_decode_str(last).decode_utf8().expect("UTF-8");
                prop_assert_eq!(decoded, name.as_str());
                prop_assert_eq!(request.url.origin(), bridge.base.origin());
            }
            Err(error) => prop_assert_eq!(error, BuildError::Segment("name".to_owned())),
        }
    }
}
