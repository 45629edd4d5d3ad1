//! What operators read in records and log lines, and callers do not.

use http::Method;
use serde_json::{Value, json};

use gatehouse_testkit::log_capture::{Line, LogCapture};

use crate::apps::{EXCHANGE, OPEN, POLICED, bridge, proxy};
use crate::client::{Modern, initialize, send};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Upstream};

/// Bob sees neither `secret` nor what is locked, for two policies' different reasons.
const HIDING: &str = r#"      listing:
        opa:
          name: hiding
          rego: |
            package orchestrator
            default result := {"allowed": true}
            result := {"allowed": false, "internal_message": "secret is for leads"} if {
              input.request.mcp.tool.params.name == "secret"
              input.user.id == "bob"
            }
            result := {"permitted": false} if input.request.mcp.tool.params.name == "locked"
      outbound: { type: unprotected }
"#;

fn last(heard: &LogCapture) -> Line {
    heard.from_info_up().pop().unwrap()
}

/// Everything in the answer but what differs from request to request.
fn comparable(answer: &crate::client::Answer, tool: &str) -> String {
    answer.without_id().replace(tool, "TOOL")
}

#[tokio::test]
async fn what_is_hidden_leaves_a_trace_for_operators_only() {
    let server = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &server, HIDING)).await;
    let (ada, bob) = (Modern::new(&gateway, "ada"), Modern::new(&gateway, "bob"));
    assert!(ada.list().await.names().contains(&"up_secret".to_owned()));
    let seen = gateway.records.at_least(1).await.pop().unwrap();
    assert_eq!(
        seen["hidden"],
        json!([{ "policy": "hiding", "verdict": "policy_malformed_result", "count": 1 }])
    );
    assert!(!bob.list().await.names().contains(&"up_secret".to_owned()));
    let record = gateway.records.at_least(2).await.pop().unwrap();
    let hidden = json!([
        { "policy": "hiding", "verdict": "policy_denied", "count": 1 },
        { "policy": "hiding", "verdict": "policy_malformed_result", "count": 1 },
    ]);
    assert_eq!(record["hidden"], hidden, "{record:#}");

    let heard = LogCapture::here();
    let hidden = bob.call("up_secret", "{}").await;
    let record = gateway.records.at_least(3).await.pop().unwrap();
    assert_eq!((&record["event"], &record["reason"]), (&json!("tool.call"), &json!("rpc_invalid_params")));
    let policy = &record["policy"];
    assert_eq!((&policy["name"], &policy["verdict"]), (&json!("hiding"), &json!("policy_denied")));
    assert_eq!(policy["internal_message"], "secret is for leads");
    let line = last(&heard);
    assert_eq!(line.field("detail"), "hidden by policy \"hiding\": secret is for leads");
    assert_eq!((line.field("client.id"), line.field("reason")), ("cli", "rpc_invalid_params"));
    // The caller reads what there is to read of a tool that does not exist.
    let absent = bob.call("up_absent", "{}").await;
    assert_eq!(hidden.status, absent.status);
    assert_eq!(comparable(&hidden, "up_secret"), comparable(&absent, "up_absent"));
    assert_eq!(gateway.records.at_least(4).await.pop().unwrap().get("policy"), None);
}

/// A policy of the call hides nothing, and a list without policies has no such member.
#[tokio::test]
async fn nothing_hidden_is_nothing_told() {
    let server = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &server, POLICED)).await;
    Modern::new(&gateway, "ada").list().await;
    assert_eq!(gateway.records.at_least(1).await.pop().unwrap().get("hidden"), None);
    Modern::new(&gateway, "bob").list().await;
    let record = gateway.records.at_least(2).await.pop().unwrap();
    assert_eq!(record["hidden"], json!([{ "policy": "list", "verdict": "policy_denied", "count": 1 }]));
}

