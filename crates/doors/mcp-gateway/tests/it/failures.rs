//! Upstreams that fail, lie or overdo it.

use std::time::Duration;

use serde_json::{Value, json};

use gatehouse_testkit::eventually::until;
use gatehouse_testkit::log_capture::LogCapture;

use crate::apps::{OPEN, proxy, proxy_at};
use crate::client::{Legacy, Modern, modern_body};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Seen, Upstream};

/// What a call is answered with, by its id.
type Shape = fn(&Value) -> Script;

/// A modern server of which `echo` answers as `script` says.
async fn server(script: impl Fn(&Value) -> Script + Send + Sync + 'static) -> Upstream {
    mcp_server::start_with(Kind::Modern, move |seen: &Seen| {
        (seen.rpc_method() == "tools/call").then(|| script(&seen.json()["id"]))
    })
    .await
}

fn stream(text: String) -> Script {
    Script::new(200, "text/event-stream", vec![text])
}

fn done(id: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}}).to_string()
}

#[tokio::test]
async fn every_failure_has_its_sentence_and_its_reason() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    ada.list().await;
    let cases = [
        ("huge", "upstream_too_large", "The tool's server answered more than 16777216 bytes."),
        ("garbage", "upstream_garbage", "The tool's server sent something that is not MCP."),
        (
            "wrong_id",
            "upstream_wrong_id",
            "The tool's server answered another request than the one it was sent.",
        ),
        (
            "locked",
            "upstream_refused_credential",
            "The tool's server refused the gateway's credential with HTTP 401.",
        ),
        ("ask", "upstream_asks_client", "The tool's server asks for input before it answers"),
    ];
    for (index, (tool, reason, sentence)) in cases.into_iter().enumerate() {
        let answer = ada.call(&format!("up_{tool}"), "{}").await;
        let text = answer.tool_error();
        assert!(text.starts_with(sentence) && text.contains("(request "), "{tool}: {text}");
        assert_eq!(answer.header("www-authenticate"), None);
        let record = gateway.records.at_least(index + 2).await.pop().unwrap();
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!(reason)), "{tool}");
    }
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::impatient(&proxy("up", &upstream, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    ada.list().await;
    // Progress keeps a call alive, but not for ever.
    for (index, tool) in ["slow", "trickle"].into_iter().enumerate() {
        let (name, token) = (format!("up_{tool}"), r#""progressToken":1,"#);
        let body = modern_body("tools/call", &format!(r#""name":"{name}","#), token);
        let headers = [("mcp-name", name.as_str()), ("accept", "application/json")];
        let answer = ada.send("tools/call", &body, &headers).await.tool_error();
        assert!(answer.starts_with("The tool's server did not answer in time."), "{tool}: {answer}");
        let record = gateway.records.at_least(index + 2).await.pop().unwrap();
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("upstream_timeout")));
        upstream.cut(index + 1).await;
    }
}

#[tokio::test]
async fn http_statuses_of_an_upstream_do_not_become_ours() {
    for (status, reason) in [
        (401, "upstream_refused_credential"),
        (403, "upstream_refused_credential"),
        (429, "upstream_status"),
        (500, "upstream_status"),
        (503, "upstream_status"),
        (400, "upstream_status"),
        (404, "upstream_status"),
        (405, "upstream_status"),
        (418, "upstream_status"),
        (301, "upstream_status"),
        (307, "upstream_status"),
        (308, "upstream_status"),
        (202, "upstream_silent"),
        (200, "upstream_silent"),
    ] {
        let elsewhere = Upstream::start(|_| Script::json("{}")).await;
        let url = elsewhere.url.clone();
        let upstream = server(move |_| {
            let mut script = Script::status(status, "");
            script.headers.push(("location", url.clone()));
            script.headers.push(("www-authenticate", "Bearer realm=\"upstream\"".to_owned()));
            script
        })
        .await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let answer = Modern::new(&gateway, "ada").call("up_echo", "{}").await;
        answer.tool_error();
        assert_eq!(answer.header("www-authenticate"), None, "{status}");
        let record = gateway.records.at_least(1).await.remove(0);
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!(reason)), "{status}");
        assert_eq!(elsewhere.seen().len(), 0, "{status}: no redirect is followed");
        assert_eq!(upstream.rpc("tools/call").len(), 1, "{status}: nothing is done twice");
    }
}

