//! Bridged REST APIs.

use std::time::Duration;

use gatehouse_testkit::log_capture::LogCapture;
use serde_json::{Value, json};

use crate::apps::{OPEN, bridge};
use crate::client::{Legacy, Modern};
use crate::gateway::Gateway;
use crate::upstream::{Script, Seen, Upstream};

fn staff(seen: &Seen) -> Script {
    match (seen.method.as_str(), seen.target.as_str()) {
        ("DELETE", _) => Script::status(204, ""),
        ("POST", _) => Script::status(201, seen.body.clone()),
        (_, target) if target.starts_with("/v1/people?") || target == "/v1/people" => {
            Script::json(r#"[{"zeta":1,"name":"Ada","salary":123456789012345678901234567890}]"#)
        }
        (_, "/v1/people/nobody") => Script::status(404, r#"{"error":"no such person"}"#),
        (_, "/v1/people/broken") => Script::status(500, "stack trace"),
        (_, "/v1/people/locked") => Script::status(401, ""),
        (_, "/v1/people/moved") => {
            let mut script = Script::status(302, "");
            script.headers.push(("location", "/v1/people/elsewhere".to_owned()));
            script
        }
        (_, "/v1/people/html") => Script::new(200, "text/html", vec!["<html>".to_owned()]),
        (_, "/v1/people/bad") => Script::json("{"),
        (_, "/v1/people/empty") => Script::status(204, ""),
        (_, "/v1/people/nameless") => Script::json(r#"{"id":1}"#),
        (_, "/v1/people/huge") => Script::new(200, "application/json", vec!["x".repeat(1024 * 1024); 17]),
        (_, "/v1/people/slow") => Script::json("{}").paced(Duration::from_secs(60)),
        _ => Script::json(r#"{"name":"Ada"}"#),
    }
}

#[tokio::test]
async fn calls_become_requests_and_answers_become_results() {
    let api = Upstream::start(staff).await;
    let gateway = Gateway::start(&bridge("staff", &api, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    let list = ada.call("staff_listPeople", r#"{"team":"a&b=c d/ü","X-Tenant":"acme"}"#).await;
    assert!(
        list.text.contains(
            r#""structuredContent":[{"zeta":1,"name":"Ada","salary":123456789012345678901234567890}]"#
        ),
        "{list:?}"
    );
    let hired =
        ada.call("staff_hire", r#"{"body": {"name" :"Bob","big":123456789012345678901234567890}}"#).await;
    assert_eq!(hired.json()["result"]["structuredContent"]["name"], "Bob");
    let fired = ada.call("staff_fire", r#"{"id":"7"}"#).await.json()["result"].clone();
    assert_eq!(
        (&fired["content"][0]["text"], fired.get("isError")),
        (&json!("Done (HTTP 204, no content)."), None)
    );
    let legacy = Legacy::open(&gateway, "/mcp/staff", "ada", "2025-03-26").await;
    let old = legacy.call("person", r#"{"id":"1"}"#).await.json()["result"].clone();
    assert_eq!(
        (&old["content"][0]["text"], old.get("structuredContent")),
        (&json!(r#"{"name":"Ada"}"#), None)
    );

    let seen = api.seen();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("GET", "/v1/people?team=a%26b%3Dc%20d%2F%C3%BC")
    );
    assert_eq!(
        (
            seen[0].header("x-tenant"),
            seen[0].header("user-agent").map(|agent| agent.starts_with("gatehouse/"))
        ),
        (Some("acme"), Some(true))
    );
    assert!(seen[0].header("traceparent").is_some() && seen[0].header("authorization").is_none());
    assert_eq!(seen[1].body, r#"{"name" :"Bob","big":123456789012345678901234567890}"#);
    assert_eq!(seen[1].header("content-type"), Some("application/json"));
    assert_eq!((seen[2].method.as_str(), seen[2].target.as_str()), ("DELETE", "/v1/people/7"));
}

#[tokio::test]
async fn no_argument_leaves_its_place() {
    let api = Upstream::start(staff).await;
    let gateway = Gateway::start(&bridge("staff", &api, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    for id in ["..", ".", ""] {
        let answer = ada.call("staff_person", &json!({ "id": id }).to_string()).await;
        assert_eq!((answer.status, answer.error_code()), (200, -32602), "{id}: {answer:?}");
    }
    for bad in
        [r#"{"X-Tenant":"a\r\nX-Admin: 1"}"#, r#"{"X-Tenant":"\u0000"}"#, r#"{"unknown":1}"#, r#"{"team":7}"#]
    {
        let answer = ada.call("staff_listPeople", bad).await;
        assert_eq!((answer.status, answer.error_code()), (200, -32602), "{bad}: {answer:?}");
    }
    assert_eq!(api.seen().len(), 0);
    for id in
        ["../../admin", "..%2f..%2fadmin", "a/b", "a?b=c", "a#b", "http://evil.example/", "\\..\\", "%2e%2e"]
    {
        ada.call("staff_person", &json!({ "id": id }).to_string()).await;
        let target = api.seen().pop().unwrap().target;
        let rest = target.strip_prefix("/v1/people/").unwrap_or_else(|| panic!("{id} -> {target}"));
        assert!(!rest.contains(['/', '?', '#', '\\']) && rest != "..", "{id} -> {target}");
    }
}

#[tokio::test]
async fn failures_of_an_api_are_told_to_the_model_and_recorded() {
    let api = Upstream::start(staff).await;
    let gateway = Gateway::start(&bridge("staff", &api, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    for (index, (id, text, outcome, reason)) in [
        ("nobody", r#"The API answered HTTP 404. {"error":"no such person"}"#, "allow", None),
        ("broken", "The API answered HTTP 500.", "error", Some("upstream_error")),
        ("locked", "The API answered HTTP 401.", "error", Some("upstream_refused_credential")),
        ("moved", "The API answered HTTP 302.", "allow", None),
        ("html", "instead of the JSON that it declares", "allow", None),
        ("bad", "says that it is JSON but cannot be read", "allow", None),
        ("nameless", "does not fit its declared schema", "allow", None),
        ("huge", "larger than 16777216 bytes", "allow", None),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = ada.call("staff_person", &json!({ "id": id }).to_string()).await;
        assert!(answer.tool_error().contains(text), "{id}: {answer:?}");
        assert_eq!(answer.header("www-authenticate"), None);
        let record = gateway.records.at_least(index + 1).await.pop().unwrap();
        assert_eq!((&record["outcome"], record["reason"].as_str()), (&json!(outcome), reason), "{id}");
    }
    assert!(api.seen().iter().all(|seen| !seen.target.contains("elsewhere")), "no redirect is followed");
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_given_up() {
    let api = Upstream::start(staff).await;
    let gateway = Gateway::impatient(&bridge("staff", &api, OPEN)).await;
    let answer = Modern::new(&gateway, "ada").call("staff_person", r#"{"id":"slow"}"#).await;
    assert!(answer.tool_error().contains("did not answer in time"), "{answer:?}");
    api.cut(1).await;
    let record = gateway.records.at_least(1).await.remove(0);
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("upstream_timeout")));
}

#[tokio::test]
async fn a_call_that_was_carried_out_is_no_error_whatever_was_promised() {
    let api = Upstream::start(|seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", _) => Script::new(200, "text/html", vec!["<html>hired</html>".to_owned()]),
        (_, "/v1/people/empty") => Script::status(204, ""),
        _ => Script::status(200, ""),
    })
    .await;
    let gateway = Gateway::start(&bridge("staff", &api, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    for (tool, arguments, text) in [
        ("staff_person", r#"{"id":"empty"}"#, "Done (HTTP 204, no content)."),
        ("staff_person", r#"{"id":"1"}"#, "Done (HTTP 200, no content)."),
        ("staff_fire", r#"{"id":"1"}"#, "Done (HTTP 200, no content)."),
        ("staff_hire", r#"{"body":{"name":"Bob"}}"#, "<html>hired</html>"),
    ] {
        let result = ada.call(tool, arguments).await.json()["result"].clone();
        assert_eq!((&result["content"][0]["text"], result.get("isError")), (&json!(text), None), "{tool}");
        let promised = tool == "staff_person";
        assert_eq!(result.get("structuredContent"), promised.then(|| json!({})).as_ref(), "{tool}");
    }
}

#[tokio::test]
async fn how_strictly_answers_are_compared_with_the_description_is_configured() {
    let api = Upstream::start(staff).await;
    for (mode, is_error, is_declared, lines) in
        [("strict", true, true, 1), ("report", false, false, 1), ("off", false, false, 0)]
    {
        let heard = LogCapture::here();
        let app = bridge("staff", &api, OPEN)
            .replace("    authorization:", &format!("    outputSchema: {mode}\n    authorization:"));
        let gateway = Gateway::start(&app).await;
        let ada = Modern::new(&gateway, "ada");
        let list = ada.list().await.json()["result"]["tools"].clone();
        let person = list.as_array().unwrap().iter().find(|tool| tool["name"] == "staff_person").unwrap();
        assert_eq!(person.get("outputSchema").is_some(), is_declared, "{mode}");
        let result = ada.call("staff_person", r#"{"id":"nameless"}"#).await.json()["result"].clone();
        assert_eq!(result["isError"] == true, is_error, "{mode}: {result}");
        let structured = if is_error { Value::Null } else { json!({ "id": 1 }) };
        assert_eq!(result["structuredContent"], structured, "{mode}: {result}");
        let said = heard.from_info_up();
        let said: Vec<_> = said
            .iter()
            .filter(|line| line.field("message") == "an API's answer is not what its description says")
            .collect();
        assert_eq!(said.len(), lines, "{mode}: {said:#?}");
        assert!(said.iter().all(|line| (line.field("app"), line.field("tool")) == ("staff", "person")));
    }
}

#[tokio::test]
async fn an_api_gets_what_it_declares_and_is_asked_for_what_it_declares() {
    let api = Upstream::start(|seen| {
        let accept = seen.header("accept").unwrap_or_default();
        if seen.target == "/v1/hal" && accept.starts_with("application/hal+json") {
            Script::new(200, "application/hal+json", vec![r#"{"_links":{}}"#.to_owned()])
        } else if seen.target == "/v1/xml" && accept.starts_with("application/xml") {
            Script::new(200, "application/xml", vec!["<ok/>".to_owned()])
        } else if seen.target == "/v1/form" {
            Script::status(204, "")
        } else {
            Script::status(406, "")
        }
    })
    .await;
    let spec = json!({ "openapi": "3.0.3", "info": { "title": "t", "version": "1" }, "paths": {
        "/hal": { "get": { "operationId": "hal", "responses": { "200": { "description": "", "content": { "application/hal+json": {} } } } } },
        "/xml": { "get": { "operationId": "xml", "responses": { "200": { "description": "", "content": { "application/xml": {} } } } } },
        "/form": { "post": { "operationId": "form",
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": { "schema": { "type": "object" }, "encoding": { "card": { "style": "deepObject", "explode": true } } } } },
            "responses": { "204": { "description": "" } } } } } });
    let app = format!(
        "  - name: api\n    type: mcpBridge\n    openapi:\n      spec: {{ data: {spec} }}\n      baseURL: {}/v1\n    authorization:\n{OPEN}",
        api.url
    );
    let gateway = Gateway::start(&app).await;
    let ada = Modern::new(&gateway, "ada");
    let hal = ada.call("api_hal", "{}").await.json()["result"].clone();
    assert_eq!(hal["structuredContent"], json!({ "_links": {} }), "{hal}");
    let xml = ada.call("api_xml", "{}").await.json()["result"].clone();
    assert_eq!(xml["content"][0]["text"], "<ok/>", "{xml}");
    let body = r#"{"body":{"amount":12345678901234567890123,"card":{"name":"A & B","tags":["x"]},"note":null,"ids":[1,2]}}"#;
    let form = ada.call("api_form", body).await.json()["result"].clone();
    assert_eq!(form["content"][0]["text"], "Done (HTTP 204, no content).", "{form}");
    let seen = api.seen().pop().unwrap();
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(
        seen.body,
        "amount=12345678901234567890123&card%5Bname%5D=A%20%26%20B&card%5Btags%5D%5B0%5D=x&ids=1&ids=2"
    );
}
