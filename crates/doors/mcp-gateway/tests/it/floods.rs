//! Upstreams that answer without measure, and clients that do not read: what is in memory of it is bounded, counted, and
//! given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use gatehouse_edge::limits::Limit;
use gatehouse_testkit::eventually::until;

use crate::apps::{EXCHANGE, OPEN, bridge, proxy};
use crate::client::{Modern, modern_body, open};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Seen, Upstream};

const MIB: usize = 1024 * 1024;

/// An app with limits; keys and values as the configuration writes them.
fn limited(app: &str, limits: &str) -> String {
    format!("{app}    limits: {{ {limits} }}\n")
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

fn reply(seen: &Seen, result: &Value) -> Script {
    Script::json(json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": result}).to_string())
}

/// A server of `count` tools, so many on a page.
async fn shelf(count: usize, per_page: usize) -> Upstream {
    mcp_server::start_with(Kind::Modern, move |seen| {
        let start = seen.json()["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let end = count.min(start + per_page);
        let tools: Vec<Value> = (start..end).map(|number| tool(&format!("t{number:05}"))).collect();
        let mut result = json!({"resultType": "complete", "tools": tools});
        if end < count {
            result["nextCursor"] = json!(end.to_string());
        }
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &result))
    })
    .await
}

async fn all_names(client: &Modern<'_>) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let params = cursor.as_ref().map_or_else(String::new, |cursor| format!(r#""cursor":"{cursor}","#));
        let page = client.request("tools/list", &params, &[]).await;
        names.extend(page.names());
        cursor = page.json()["result"]["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return names;
        }
    }
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}t{number:05}")).collect()
}

#[tokio::test]
async fn of_too_many_tools_the_first_are_offered_and_the_others_counted() {
    let (paged, whole, few) = (shelf(1_300, 100).await, shelf(300, 300).await, shelf(5, 2).await);
    let apps = [
        limited(&proxy("paged", &paged, OPEN), "tools: 250"),
        limited(&proxy("whole", &whole, OPEN), "tools: 20"),
        limited(&proxy("few", &few, OPEN), "tools: 5"),
    ];
    let gateway = Gateway::start(&apps.concat()).await;
    let ada = Modern::new(&gateway, "ada");
    let expected = [numbered("few_", 5), numbered("paged_", 250), numbered("whole_", 20)].concat();
    assert_eq!(all_names(&ada).await, expected);
    assert_eq!(
        (paged.rpc("tools/list").len(), few.rpc("tools/list").len()),
        (3, 3),
        "no page more than needed"
    );
    let record = gateway.records.at_least(1).await.remove(0);
    assert_eq!(record["reason"], "tools_left_out");
    assert_eq!(record["target"]["object"], "left out: paged: 50 or more, whole: 280");
    assert_eq!(gateway.hits(Limit::AppTools), 2);
    assert_eq!(ada.call("paged_t00249", "{}").await.json()["result"]["content"][0]["text"], "ok");
    assert_eq!(ada.call("paged_t00250", "{}").await.error_code(), -32602);
}

#[tokio::test]
async fn a_large_app_is_offered_whole_by_default() {
    let (large, larger) = (shelf(1_220, 1_220).await, shelf(5_000, 500).await);
    let gateway = Gateway::start(&[proxy("a", &large, OPEN), proxy("b", &larger, OPEN)].concat()).await;
    assert_eq!(all_names(&Modern::new(&gateway, "ada").at("/mcp/a")).await, numbered("", 1_220));
    assert_eq!(all_names(&Modern::new(&gateway, "ada").at("/mcp/b")).await, numbered("", 5_000));
}