#[tokio::test]
async fn json_rpc_errors_of_an_upstream_reach_the_client_when_they_are_meant_for_it() {
    // As the upstream says it, and as modern and older clients get it; 0 is a result with `isError`.
    for (status, code, modern, legacy) in [
        (200, -32602, -32602, -32602),
        (400, -32602, -32602, -32602),
        (200, -32603, -32603, -32603),
        (200, 1234, 1234, 1234),
        (200, -32002, -32602, -32002),
        (400, -32021, -32021, 0),
        (404, -32601, -32603, -32603),
        (400, -32020, -32603, -32603),
        (400, -32600, -32603, -32603),
        (400, -32000, -32000, -32000),
        (404, -32001, -32001, -32001),
        (200, -32042, -32603, -32603),
    ] {
        let upstream = server(move |id| {
            let error = json!({"code": code, "message": "upstream says no", "data": {"requiredCapabilities": {"sampling": {}}}});
            Script::status(status, json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string())
        })
        .await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let answer = Modern::new(&gateway, "ada").call("up_echo", "{}").await;
        assert_eq!(answer.error_code(), modern, "{code}: {answer:?}");
        assert_eq!(answer.json()["id"], 7);
        let answer = Legacy::open(&gateway, "/mcp/up", "ada", "2025-11-25").await.call("echo", "{}").await;
        assert_eq!(answer.status, 200, "{code}");
        if legacy == 0 {
            assert!(answer.tool_error().contains("sampling"), "{answer:?}");
        } else {
            assert_eq!(answer.error_code(), legacy, "{code}: {answer:?}");
        }
        let record = gateway.records.at_least(1).await.remove(0);
        assert_eq!(
            (&record["outcome"], &record["reason"]),
            (&json!("error"), &json!("upstream_rpc_error")),
            "{code}"
        );
        assert_eq!(upstream.rpc("tools/call").len(), 2, "{code}: nothing is done twice");
    }
}

#[tokio::test]
async fn event_streams_are_read_in_every_shape_and_must_end_in_an_answer() {
    let cases: [(&str, Shape, Result<&str, &str>); 9] = [
        ("plain", |id| Script::events(vec![done(id)]), Ok("done")),
        (
            "priming",
            |id| {
                Script::new(
                    200,
                    "text/event-stream",
                    vec![format!("id: 1\ndata:\n\nretry: 10\n\n: hi\n\ndata: {}\n\n", done(id))],
                )
            },
            Ok("done"),
        ),
        (
            "crlf in pieces",
            |id| {
                let text = format!("event: message\r\ndata: {}\r\n\r\n", done(id));
                Script::new(200, "Text/Event-Stream; charset=utf-8", text.chars().map(String::from).collect())
            },
            Ok("done"),
        ),
        (
            "several lines",
            |id| {
                Script::new(
                    200,
                    "text/event-stream",
                    vec![format!("data: {}\n\n", done(id).replace(",\"id\"", ",\ndata: \"id\""))],
                )
            },
            Ok("done"),
        ),
        (
            "log and ping first",
            |id| {
                let log = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}).to_string();
                Script::events(vec![log, done(id)])
            },
            Ok("done"),
        ),
        ("no end", |_| Script::events(vec![]), Err("ended its answer without a response")),
        (
            "cut event",
            |id| Script::new(200, "text/event-stream", vec![format!("data: {}", done(id))]),
            Err("ended its answer without a response"),
        ),
        (
            "not utf-8",
            |_| Script::raw(200, "text/event-stream", vec![b"data: \xff\xfe\n\n".to_vec()]),
            Err("sent an event stream that cannot be read"),
        ),
        (
            "a question",
            |_| {
                Script::events(vec![
                    json!({"jsonrpc": "2.0", "id": "u", "method": "sampling/createMessage", "params": {}})
                        .to_string(),
                ])
            },
            Err("asks its client for \"sampling/createMessage\""),
        ),
    ];
    read_all(&cases).await;
}

