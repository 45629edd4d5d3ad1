//! Sessions that a server of the older kind has lost.

use serde_json::{Value, json};

use crate::apps::{OPEN, proxy};
use crate::client::Modern;
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Seen, Upstream};

/// A server that answers the calls of its first session so, or those of all sessions.
async fn forgetful(
    status: u16,
    body: impl Fn(&Value) -> String + Send + Sync + 'static,
    all: bool,
) -> Upstream {
    mcp_server::start_with(Kind::Legacy, move |seen: &Seen| {
        let is_lost = all || seen.header("mcp-session-id") == Some("session-0");
        (seen.rpc_method() == "tools/call" && is_lost).then(|| {
            let body = body(&seen.json()["id"]);
            let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
            Script::new(status, kind, vec![body])
        })
    })
    .await
}

fn error(id: &Value, code: i64, message: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string()
}

#[tokio::test]
async fn a_lost_session_is_opened_anew_in_every_dialect_and_the_call_is_made_in_it() {
    type Body = fn(&Value) -> String;
    let dialects: [(u16, Body); 10] = [
        (404, |id| error(id, -32001, "Session not found")),
        (404, |_| String::new()),
        (410, |_| "gone".to_owned()),
        (400, |_| "Bad Request: No valid session ID provided".to_owned()),
        (400, |_| "Invalid session ID\n".to_owned()),
        (400, |_| r#"{"error":"unknown session"}"#.to_owned()),
        (400, |_| error(&Value::Null, -32000, "Bad Request: Server not initialized")),
        (400, |id| error(id, -32600, "Session not found")),
        (401, |_| "Unauthorized: Session not found".to_owned()),
        (403, |_| "Session has expired".to_owned()),
    ];
    for (status, body) in dialects {
        let upstream = forgetful(status, body, false).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let answer = Modern::new(&gateway, "ada").call("up_echo", "{}").await;
        let told = body(&json!(1));
        assert_eq!(answer.json()["result"]["content"][0]["text"], "ok", "{status} {told}: {answer:?}");
        assert_eq!((upstream.rpc("initialize").len(), upstream.rpc("tools/call").len()), (2, 2), "{told}");
    }
}

#[tokio::test]
async fn a_list_is_asked_for_in_a_new_session_too() {
    let upstream = mcp_server::start_with(Kind::Legacy, |seen: &Seen| {
        let is_lost = seen.header("mcp-session-id") == Some("session-0");
        (seen.rpc_method() == "tools/list" && is_lost)
            .then(|| Script::new(400, "text/plain", vec!["Invalid session ID".to_owned()]))
    })
    .await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    assert!(Modern::new(&gateway, "ada").list().await.names().contains(&"up_echo".to_owned()));
    assert_eq!((upstream.rpc("initialize").len(), upstream.rpc("tools/list").len()), (2, 2));
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    type Body = fn(&Value) -> String;
    let answers: [(u16, Body); 9] = [
        (400, |_| String::new()),
        (400, |_| "Bad Request".to_owned()),
        (500, |_| "Session not found".to_owned()),
        (502, |_| "session closed".to_owned()),
        (200, |id| error(id, -32001, "Session not found")),
        // Who names the request has read it.
        (400, |id| error(id, -32000, "Payment booked, mail failed")),
        (400, |id| error(id, -32602, "the argument session_id is required")),
        (409, |id| error(id, -32010, "the booking session is closed")),
        (422, |id| error(id, -32603, "the session of the account has expired")),
    ];
    for (status, body) in answers {
        let upstream = forgetful(status, body, true).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        Modern::new(&gateway, "ada").call("up_echo", "{}").await;
        assert_eq!(upstream.rpc("tools/call").len(), 1, "{status} {}", body(&json!(1)));
    }
}

#[tokio::test]
async fn a_server_that_knows_no_session_is_asked_twice_and_its_answer_reaches_the_client() {
    let upstream = forgetful(400, |id| error(id, -32600, "Session not found"), true).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let answer = Modern::new(&gateway, "ada").call("up_echo", "{}").await;
    assert!(answer.text.contains("Session not found"), "{answer:?}");
    assert_eq!(upstream.rpc("tools/call").len(), 2);

    let upstream = forgetful(401, |_| "Unauthorized: Session not found".to_owned(), true).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let refused = Modern::new(&gateway, "ada").call("up_echo", "{}").await.tool_error();
    assert!(refused.starts_with("The tool's server refused the gateway's credential"), "{refused}");
    assert_eq!(upstream.rpc("tools/call").len(), 2);
}
