//! What is not ours to change arrives as it was sent.

use serde_json::json;

use crate::apps::{OPEN, bridge, proxy};
use crate::client::{Legacy, Modern, modern_body};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind, ODD};
use crate::upstream::{Script, Upstream};

#[tokio::test]
async fn unknown_members_order_and_big_numbers_survive_in_both_directions() {
    for kind in [Kind::Legacy, Kind::Modern] {
        let upstream = mcp_server::start(kind).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let arguments = format!(r#"{{ {ODD} , "text":"é \ud83d\ude00 \/ \u0041" }}"#);
        let answers = {
            let meta = format!(r#""example.com/y":{{{ODD}}},"#);
            let params = format!(r#""zz":{{{ODD}}},"name":"up_echo","arguments":{arguments},"#);
            let body = modern_body("tools/call", &params, &meta);
            let modern =
                Modern::new(&gateway, "ada").send("tools/call", &body, &[("mcp-name", "up_echo")]).await;
            let legacy = Legacy::open(&gateway, "/mcp/up", "ada", "2025-11-25").await;
            let body = format!(
                r#"{{"vendor":{{{ODD}}},"method":"tools/call","jsonrpc":"2.0","id":"x","params":{{{}}}}}"#,
                format!(r#"{params}"_meta":{{{meta}"a":1}}"#).replace("up_echo", "echo")
            );
            [modern, legacy.send(&body).await]
        };
        for answer in answers {
            assert_eq!(answer.text.matches(ODD).count(), 3, "{kind:?}: {answer:?}");
            assert!(answer.text.contains(&format!(r#""structuredContent":{{{ODD}}}"#)), "{answer:?}");
        }
        let calls: Vec<_> = upstream.rpc("tools/call").into_iter().rev().take(2).collect();
        for call in &calls {
            assert!(call.body.contains(&format!(r#""arguments":{arguments}"#)), "{kind:?}: {}", call.body);
            assert!(call.body.contains(&format!(r#""zz":{{{ODD}}},"name":"echo""#)), "{}", call.body);
            assert!(call.body.contains(&format!(r#""example.com/y":{{{ODD}}}"#)), "{}", call.body);
        }
        assert!(calls[0].body.starts_with(&format!(r#"{{"vendor":{{{ODD}}},"method""#)), "{}", calls[0].body);
    }
}

#[tokio::test]
async fn text_that_can_be_read_in_two_ways_is_refused() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    let good = modern_body("tools/call", r#""name":"up_echo","arguments":{"a":{"b":1}},"#, "");
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(70), "]".repeat(70));
    let wide: String =
        (0..10_001).flat_map(|number| ["\"k".to_owned(), number.to_string(), "\":1,".to_owned()]).collect();
    let bad = [
        good.replace(r#""id":7"#, r#""id":7,"id":8"#),
        good.replace(r#""method":"#, r#""method":"tools/list","method":"#),
        good.replace(r#""jsonrpc""#, r#""Method":"tools/list","jsonrpc""#),
        good.replace(r#""name":"#, r#""name":"up_locked","name":"#),
        good.replace(r#""name":"#, r#""Name":"up_locked","name":"#),
        good.replace(r#""name":"#, r#""n\u0061me":"up_locked","name":"#),
        good.replace(r#""arguments":"#, r#""ARGUMENTS":{},"arguments":"#),
        good.replace(r#"{"b":1}"#, r#"{"b":1,"b":2}"#),
        good.replace(r#"{"b":1}"#, r#"{"b":1,"\u0062":2}"#),
        good.replace(r#"{"b":1}"#, &deep),
        good.replace(r#"{"b":1}"#, &format!("{{{wide}\"z\":1}}")),
        good.replace(r#""2.0""#, r#""1.0""#),
        good.replace(r#""id":7"#, r#""id":null"#),
        good.replace(r#""id":7"#, r#""id":7.5"#),
        good.replace(r#""id":7"#, r#""id":{}"#),
        good.replace(r#""id":7"#, &format!(r#""id":"{}""#, "x".repeat(300))),
        good.replace(r#""arguments":{"a":{"b":1}}"#, r#""_meta":{},"arguments":{}"#),
    ];
    for body in bad {
        assert_ne!(body, good);
        let answer = ada.send("tools/call", &body, &[("mcp-name", "up_echo")]).await;
        assert_eq!((answer.status, answer.error_code()), (400, -32600), "{body}: {answer:?}");
    }
    for body in ["", "{", "nonsense", "{\"jsonrpc\":\"2.0\",}", "{} {}", "\u{feff}{}"] {
        let answer = ada.send("tools/call", body, &[("mcp-name", "up_echo")]).await;
        assert_eq!((answer.status, answer.error_code()), (400, -32700), "{body}: {answer:?}");
        assert!(answer.json().get("id").is_none());
    }
    assert_eq!(upstream.seen().len(), 0);
    // Where the id could be read, the answer carries it.
    let answer = ada.send("tools/call", &good.replace(r#""2.0""#, r#""1.0""#), &[]).await;
    assert_eq!(answer.json()["id"], 7);
}

#[tokio::test]
async fn what_changes_the_course_of_a_call_is_not_passed_on() {
    for kind in [Kind::Legacy, Kind::Modern] {
        let upstream = mcp_server::start(kind).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let params = r#""name":"up_echo","task":{"ttl":1},"inputResponses":{"a":{}},"#;
        let meta = r#""io.modelcontextprotocol/logLevel":"debug","#;
        let body = modern_body("tools/call", params, meta);
        let answer = Modern::new(&gateway, "ada").send("tools/call", &body, &[("mcp-name", "up_echo")]).await;
        assert_eq!(answer.json()["result"]["content"][0]["text"], "ok", "{kind:?}");
        let call = upstream.rpc("tools/call").pop().unwrap();
        for gone in ["task", "inputResponses", "logLevel"] {
            assert!(!call.body.contains(gone), "{kind:?}: {gone} in {}", call.body);
        }
    }
}

#[tokio::test]
async fn ids_come_back_as_they_were_written() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let good = modern_body("tools/call", r#""name":"up_echo","#, "");
    for id in [r#""7""#, r#""a\"b\u0041""#, "0", "-3", "9007199254740993", r#""""#] {
        let body = good.replace(r#""id":7"#, &format!(r#""id":{id}"#));
        let answer = Modern::new(&gateway, "ada").send("tools/call", &body, &[("mcp-name", "up_echo")]).await;
        assert!(answer.text.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#)), "{answer:?}");
    }
    let sent: Vec<_> = upstream.rpc("tools/call").iter().map(|call| call.json()["id"].clone()).collect();
    let mut unique = sent.clone();
    unique.sort_by_key(ToString::to_string);
    unique.dedup();
    assert_eq!((unique.len(), sent.iter().all(serde_json::Value::is_u64)), (6, true), "{sent:?}");
}

#[tokio::test]
async fn a_megabyte_passes_in_both_directions() {
    let text = "x".repeat(1024 * 1024);
    let sent = text.clone();
    let upstream = mcp_server::start_with(Kind::Modern, move |seen| {
        let id = seen.json()["id"].clone();
        let result = json!({"resultType": "complete", "content": [{"type": "text", "text": sent}]});
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
        match seen.json()["params"]["name"].as_str() {
            Some("echo") => Some(Script::json(answer)),
            Some("progress") => Some(Script::events(vec![answer])),
            _ => None,
        }
    })
    .await;
    let whole = json!({"name": "Ada", "notes": text}).to_string();
    let api = Upstream::start(move |_| Script::json(whole.clone())).await;
    let apps = [proxy("up", &upstream, OPEN), bridge("staff", &api, OPEN)].concat();
    let gateway = Gateway::start(&apps).await;
    let ada = Modern::new(&gateway, "ada");
    for tool in ["up_echo", "up_progress"] {
        let answer = ada.call(tool, &json!({"text": text}).to_string()).await;
        assert_eq!(answer.json()["result"]["content"][0]["text"], text, "{tool}");
    }
    assert!(upstream.rpc("tools/call").iter().all(|call| call.json()["params"]["arguments"]["text"] == text));
    let answer = ada.call("staff_person", r#"{"id":"1"}"#).await.json();
    assert_eq!(answer["result"]["structuredContent"]["notes"], text);
}

#[tokio::test]
async fn older_clients_get_no_content_that_they_do_not_know() {
    let upstream = mcp_server::start_with(Kind::Modern, |seen| {
        let content = json!([{"type": "resource_link", "name": "doc", "uri": "https://x/doc"}]);
        let result = json!({"resultType": "complete", "content": content, "structuredContent": [1, 2], "ttlMs": 5, "cacheScope": "public",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "up", "version": "1"}, "keep": 1}});
        let answer = json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": result});
        (seen.rpc_method() == "tools/call").then(|| Script::json(answer.to_string()))
    })
    .await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let modern = Modern::new(&gateway, "ada").call("up_echo", "{}").await.json()["result"].clone();
    assert_eq!(
        (&modern["structuredContent"], &modern["content"][0]["type"]),
        (&json!([1, 2]), &json!("resource_link"))
    );
    for (version, kind) in
        [("2025-11-25", "resource_link"), ("2025-06-18", "resource_link"), ("2025-03-26", "text")]
    {
        let result = Legacy::open(&gateway, "/mcp/up", "ada", version).await.call("echo", "{}").await.json()
            ["result"]
            .clone();
        assert_eq!(result["content"][0]["type"], kind, "{version}");
        assert_eq!(result["_meta"], json!({"keep": 1}), "{version}");
        for gone in ["resultType", "structuredContent", "ttlMs", "cacheScope"] {
            assert_eq!(result.get(gone), None, "{version}: {gone}");
        }
    }
}