#[tokio::test]
async fn events_of_other_types_than_message_are_not_heard() {
    let cases: [(&str, Shape, Result<&str, &str>); 5] = [
        (
            "a ping with data",
            |id| stream(format!("event: ping\ndata: {{}}\n\ndata: {}\n\n", done(id))),
            Ok("done"),
        ),
        (
            "beats of text between events",
            |id| {
                let beat = "event: heartbeat\ndata: 2026-11-30T22:00:00Z\n\n";
                stream(format!("{beat}event: message\ndata: {}\n\n{beat}", done(id)))
            },
            Ok("done"),
        ),
        ("an event of no name", |id| stream(format!("event:\ndata: {}\n\n", done(id))), Ok("done")),
        (
            "the session's address first",
            |id| stream(format!("event: endpoint\ndata: /messages?id=1\n\ndata: {}\n\n", done(id))),
            Ok("done"),
        ),
        (
            "another type only",
            |id| stream(format!("event: result\ndata: {}\n\n", done(id))),
            Err("ended its answer without a response"),
        ),
    ];
    read_all(&cases).await;
}

async fn read_all(cases: &[(&str, Shape, Result<&str, &str>)]) {
    for (name, shape, expected) in cases.iter().copied() {
        let upstream = server(shape).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let answer = Modern::new(&gateway, "ada").call("up_echo", "{}").await;
        match expected {
            Ok(text) => assert_eq!(answer.json()["result"]["content"][0]["text"], text, "{name}"),
            Err(text) => assert!(answer.tool_error().contains(text), "{name}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_reads_the_log_learns_why_a_stream_held_no_answer() {
    let cases: [(Shape, &str); 3] = [
        (|id| stream(format!("data: {}", done(id))), "ended inside of an event"),
        (|id| stream(format!("data: {}\n", done(id))), "ended inside of an event"),
        (
            |id| stream(format!("event: result\ndata: {}\n\n", done(id))),
            "events of other types than `message` were skipped: 1",
        ),
    ];
    for (shape, detail) in cases {
        let heard = LogCapture::here();
        let upstream = server(shape).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        Modern::new(&gateway, "ada").call("up_echo", "{}").await.tool_error();
        let lines = heard.from_info_up();
        let failed = lines.iter().find(|line| line.field("message") == "tool call failed").unwrap();
        assert_eq!(failed.field("reason"), "upstream_silent");
        assert!(failed.field("detail").contains(detail), "{failed:?}");
    }
}

#[tokio::test]
async fn answers_that_are_no_answers_are_refused() {
    let cases: [(&str, &str); 7] = [
        (
            r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","content":[]},"error":{"code":1,"message":""}}"#,
            "sent something that is not MCP",
        ),
        (r#"{"jsonrpc":"2.0","id":ID,"result":[]}"#, "sent something that is not MCP"),
        (r#"{"jsonrpc":"2.0","id":ID}"#, "sent something that is not MCP"),
        (r#"{"id":ID,"result":{}}"#, "sent something that is not MCP"),
        (r#"[{"jsonrpc":"2.0","id":ID,"result":{}}]"#, "sent something that is not MCP"),
        (
            r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"task","taskId":"t"}}"#,
            "the result type \"task\"",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"result":{"resultType":"complete","content":[]}}"#,
            "sent something that is not MCP",
        ),
    ];
    for (body, text) in cases {
        let upstream = server(move |id| Script::json(body.replace("ID", &id.to_string()))).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let answer = Modern::new(&gateway, "ada").call("up_echo", "{}").await;
        assert!(answer.tool_error().contains(text), "{body}: {answer:?}");
    }
    let upstream = server(|id| {
        let mut script = Script::json(done(id));
        script.headers.push(("content-encoding", "deflate".to_owned()));
        script
    })
    .await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let answer = Modern::new(&gateway, "ada").call("up_echo", "{}").await;
    assert!(answer.tool_error().contains("compressed its answer"), "{answer:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_something_else_is_named() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/mcp", listener.local_addr().unwrap())
    };
    let retired = Upstream::start(|_| Script::status(405, "")).await;
    let locked = Upstream::start(|_| Script::status(401, "")).await;
    let html = Upstream::start(|_| Script::new(200, "text/html", vec!["<html>".to_owned()])).await;
    let future = Upstream::start(|seen| {
        let error = json!({"code": -32022, "message": "", "data": {"supported": ["2031-01-01"]}});
        Script::status(400, json!({"jsonrpc": "2.0", "id": seen.json()["id"], "error": error}).to_string())
    })
    .await;
    for (url, sentence, reason) in [
        (gone, "The upstream could not be reached.", "upstream_unreachable"),
        (
            retired.url.clone(),
            "The tool's server speaks no protocol version that this gateway speaks.",
            "upstream_handshake",
        ),
        (
            locked.url.clone(),
            "The tool's server refused the gateway's credential with HTTP 401.",
            "upstream_refused_credential",
        ),
        (
            html.url.clone(),
            "The tool's server speaks no protocol version that this gateway speaks.",
            "upstream_handshake",
        ),
        (
            future.url.clone(),
            "The tool's server speaks no protocol version that this gateway speaks.",
            "upstream_handshake",
        ),
    ] {
        let gateway = Gateway::start(&proxy_at("up", &url, OPEN)).await;
        let answer = Modern::new(&gateway, "ada").call("up_echo", "{}").await;
        assert!(answer.tool_error().starts_with(sentence), "{url}: {answer:?}");
        let record = gateway.records.at_least(1).await.remove(0);
        assert_eq!(record["reason"], reason, "{url}");
    }
    assert!(future.rpc("tools/list").is_empty() && future.rpc("tools/call").is_empty());
}

#[tokio::test]
async fn an_upstream_that_changes_its_revision_is_found_again() {
    let modern = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let switch = std::sync::Arc::clone(&modern);
    let sessions = mcp_server::Sessions::new(1);
    let upstream = Upstream::start(move |seen| {
        let kind = if switch.load(std::sync::atomic::Ordering::SeqCst) { Kind::Modern } else { Kind::Legacy };
        mcp_server::answer(kind, seen, &sessions)
    })
    .await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    for now in [true, false, true] {
        modern.store(now, std::sync::atomic::Ordering::SeqCst);
        gateway.clock.advance(Duration::from_secs(1));
        let answer = ada.call("up_echo", "{}").await;
        assert_eq!(answer.json()["result"]["content"][0]["text"], "ok", "modern: {now}: {answer:?}");
    }
}

#[tokio::test]
async fn an_older_server_is_answered_while_it_works_and_told_when_it_is_too_slow() {
    let upstream = mcp_server::start_with(Kind::Legacy, |seen| {
        let ping = json!({"jsonrpc": "2.0", "id": "p\u{fc}-1", "method": "ping"}).to_string();
        let id = seen.json()["id"].clone();
        let late = seen.json()["params"]["arguments"]["late"] == true;
        let mut script = Script::events(vec![ping, done(&id)]);
        if late {
            script.pieces[1].0 = Duration::from_secs(60);
        }
        (seen.rpc_method() == "tools/call" && seen.header("mcp-session-id") != Some("session-0"))
            .then_some(script)
    })
    .await;
    let gateway = Gateway::impatient(&proxy("up", &upstream, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    assert_eq!(ada.call("up_echo", "{}").await.json()["result"]["content"][0]["text"], "done");
    let pongs =
        || upstream.seen().into_iter().filter(|seen| seen.json()["id"] == "p\u{fc}-1").collect::<Vec<_>>();
    until(|| !pongs().is_empty(), || "the answer to the ping".to_owned()).await;
    let pong = pongs().remove(0);
    assert_eq!((&pong.json()["result"], pong.header("mcp-session-id")), (&json!({}), Some("session-1")));
    assert_eq!(pong.header("mcp-protocol-version"), Some("2025-11-25"));

    let late = ada.call("up_echo", r#"{"late":true}"#).await.tool_error();
    assert!(late.starts_with("The tool's server did not answer in time."), "{late}");
    let cancelled = upstream.heard("notifications/cancelled").await;
    let call = upstream.rpc("tools/call").pop().unwrap();
    assert_eq!(cancelled.json()["params"]["requestId"], call.json()["id"]);
    assert_eq!(upstream.rpc("notifications/cancelled").len(), 1, "the answered call is not cancelled");
}