#[tokio::test]
async fn lists_are_bounded_in_bytes_and_pages_too() {
    let wide = mcp_server::start_with(Kind::Modern, |seen| {
        let page = seen.json()["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let tools: Vec<Value> = (0..10)
            .map(|number| {
                let mut tool = tool(&format!("t{page:02}{number:03}"));
                tool["description"] = "x".repeat(2_000).into();
                tool
            })
            .collect();
        let result = json!({"resultType": "complete", "tools": tools, "nextCursor": (page + 1).to_string()});
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &result))
    })
    .await;
    // Pages without a single tool, padded.
    let empty = mcp_server::start_with(Kind::Modern, |seen| {
        let page = seen.json()["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let result = json!({
            "resultType": "complete", "tools": [], "pad": "x".repeat(50_000), "nextCursor": (page + 1).to_string(),
        });
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &result))
    })
    .await;
    let cursor = mcp_server::start_with(Kind::Modern, |seen| {
        let cursor = "c".repeat(100_000);
        let result = json!({"resultType": "complete", "tools": [tool("one")], "nextCursor": cursor});
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &result))
    })
    .await;
    let pages = shelf(100, 1).await;
    let apps = [
        limited(&proxy("wide", &wide, OPEN), "listBytes: 65536"),
        limited(&proxy("empty", &empty, OPEN), "listBytes: 200000"),
        proxy("cursor", &cursor, OPEN),
        limited(&proxy("pages", &pages, OPEN), "listPages: 7"),
    ];
    let gateway = Gateway::start(&apps.concat()).await;
    let names = all_names(&Modern::new(&gateway, "ada")).await;
    let of = |app: &str| names.iter().filter(|name| name.starts_with(app)).count();
    assert!((20..32).contains(&of("wide_")), "{}", of("wide_"));
    assert_eq!((of("empty_"), of("cursor_"), of("pages_")), (0, 1, 7));
    assert_eq!(
        names.iter().filter(|name| name.starts_with("pages_")).cloned().collect::<Vec<_>>(),
        numbered("pages_", 7)
    );
    assert_eq!((wide.rpc("tools/list").len(), empty.rpc("tools/list").len()), (3, 4));
    assert_eq!((cursor.rpc("tools/list").len(), pages.rpc("tools/list").len()), (1, 7));
    assert_eq!((gateway.hits(Limit::ListBytes), gateway.hits(Limit::ListPages)), (2, 1));
}

#[tokio::test]
async fn of_a_large_api_the_first_operations_are_offered() {
    let api = Upstream::start(|_| Script::json(r#"{"name":"Ada"}"#)).await;
    let gateway = Gateway::start(&limited(&bridge("staff", &api, OPEN), "tools: 2")).await;
    let names = Modern::new(&gateway, "ada").list().await.names();
    assert_eq!(names, ["staff_hire", "staff_listPeople"], "those of the first path");
    let record = gateway.records.at_least(1).await.remove(0);
    assert_eq!(record["target"]["object"], "left out: staff: 2");
    assert_eq!(gateway.hits(Limit::AppTools), 1);
}

#[tokio::test]
async fn a_caller_is_shown_no_more_tools_than_one_view_may_hold() {
    let (one, other) = (shelf(60, 60).await, shelf(60, 60).await);
    let gateway =
        Gateway::with_limits("tools: 100", &[proxy("a", &one, OPEN), proxy("b", &other, OPEN)].concat())
            .await;
    let ada = Modern::new(&gateway, "ada");
    assert_eq!(all_names(&ada).await, [numbered("a_", 60), numbered("b_", 40)].concat(), "the first by name");
    assert_eq!(gateway.hits(Limit::Tools), 1);
    // The endpoint of the app has them all, and what is not shown can be called.
    assert_eq!(all_names(&ada.at("/mcp/b")).await, numbered("", 60));
    let last = Modern::new(&gateway, "ada").call("b_t00059", "{}").await;
    assert_eq!(last.json()["result"]["content"][0]["text"], "ok");
}

#[tokio::test]
async fn results_are_bounded_by_the_limit_of_their_app() {
    let upstream = mcp_server::start_with(Kind::Modern, |seen| {
        let text = "x".repeat(40_000);
        let result = json!({"resultType": "complete", "content": [{"type": "text", "text": text}]});
        (seen.rpc_method() == "tools/call").then(|| reply(seen, &result))
    })
    .await;
    let api = Upstream::start(|_| Script::new(200, "text/plain", vec!["x".repeat(40_000)])).await;
    let apps = [
        limited(&proxy("tight", &upstream, OPEN), "responseBytes: 30000"),
        limited(&proxy("loose", &upstream, OPEN), "responseBytes: 50000"),
        limited(&bridge("staff", &api, OPEN), "responseBytes: 30000"),
        limited(&bridge("team", &api, OPEN), "responseBytes: 50000"),
    ];
    let gateway = Gateway::start(&apps.concat()).await;
    let ada = Modern::new(&gateway, "ada");
    let tight = ada.call("tight_echo", "{}").await.tool_error();
    assert!(tight.starts_with("The tool's server answered more than 30000 bytes."), "{tight}");
    assert_eq!(ada.call("loose_echo", "{}").await.json()["result"]["content"][0]["text"], "x".repeat(40_000));
    let tight = ada.call("staff_listPeople", "{}").await.tool_error();
    assert!(tight.contains("larger than 30000 bytes"), "{tight}");
    assert_eq!(
        ada.call("team_listPeople", "{}").await.json()["result"]["content"][0]["text"],
        "x".repeat(40_000)
    );
    assert_eq!(gateway.hits(Limit::Response), 2);
}

#[tokio::test]
async fn floods_within_a_call_end_with_it() {
    let floods = |seen: &Seen| {
        let body = seen.json();
        let token = &body["params"]["_meta"]["progressToken"];
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}});
        let chatter = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x".repeat(1_000)}});
        let script = match body["params"]["name"].as_str()? {
            // Progress without end, events without a result, one event without an end, comments without an event.
            "progress" => Script::events(vec![progress.to_string(); 20_000]),
            "slow" => Script::events(vec![chatter.to_string(); 2_000]),
            "huge" => {
                Script::new(200, "text/event-stream", vec![format!("data: {}", "x".repeat(100_000)); 20])
            }
            "echo" => Script::new(200, "text/event-stream", vec![": still here\n".repeat(1_000); 100]),
            "ask" => Script::new(200, "application/json", vec!["[".repeat(100_000); 20]),
            _ => return None,
        };
        Some(script)
    };
    let upstream = mcp_server::start_with(Kind::Modern, floods).await;
    let gateway = Gateway::start(&limited(&proxy("up", &upstream, OPEN), "responseBytes: 1000000")).await;
    let ada = Modern::new(&gateway, "ada");
    ada.list().await;
    let idle = gateway.memory.held();
    for tool in ["slow", "huge", "echo", "ask"] {
        let error = ada.call(&format!("up_{tool}"), "{}").await.tool_error();
        assert!(error.starts_with("The tool's server answered more than 1000000 bytes."), "{tool}: {error}");
    }
    let body =
        modern_body("tools/call", r#""name":"up_progress","arguments":{},"#, r#""progressToken":"p","#);
    let streamed = ada.send("tools/call", &body, &[("mcp-name", "up_progress")]).await;
    let events = streamed.events();
    assert!((5_000..15_000).contains(&events.len()), "{}", events.len());
    assert_eq!(events.last().unwrap()["result"]["isError"], true);
    upstream.cut(4).await;
    until(|| gateway.memory.held() == idle, || "everything to be given back".to_owned()).await;
}