fn failing(seen: &crate::upstream::Seen) -> Script {
    let status = seen.target.rsplit('/').next().and_then(|status| status.parse().ok()).unwrap_or(200);
    Script::status(status, r#"{"error":"a word of the API"}"#)
}

/// An API that answers with a failure is reported as an MCP server that does: a line in the log, and a request id in
/// the caller's hands that leads to it.
#[tokio::test]
async fn failures_of_an_api_are_reported_as_those_of_a_server() {
    let api = Upstream::start(failing).await;
    let server = mcp_server::start(Kind::Modern).await;
    let apps = format!("{}{}", bridge("staff", &api, OPEN), proxy("up", &server, OPEN));
    let gateway = Gateway::start(&apps).await;
    let ada = Modern::new(&gateway, "ada");
    ada.list().await;
    let heard = LogCapture::here();
    let cases = [
        ("staff_person", r#"{"id":"401"}"#, "upstream_refused_credential", "the API answered HTTP 401"),
        ("staff_person", r#"{"id":"403"}"#, "upstream_refused_credential", "the API answered HTTP 403"),
        ("staff_person", r#"{"id":"500"}"#, "upstream_error", "the API answered HTTP 500"),
        ("staff_person", r#"{"id":"503"}"#, "upstream_error", "the API answered HTTP 503"),
        ("up_locked", "{}", "upstream_refused_credential", "HTTP 401"),
    ];
    for (tool, arguments, reason, detail) in cases {
        let before = heard.from_info_up().len();
        let answer = ada.call(tool, arguments).await;
        let lines = heard.from_info_up().split_off(before);
        let [line] = lines.as_slice() else { panic!("{lines:#?}") };
        assert_eq!((line.level, line.field("message")), ("WARN", "tool call failed"), "{line:#?}");
        assert_eq!((line.field("reason"), line.field("tool")), (reason, tool), "{line:#?}");
        assert!(line.field("detail").contains(detail), "{line:#?}");
        let app = tool.split('_').next().unwrap();
        assert_eq!((line.field("app"), line.field("client.id")), (app, "cli"), "{line:#?}");
        let id = format!("(request {})", answer.header("request-id").unwrap());
        assert_eq!(line.field("request.id"), answer.header("request-id").unwrap());
        assert!(answer.text.contains(&id), "{answer:?}");
    }
    // What an API says about the arguments is between it and the caller.
    let before = heard.from_info_up().len();
    ada.call("staff_person", r#"{"id":"404"}"#).await;
    ada.call("staff_person", r#"{"id":"422"}"#).await;
    assert_eq!(heard.from_info_up().len(), before);
    let told = format!("{:?}", heard.from_info_up());
    assert!(!told.contains("a word of the API"), "{told}");
}

/// An error of a server is told by its number: its words may repeat what the caller sent.
#[tokio::test]
async fn an_error_of_a_server_is_a_line_with_its_number() {
    let server = mcp_server::start_with(Kind::Modern, |seen| {
        let id = seen.json()["id"].clone();
        let error = json!({ "code": -32603, "message": "cannot do it with s3cret", "data": { "hint": "x" } });
        (seen.rpc_method() == "tools/call")
            .then(|| Script::json(json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()))
    })
    .await;
    let gateway = Gateway::start(&proxy("up", &server, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    ada.list().await;
    let heard = LogCapture::here();
    let answer = ada.call("up_echo", "{}").await;
    let line = last(&heard);
    assert_eq!((line.level, line.field("reason")), ("WARN", "upstream_rpc_error"), "{line:#?}");
    assert_eq!(line.field("detail"), "the MCP server answered error -32603");
    assert!(!format!("{line:?}").contains("s3cret"), "{line:#?}");
    let id = answer.header("request-id").unwrap();
    assert!(answer.text.contains(id), "{answer:?}");
    if let Some(data) = answer.json()["error"].get("data") {
        assert_eq!((&data["hint"], &data["requestId"]), (&json!("x"), &json!(id)));
    }
}

/// What an app that cannot be asked has said stands behind the colon.
#[tokio::test]
async fn an_app_that_cannot_be_asked_is_told_with_its_reason() {
    for status in [401, 503] {
        let server = Upstream::start(move |_| Script::status(status, "")).await;
        let gateway = Gateway::start(&proxy("up", &server, OPEN)).await;
        let heard = LogCapture::here();
        Modern::new(&gateway, "ada").call("up_echo", "{}").await;
        let line = last(&heard);
        let (before, behind) = line.field("detail").split_once("cannot be asked: ").unwrap();
        assert!(before.contains("`up`") && behind.contains(&status.to_string()), "{line:#?}");
    }
}

/// The list that a denied call was found in may have cost a token; the call did not.
#[tokio::test]
async fn a_denied_call_shows_no_exchange() {
    let server = mcp_server::start(Kind::Modern).await;
    let policy = POLICED.replace("      outbound: { type: unprotected }\n", EXCHANGE);
    let gateway = Gateway::start(&proxy("up", &server, &policy)).await;
    let bob = Modern::new(&gateway, "bob");
    let denied = bob.call("up_echo", "{}").await;
    let calls = async || -> Vec<Value> {
        let records = gateway.records.all();
        records.into_iter().filter(|record| record["event"] == "tool.call").collect()
    };
    assert!(denied.tool_error().contains("Ask ops for echo."), "{denied:?}");
    gateway.records.at_least(2).await;
    let record = calls().await.remove(0);
    assert_eq!((&record["outcome"], record.get("exchange")), (&json!("deny"), None), "{record:#}");
    bob.call("up_regional", "{}").await;
    gateway.records.at_least(4).await;
    let record = calls().await.remove(1);
    assert_eq!(record["exchange"]["aud"], json!(["https://tools.example/"]), "{record:#}");
}

/// Whoever is minted no token learns under which number an operator finds why.
#[tokio::test]
async fn a_minting_denial_names_the_request() {
    let server = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &server, EXCHANGE)).await;
    let answer = Modern::new(&gateway, "mallory").call("up_echo", "{}").await;
    let id = answer.header("request-id").unwrap();
    assert!(answer.text.contains(id) && answer.text.contains("Mallory gets no token."), "{answer:?}");
}

/// A call is found under the person's one name and their grant, whatever subject their token has.
#[tokio::test]
async fn a_call_is_on_record_under_the_name_of_the_person() {
    let server = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &server, OPEN)).await;
    // What the tokens of the embedded user `ada` say.
    let known = "ToP0EqJgFgQsTrZcMWbj6w";
    let foreign = format!("{}|ada", gateway.issuer());
    let signed_in = json!({ "grant_id": "grant_1", "grant_connector": "staff", "grant_login": known });
    let mut mapped = signed_in.clone();
    mapped["grant_user"] = json!("https://idp|u-1");
    let cases = [
        (json!({}), json!([foreign, null, null])),
        // Only the whole of what tokens of a sign-in have says whose they are.
        (json!({ "grant_user": "https://idp|root" }), json!([foreign, null, null])),
        (signed_in, json!(["ada", "grant_1", "staff"])),
        (mapped, json!(["https://idp|u-1", "grant_1", "staff"])),
    ];
    for (index, (claims, expected)) in cases.into_iter().enumerate() {
        let ada = Modern { token: gateway.token_with(&claims), ..Modern::new(&gateway, "ada") };
        ada.call("up_echo", "{}").await;
        let record = gateway.records.at_least(index + 1).await.pop().unwrap();
        let actor = &record["actor"];
        assert_eq!(json!([actor["user"], actor["grant"], actor["connector"]]), expected, "{record:#}");
        assert_eq!(actor["sub"], "ada");
    }
}

/// A client that does everything right asks once without a token, and for an event stream that is not offered.
#[tokio::test]
async fn a_healthy_client_writes_nothing_from_info_up() {
    let server = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &server, OPEN)).await;
    let heard = LogCapture::here();
    let body = initialize("2025-11-25");
    let challenged = send(&gateway, Method::POST, "/mcp", None, &body, &[]).await;
    assert!(challenged.header("www-authenticate").unwrap().contains("resource_metadata"), "{challenged:?}");
    let token = gateway.token("ada");
    let stream = [("accept", "text/event-stream")];
    assert_eq!(send(&gateway, Method::GET, "/mcp", Some(&token), "", &stream).await.status, 405);
    Modern::new(&gateway, "ada").call("up_echo", "{}").await;
    assert_eq!(heard.from_info_up().len(), 0, "{:#?}", heard.from_info_up());
    // One that sends a token which proves nothing is a line.
    send(&gateway, Method::POST, "/mcp", Some("a.b.c"), &body, &[]).await;
    assert_eq!(last(&heard).field("message"), "request refused");
}
