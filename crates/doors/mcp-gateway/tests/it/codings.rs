//! Answers that come compressed although nobody asked for that.

use serde_json::{Value, json};

use gatehouse_testkit::coded::{CODINGS, coded};

use crate::apps::{OPEN, bridge, proxy};
use crate::client::Modern;
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Upstream};

/// The script with every piece of its body as one, in a coding.
fn in_coding(coding: &str, mut script: Script) -> Script {
    let whole: Vec<u8> = script.pieces.drain(..).flat_map(|(_, piece)| piece).collect();
    script.pieces.push((std::time::Duration::ZERO, coded(coding, &whole)));
    script.headers.push(("content-encoding", coding.to_owned()));
    script
}

fn result(id: &Value, text: &str) -> String {
    let content = json!([{"type": "text", "text": text}]);
    json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "content": content}}).to_string()
}

#[tokio::test]
async fn coded_answers_of_servers_are_read() {
    for coding in CODINGS {
        let upstream = mcp_server::start_with(Kind::Modern, move |seen| {
            let id = &seen.json()["id"];
            match (seen.rpc_method().as_str(), seen.json()["params"]["name"].as_str()) {
                ("tools/call", Some("echo")) => Some(in_coding(coding, Script::json(result(id, "as json")))),
                ("tools/call", _) => Some(in_coding(coding, Script::events(vec![result(id, "as an event")]))),
                _ => None,
            }
        })
        .await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let ada = Modern::new(&gateway, "ada");
        for (tool, text) in [("up_echo", "as json"), ("up_ask", "as an event")] {
            let answer = ada.call(tool, "{}").await;
            assert_eq!(answer.json()["result"]["content"][0]["text"], text, "{coding}: {answer:?}");
        }
        assert!(upstream.seen().iter().all(|seen| seen.header("accept-encoding") == Some("identity")));
    }
}

#[tokio::test]
async fn coded_answers_of_apis_are_read_within_what_they_may_become() {
    for coding in CODINGS {
        let api = Upstream::start(move |seen| {
            let size = if seen.target.ends_with("/huge") { 17 * 1024 * 1024 } else { 3 };
            in_coding(coding, Script::json(json!({ "name": "x".repeat(size) }).to_string()))
        })
        .await;
        let gateway = Gateway::start(&bridge("staff", &api, OPEN)).await;
        let ada = Modern::new(&gateway, "ada");
        let answer = ada.call("staff_person", r#"{"id":"1"}"#).await;
        assert_eq!(answer.json()["result"]["structuredContent"]["name"], "xxx", "{coding}: {answer:?}");
        let bomb = ada.call("staff_person", r#"{"id":"huge"}"#).await;
        assert!(bomb.tool_error().contains("larger than 16777216 bytes"), "{coding}: {bomb:?}");
    }
}

#[tokio::test]
async fn what_is_not_coded_as_it_says_is_no_answer() {
    let upstream = mcp_server::start_with(Kind::Modern, |seen| {
        (seen.rpc_method() == "tools/call").then(|| {
            let mut script = Script::json(result(&seen.json()["id"], "plain"));
            script.headers.push(("content-encoding", "gzip".to_owned()));
            script
        })
    })
    .await;
    let api = Upstream::start(|_| {
        let mut script = Script::json(r#"{"name":"Ada"}"#);
        script.headers.push(("content-encoding", "br, gzip".to_owned()));
        script
    })
    .await;
    let apps = format!("{}{}", proxy("up", &upstream, OPEN), bridge("staff", &api, OPEN));
    let gateway = Gateway::start(&apps).await;
    let ada = Modern::new(&gateway, "ada");
    let answer = ada.call("up_echo", "{}").await;
    assert!(answer.tool_error().contains("broke off its answer"), "{answer:?}");
    let answer = ada.call("staff_person", r#"{"id":"1"}"#).await;
    assert!(answer.tool_error().contains("compressed its answer"), "{answer:?}");
    let records = gateway.records.at_least(2).await;
    let reasons: Vec<_> = records.iter().map(|record| record["reason"].as_str().unwrap()).collect();
    assert!(reasons.ends_with(&["upstream_cut", "upstream_encoded"]), "{reasons:?}");
}

/// What an API says that it has done is not to be done again, whatever became of its answer.
#[tokio::test]
async fn a_write_that_was_carried_out_is_told_so() {
    for (what, coding, body) in [
        ("an unknown coding", "deflate", b"x".to_vec()),
        ("not what it says", "gzip", b"{}".to_vec()),
        ("cut off", "gzip", coded("gzip", b"{\"name\":\"Bob\"}")[..12].to_vec()),
    ] {
        let api = Upstream::start(move |_| {
            let mut script = Script::status(201, "");
            script.pieces = vec![(std::time::Duration::ZERO, body.clone())];
            script.headers.push(("content-type", "application/json".to_owned()));
            script.headers.push(("content-encoding", coding.to_owned()));
            script
        })
        .await;
        let gateway = Gateway::start(&bridge("staff", &api, OPEN)).await;
        let ada = Modern::new(&gateway, "ada");
        let hired = ada.call("staff_hire", r#"{"body":{"name":"Bob"}}"#).await.tool_error();
        assert!(hired.contains("HTTP 201, so the call was carried out: do not repeat it"), "{what}: {hired}");
        let read = ada.call("staff_person", r#"{"id":"1"}"#).await.tool_error();
        assert!(!read.contains("carried out"), "{what}: {read}");
    }
    // Where there is no body there is nothing to read, whatever it is said to be coded in.
    let api = Upstream::start(|_| {
        let mut script = Script::status(204, "");
        script.headers.push(("content-encoding", "deflate".to_owned()));
        script
    })
    .await;
    let gateway = Gateway::start(&bridge("staff", &api, OPEN)).await;
    let fired = Modern::new(&gateway, "ada").call("staff_fire", r#"{"id":"7"}"#).await;
    assert_eq!(fired.json()["result"]["content"][0]["text"], "Done (HTTP 204, no content).", "{fired:?}");
}
