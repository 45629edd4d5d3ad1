//! What is made of a call is counted before it is made; what nobody asks for is not made.

use crate::apps::{OPEN, bridge, proxy};
use crate::client::{Answer, Legacy, Modern};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Upstream};

/// Reads the list.
const READING: &str = r#"      inbound:
        opa:
          name: reads
          rego: |
            package orchestrator
            result := {"allowed": input.request.mcp.tool.params.arguments.list[0] == 0}
      outbound: { type: unprotected }
"#;

/// Reads something else.
const BLIND: &str = r#"      inbound:
        opa:
          name: blind
          rego: |
            package orchestrator
            result := {"allowed": input.request.mcp.tool.params.name == "echo"}
      outbound: { type: unprotected }
"#;

fn arguments(items: usize) -> String {
    format!(r#"{{"list":[{}0]}}"#, "0,".repeat(items))
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 429 && answer.header("retry-after").is_some()
}

#[tokio::test]
async fn arguments_that_would_outgrow_the_share_of_a_caller_are_refused_where_they_are_read() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, READING)).await;
    let ada = Modern::new(&gateway, "ada");
    let small = ada.call("up_echo", &arguments(200_000)).await;
    assert_eq!(small.json()["result"]["content"][0]["text"], "ok", "{small:?}");
    // As values 2 million numbers take more than the 128 MiB that a caller may have here.
    let large = ada.call("up_echo", &arguments(2_090_000)).await;
    assert!(is_refused(&large), "{large:?}");
    let record = gateway.records.at_least(2).await;
    assert_eq!(record[1]["reason"], "memory_share");
    let legacy = Legacy::open(&gateway, "/mcp/up", "bob", "2025-11-25").await;
    assert!(is_refused(&legacy.call("echo", &arguments(2_090_000)).await));
    assert_eq!(upstream.rpc("tools/call").len(), 1);
}

#[tokio::test]
async fn arguments_that_nobody_reads_pass_as_text() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway =
        Gateway::start(&format!("{}{}", proxy("up", &upstream, OPEN), proxy("to", &upstream, OPEN))).await;
    let ada = Modern::new(&gateway, "ada");
    let arguments = arguments(2_090_000);
    for tool in ["up_echo", "to_echo"] {
        let answer = ada.call(tool, &arguments).await;
        assert_eq!(answer.json()["result"]["content"][0]["text"], "ok", "{tool}");
    }
    assert!(upstream.rpc("tools/call").iter().all(|call| call.body.contains(&arguments)));
}

#[tokio::test]
async fn a_policy_that_reads_something_else_decides_all_the_same() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, BLIND)).await;
    let answer = Modern::new(&gateway, "ada").call("up_echo", &arguments(500_000)).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "ok", "{answer:?}");
}

#[tokio::test]
async fn an_api_gets_no_address_that_is_longer_than_any() {
    let upstream = Upstream::start(|_| Script::status(201, "{}")).await;
    let gateway = Gateway::start(&bridge("staff", &upstream, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    for (tool, argument) in
        [("staff_listPeople", "team"), ("staff_listPeople", "X-Tenant"), ("staff_person", "id")]
    {
        let arguments = format!(r#"{{"{argument}":"{}"}}"#, "x".repeat(1024 * 1024));
        let answer = ada.call(tool, &arguments).await;
        assert_eq!(answer.error_code(), -32602, "{tool}");
        assert!(answer.text.contains("must be at most 65536 bytes"), "{tool}");
    }
    assert_eq!(upstream.seen().len(), 0);
    let answer = ada.call("staff_hire", &format!(r#"{{"body":{{"name":"{}"}}}}"#, "x".repeat(100_000))).await;
    assert_eq!(upstream.seen().len(), 1, "{answer:?}");
}
