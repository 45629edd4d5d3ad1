//! Refusals in JSON-RPC's words, as their caller and an operator find them.

use serde_json::json;

use gatehouse_testkit::log_capture::LogCapture;

use crate::apps::{OPEN, bridge, proxy};
use crate::client::{Answer, Modern, modern_body, post};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Upstream};

/// What a refused caller quotes leads to one line of the log and to the audit record, which agree.
#[tokio::test]
async fn what_the_gateway_refuses_is_found_by_the_id_that_its_caller_got() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let modern = Modern::new(&gateway, "ada");
    let heard = LogCapture::here();
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let future = modern_body("tools/list", "", "").replace("2026-07-28", "2031-01-01");
    let version = [("mcp-protocol-version", "2031-01-01"), ("mcp-method", "tools/list")];
    let lost = [("mcp-session-id", "never-was")];
    let token = Some(modern.token.as_str());
    let refused: [(Answer, i64, &str); 5] = [
        (modern.call("up_nothing", "{}").await, -32602, "rpc_invalid_params"),
        (modern.request("logging/setLevel", "", &[]).await, -32601, "rpc_method_not_found"),
        (post(&gateway, "/mcp", token, list, &[]).await, -32600, "rpc_invalid_request"),
        (post(&gateway, "/mcp", token, list, &lost).await, -32600, "rpc_invalid_request"),
        (post(&gateway, "/mcp", token, &future, &version).await, -32022, "rpc_unsupported_version"),
    ];
    let records = gateway.records.at_least(refused.len()).await;
    let lines = heard.from_info_up();
    assert_eq!(lines.len(), refused.len(), "{lines:#?}");
    for (answer, code, reason) in &refused {
        let error = &answer.json()["error"];
        assert_eq!(error["code"], *code, "{answer:?}");
        let id = answer.header("request-id").unwrap();
        assert_eq!(error["data"]["requestId"], id, "{answer:?}");
        let line = lines.iter().find(|line| line.field("request.id") == id).unwrap();
        assert_eq!((line.level, line.field("message")), ("INFO", "request refused"), "{line:?}");
        assert_eq!((line.field("reason"), line.field("path")), (*reason, "/mcp"), "{line:?}");
        assert_eq!(line.field("detail"), error["message"], "{line:?}");
        assert_eq!(line.field("status"), answer.status.to_string(), "{line:?}");
        let record = records.iter().find(|record| record["request"]["id"] == id).unwrap();
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("deny"), &json!(reason)));
    }
    let unsupported = &refused[4].0.json()["error"]["data"];
    assert_eq!(unsupported["requested"], "2031-01-01", "what the error says besides is kept: {unsupported}");
}

/// The caller reads what is wrong with its arguments; the log holds none of them.
#[tokio::test]
async fn the_log_of_a_refusal_repeats_no_argument() {
    let api = Upstream::start(|_| Script::json("{}")).await;
    let gateway = Gateway::start(&bridge("staff", &api, OPEN)).await;
    let modern = Modern::new(&gateway, "ada");
    let heard = LogCapture::here();
    let twice = modern.call("staff_listPeople", r#"{"canary":1,"canary":2}"#).await;
    let unfit = modern.call("staff_listPeople", r#"{"team":["canary"]}"#).await;
    let long = "n".repeat(5000);
    let unknown = modern.call(&long, "{}").await;
    for (answer, quoted) in [(&twice, "canary"), (&unfit, "canary"), (&unknown, long.as_str())] {
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(quoted), "{answer:?}");
    }
    let lines = heard.from_info_up();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for line in &lines {
        assert_eq!(line.field("message"), "request refused");
        assert!(!line.field("detail").is_empty(), "{line:?}");
        assert!(line.fields.values().all(|text| !text.contains("canary") && text.len() <= 200), "{line:?}");
    }
}
