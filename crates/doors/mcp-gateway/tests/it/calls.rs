//! `tools/call`.

use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::json;

use gatehouse_testkit::eventually::until;

use crate::apps::{OPEN, POLICED, bridge, proxy};
use crate::client::{Legacy, Modern, modern_body, open, post};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Seen, Upstream};

#[tokio::test]
async fn both_kinds_of_client_call_both_kinds_of_upstream() {
    for kind in [Kind::Legacy, Kind::Modern, Kind::Dual] {
        let upstream = mcp_server::start(kind).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let modern = Modern::new(&gateway, "ada").call("up_echo", r#"{"a":1}"#).await;
        assert_eq!((modern.status, &modern.json()["id"]), (200, &json!(7)), "{kind:?}");
        let result = modern.json()["result"].clone();
        assert_eq!(
            (&result["resultType"], &result["content"][0]["text"]),
            (&json!("complete"), &json!("ok"))
        );
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "gatehouse");

        let legacy = Legacy::open(&gateway, "/mcp/up", "ada", "2025-11-25").await;
        let answer = legacy.call("echo", r#"{"a":1}"#).await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!("c-1")), "{kind:?}");
        let result = answer.json()["result"].clone();
        assert_eq!((result.get("resultType"), &result["content"][0]["text"]), (None, &json!("ok")));

        for call in upstream.rpc("tools/call") {
            let body = call.json();
            assert_eq!(
                (&body["params"]["name"], &body["params"]["arguments"]),
                (&json!("echo"), &json!({"a": 1}))
            );
            let meta = &body["params"]["_meta"];
            if kind == Kind::Legacy {
                assert!(call.header("mcp-session-id").is_some() && call.header("mcp-method").is_none());
                assert_eq!(call.header("mcp-protocol-version"), Some("2025-11-25"));
                assert!(meta.get("io.modelcontextprotocol/protocolVersion").is_none(), "{body}");
            } else {
                assert_eq!((call.header("mcp-name"), call.header("mcp-session-id")), (Some("echo"), None));
                assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
                assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "gatehouse");
            }
        }
    }
}

#[tokio::test]
async fn a_lost_session_is_opened_again_and_the_call_sent_once_more() {
    let upstream = mcp_server::start(Kind::Legacy).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    assert_eq!(ada.call("up_echo", "{}").await.json()["result"]["content"][0]["text"], "ok");
    let sessions: Vec<_> = upstream
        .rpc("tools/call")
        .iter()
        .map(|call| call.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(sessions, ["session-0", "session-1"]);
    // Each principal has a session of its own.
    Modern::new(&gateway, "bob").call("up_echo", "{}").await;
    ada.call("up_echo", "{}").await;
    let sessions: Vec<_> = upstream
        .rpc("tools/call")
        .iter()
        .skip(2)
        .map(|call| call.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(sessions, ["session-2", "session-1"]);
    assert_eq!(upstream.rpc("notifications/initialized").len(), 3);
    assert_eq!(upstream.rpc("server/discover").len(), 1, "the revision is found once");
}

#[tokio::test]
async fn policy_denies_a_call_in_words_for_the_model() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, POLICED)).await;
    let bob = Modern::new(&gateway, "bob");
    bob.list().await;
    let denied = bob.call("up_echo", r#"{"secret":"argument-canary"}"#).await;
    let request = denied.header("request-id").unwrap().to_owned();
    assert_eq!(denied.tool_error(), format!("Ask ops for echo. (request {request})"));
    assert!(!denied.text.contains("bob is out"));
    let silent = bob.call("up_locked", "{}").await.tool_error();
    assert!(silent.starts_with("Policy does not allow this. (request "), "{silent}");
    let legacy = Legacy::open(&gateway, "/mcp/up", "bob", "2025-06-18").await;
    assert!(legacy.call("echo", "{}").await.tool_error().starts_with("Ask ops for echo."));
    assert_eq!(upstream.rpc("tools/call").len(), 0);

    let records = gateway.records.at_least(6).await;
    let record = records.iter().find(|record| record["request"]["id"] == json!(request)).unwrap();
    assert_eq!((&record["event"], &record["outcome"]), (&json!("tool.call"), &json!("deny")));
    assert_eq!(record["policy"]["name"], "calls");
    assert_eq!(record["policy"]["internal_message"], "bob is out");
    assert_eq!((&record["target"]["tool"], &record["target"]["app"]), (&json!("up_echo"), &json!("up")));
    assert!(!serde_json::to_string(&records).unwrap().contains("argument-canary"));
}