#[tokio::test]
async fn a_result_is_counted_until_its_slow_reader_has_it() {
    const SIZE: usize = 4 * MIB;
    let upstream = mcp_server::start_with(Kind::Modern, |seen| {
        let text = "x".repeat(SIZE);
        let result = json!({"resultType": "complete", "content": [{"type": "text", "text": text}]});
        (seen.rpc_method() == "tools/call").then(|| reply(seen, &result))
    })
    .await;
    let gateway = Gateway::within(&proxy("up", &upstream, OPEN), 256 * MIB, 24 * MIB).await;
    let (ada, bob) = (Modern::new(&gateway, "ada"), Modern::new(&gateway, "bob"));
    ada.list().await;
    let idle = gateway.memory.held();
    let call = modern_body("tools/call", r#""name":"up_echo","arguments":{},"#, "");
    let headers =
        [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "up_echo")];
    let mut unread = Vec::new();
    for _ in 0..5 {
        unread.push(open(&gateway, Method::POST, "/mcp", Some(&ada.token), &call, &headers).await);
    }
    assert!(gateway.memory.held() >= idle + 5 * SIZE, "{}", gateway.memory.held());
    // Ada has as much as one caller may; that is nobody else's trouble, and none of the upstream's.
    let refused = ada.call("up_echo", "{}").await.tool_error();
    assert!(refused.starts_with("Too much is in flight for you at once"), "{refused}");
    assert_eq!(
        bob.call("up_echo", "{}").await.json()["result"]["content"][0]["text"].as_str().unwrap().len(),
        SIZE
    );
    for response in unread {
        response.into_body().collect().await.unwrap();
    }
    until(|| gateway.memory.held() == idle, || "everything to be given back".to_owned()).await;
    assert_eq!(ada.call("up_echo", "{}").await.json()["result"].get("isError"), None);
}