#[tokio::test]
async fn progress_reaches_those_who_take_event_streams() {
    for kind in [Kind::Modern, Kind::Legacy] {
        let upstream = mcp_server::start(kind).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let ada = Modern::new(&gateway, "ada");
        let body = modern_body("tools/call", r#""name":"up_progress","#, r#""progressToken":"mine","#);
        let answer = ada.send("tools/call", &body, &[("mcp-name", "up_progress")]).await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{kind:?}");
        assert_eq!(answer.header("x-accel-buffering"), Some("no"));
        let messages = answer.events();
        let progress: Vec<_> = messages.iter().map(|message| message["params"]["progress"].clone()).collect();
        assert_eq!(progress, [json!(1), json!(2), json!(null)]);
        assert!(messages.iter().take(2).all(|message| message["params"]["progressToken"] == "mine"));
        assert_eq!(
            (&messages[2]["id"], &messages[2]["result"]["content"][0]["text"]),
            (&json!(7), &json!("done"))
        );
        // The upstream knows a token of the gateway's own.
        assert_ne!(upstream.rpc("tools/call")[0].json()["params"]["_meta"]["progressToken"], "mine");

        let json_only = [("mcp-name", "up_progress"), ("accept", "application/json")];
        let answer = ada.send("tools/call", &body, &json_only).await;
        assert_eq!(answer.json()["result"]["content"][0]["text"], "done");
        // Nobody asked for progress, so none is passed on.
        let silent = ada.call("up_progress", "{}").await;
        assert_eq!(silent.json()["result"]["content"][0]["text"], "done");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_call_along() {
    let (new, old) = (mcp_server::start(Kind::Modern).await, mcp_server::start(Kind::Legacy).await);
    let api = Upstream::start(|_| Script::json("{}").paced(Duration::from_secs(60))).await;
    let apps = [proxy("new", &new, OPEN), proxy("old", &old, OPEN), bridge("staff", &api, OPEN)].concat();
    let gateway = Gateway::start(&apps).await;
    let token = gateway.token("ada");
    for (tool, upstream) in [("new_slow", &new), ("old_slow", &old), ("staff_listPeople", &api)] {
        let body = modern_body("tools/call", &format!(r#""name":"{tool}","arguments":{{}},"#), "");
        let headers =
            [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", tool)];
        let call = post(&gateway, "/mcp", Some(&token), &body, &headers);
        let sent = |seen: &Seen| match seen.rpc_method().as_str() {
            "tools/call" => seen.header("mcp-session-id") != Some("session-0"),
            _ => seen.method == "GET",
        };
        let arrived = until(|| upstream.seen().iter().any(sent), || format!("the call of {tool}"));
        tokio::select! {
            answer = call => panic!("{tool}: {answer:?}"),
            () = arrived => {}
        }
        upstream.cut(1).await;
    }
    // A session survives its connections, so an older server has to be told.
    let cancelled = old.heard("notifications/cancelled").await;
    assert_eq!(cancelled.header("mcp-session-id"), Some("session-1"));
    let call = old.rpc("tools/call").pop().unwrap();
    assert_eq!(cancelled.json()["params"]["requestId"], call.json()["id"]);
    assert_eq!(new.rpc("notifications/cancelled").len(), 0);
    let records = gateway.records.at_least(3).await;
    assert!(records.iter().all(|record| record["reason"] == "client_gone"), "{records:#?}");
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_takes_its_call_along() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let body = modern_body("tools/call", r#""name":"up_trickle","#, r#""progressToken":1,"#);
    let headers =
        [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "up_trickle")];
    let token = gateway.token("ada");
    let mut response =
        open(&gateway, http::Method::POST, "/mcp", Some(&token), &body, &headers).await.into_body();
    let first = response.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("notifications/progress"), "{first:?}");
    drop(response);
    upstream.cut(1).await;
    let record = gateway.records.at_least(1).await.remove(0);
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("client_gone")));
}

#[tokio::test]
async fn a_client_of_a_session_cancels_with_a_notification() {
    for kind in [Kind::Modern, Kind::Legacy] {
        let upstream = mcp_server::start(kind).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let ada = Legacy::open(&gateway, "/mcp/up", "ada", "2025-11-25").await;
        let mallory = Legacy::open(&gateway, "/mcp/up", "mallory", "2025-11-25").await;
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c-1","reason":"enough"}}"#;
        let other = cancel.replace("c-1", "c-2");
        let interrupt = async {
            let sent = || {
                upstream
                    .rpc("tools/call")
                    .iter()
                    .any(|call| call.header("mcp-session-id") != Some("session-0"))
            };
            until(sent, || "the call".to_owned()).await;
            // Not theirs to cancel, and not the call that is meant.
            assert_eq!(mallory.send(cancel).await.status, 202);
            assert_eq!(ada.send(&other).await.status, 202);
            assert_eq!(ada.list().await.status, 200);
            assert_eq!(ada.send(cancel).await.status, 202);
        };
        let (answer, ()) = tokio::join!(ada.call("slow", "{}"), interrupt);
        assert!(answer.tool_error().starts_with("The client cancelled this call."), "{answer:?}");
        upstream.cut(1).await;
        if kind == Kind::Legacy {
            upstream.heard("notifications/cancelled").await;
        }
        let records = gateway.records.at_least(8).await;
        let call = records.iter().find(|record| record["event"] == "tool.call").unwrap();
        assert_eq!(call["reason"], "call_cancelled", "{call:#}");
    }
}

#[tokio::test]
async fn answers_go_to_those_who_asked() {
    for kind in [Kind::Modern, Kind::Legacy] {
        let upstream = mcp_server::start_with(kind, |seen| {
            let body = seen.json();
            let who = body["params"]["arguments"]["who"].as_str()?.to_owned();
            let content = json!([{"type": "text", "text": who}]);
            let result = json!({"resultType": "complete", "content": content});
            let answer = json!({"jsonrpc": "2.0", "id": body["id"], "result": result}).to_string();
            (seen.header("mcp-session-id") != Some("session-0"))
                .then(|| Script::events(vec![answer]).paced(Duration::from_millis(who.len() as u64)))
        })
        .await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let (ada, bob) = (Modern::new(&gateway, "ada"), Modern::new(&gateway, "bob"));
        let calls = (0..40).map(|number| {
            let client = if number % 2 == 0 { &ada } else { &bob };
            let who = "x".repeat(40 - number);
            async move {
                let answer = client.call("up_echo", &json!({ "who": who }).to_string()).await.json();
                assert_eq!(
                    (&answer["id"], &answer["result"]["content"][0]["text"]),
                    (&json!(7), &json!(who))
                );
            }
        });
        futures_util::future::join_all(calls).await;
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_client_cancels_the_call() {
    let upstream = mcp_server::start(Kind::Legacy).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Legacy::open(&gateway, "/mcp/up", "ada", "2025-11-25").await;
    let params = r#"{"name":"trickle","arguments":{},"_meta":{"progressToken":"mine"}}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{params}}}"#);
    let headers = [("mcp-session-id", ada.session.as_str())];
    let mut stream =
        open(&gateway, http::Method::POST, "/mcp/up", Some(&ada.token), &body, &headers).await.into_body();
    let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&first).contains(r#""progressToken":"mine""#), "{first:?}");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#;
    assert_eq!(ada.send(cancel).await.status, 202);
    let rest = stream.collect().await.unwrap().to_bytes();
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    assert!(rest.contains("The client cancelled this call."), "{rest}");
    upstream.heard("notifications/cancelled").await;
    let records = gateway.records.at_least(4).await;
    assert!(records.iter().any(|record| record["reason"] == "call_cancelled"), "{records:#?}");
}

/// docs/guides/policies.md says so.
#[tokio::test]
async fn policies_see_whole_numbers_of_64_bits_exactly_and_others_as_doubles() {
    let policy = r#"      inbound:
        opa:
          name: amounts
          rego: |
            package orchestrator
            default result := {"allowed": false}
            result := {"allowed": true} if input.request.mcp.tool.params.arguments.amount == LIMIT
      outbound: { type: unprotected }
"#;
    let upstream = mcp_server::start(Kind::Modern).await;
    for (limit, amount, equal) in [
        ("9007199254740993", "9007199254740993", true),
        ("9007199254740992", "9007199254740993", false),
        ("18446744073709551615", "18446744073709551615", true),
        ("18446744073709551614", "18446744073709551615", false),
        ("-9223372036854775808", "-9223372036854775808", true),
        ("0.1", "0.1000000000000000000001", true),
        ("36893488147419103232", "36893488147419103233", true),
    ] {
        let gateway = Gateway::start(&proxy("up", &upstream, &policy.replace("LIMIT", limit))).await;
        let answer = Modern::new(&gateway, "ada").call("up_echo", &format!(r#"{{"amount":{amount}}}"#)).await;
        let allowed = answer.json()["result"]["isError"].is_null();
        assert_eq!(allowed, equal, "{amount} == {limit}: {answer:?}");
        let sent = upstream.rpc("tools/call").last().map(|seen| seen.body.clone()).unwrap_or_default();
        assert!(!allowed || sent.contains(&format!(r#""amount":{amount}}}"#)), "{sent}");
    }
}