#[tokio::test]
async fn an_upstream_has_no_more_than_its_share_and_others_have_theirs() {
    let large =
        |_: &Seen| Script::new(200, "text/plain", vec!["x".repeat(MIB); 12]).paced(Duration::from_millis(30));
    let (api, other) = (Upstream::start(large).await, mcp_server::start(Kind::Modern).await);
    let apps = [bridge("staff", &api, OPEN), proxy("up", &other, OPEN)].concat();
    let gateway = Gateway::within(&apps, 64 * MIB, 16 * MIB).await;
    let users: Vec<Modern<'_>> =
        (0..6).map(|number| Modern::new(&gateway, &format!("user{number}"))).collect();
    let (large, small) = (
        join_all(users.iter().map(|user| user.call("staff_listPeople", "{}"))),
        join_all(users.iter().map(|user| user.call("up_echo", "{}"))),
    );
    let (large, small) = tokio::join!(large, small);
    let refused = large.iter().filter(|answer| answer.json()["result"]["isError"] == true).count();
    assert!((1..=6).contains(&refused), "{refused}");
    for answer in large.iter().filter(|answer| answer.json()["result"]["isError"] == true) {
        let said = answer.tool_error();
        assert!(said.starts_with("Too much of what the tool's server answers is in flight"), "{said}");
    }
    assert!(small.iter().all(|answer| answer.json()["result"]["content"][0]["text"] == "ok"));
}

#[tokio::test]
async fn what_escaping_and_checking_make_of_an_answer_is_counted() {
    let api = Upstream::start(|seen| match seen.target.as_str() {
        "/v1/people/1" => {
            Script::json(format!(r#"{{"name":"Ada","more":[{}]}}"#, vec!["{}"; 100_000].join(",")))
        }
        _ => Script::new(200, "text/plain", vec!["\u{1}".repeat(3 * MIB)]),
    })
    .await;
    let gateway = Gateway::within(&bridge("staff", &api, OPEN), 64 * MIB, 16 * MIB).await;
    let ada = Modern::new(&gateway, "ada");
    // Three megabytes are six times as many once they are escaped; 300 kB of small objects a hundred times.
    for (tool, arguments) in [("staff_listPeople", "{}"), ("staff_person", r#"{"id":"1"}"#)] {
        let said = ada.call(tool, arguments).await.tool_error();
        assert!(said.starts_with("Too much"), "{said}");
    }
}

#[tokio::test]
async fn callers_with_the_same_list_share_it_and_others_are_weighed_by_what_they_hold() {
    let hints: Value = (0..400)
        .map(|number| (format!("hint{number}"), json!(true)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let asked = Arc::<AtomicUsize>::default();
    let (count, bytes) = (Arc::clone(&asked), 100 * hints.to_string().len());
    let upstream = mcp_server::start_with(Kind::Modern, move |seen| {
        if seen.rpc_method() != "tools/list" {
            return None;
        }
        count.fetch_add(1, Ordering::SeqCst);
        let tools: Vec<Value> = (0..100)
            .map(|number| json!({"name": format!("t{number}"), "inputSchema": {}, "annotations": hints}))
            .collect();
        Some(reply(seen, &json!({"resultType": "complete", "tools": tools, "ttlMs": 60_000})))
    })
    .await;
    let gateway = Gateway::start(&proxy("up", &upstream, EXCHANGE)).await;
    let before = gateway.memory.held();
    Modern::new(&gateway, "ada").list().await;
    let one = gateway.memory.held() - before;
    assert!((bytes..2 * bytes).contains(&one), "{one} for {bytes}");
    for user in ["bob", "cyd", "dan"] {
        assert_eq!(Modern::new(&gateway, user).list().await.names().len(), 100);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4, "each asks with a token of its own");
    until(|| gateway.memory.held() - before == one, || "one list to be held for all".to_owned()).await;
}

#[tokio::test]
async fn many_large_lists_at_once_take_turns() {
    let upstream = mcp_server::start_with(Kind::Modern, |seen| {
        let description = "x".repeat(100_000);
        // Lists of different callers differ.
        let who = seen.header("authorization").unwrap_or_default().to_owned();
        let tools: Vec<Value> = (0..30)
            .map(|number| json!({"name": format!("t{number}"), "inputSchema": {}, "description": description, "who": who}))
            .collect();
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &json!({"resultType": "complete", "tools": tools})))
    })
    .await;
    // Room for four lists that are being read, as many that are kept, and one or two that are still being sent. All
    // sixteen at once would not fit.
    let gateway = Gateway::within(&proxy("up", &upstream, EXCHANGE), 128 * MIB, 72 * MIB).await;
    let users: Vec<Modern<'_>> =
        (0..16).map(|number| Modern::new(&gateway, &format!("user{number}"))).collect();
    for answer in join_all(users.iter().map(Modern::list)).await {
        assert!(answer.names().len() >= 9, "{:.200}", answer.text);
    }
}
