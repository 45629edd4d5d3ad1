//! Lists of tools that break off, or never end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_testkit::eventually::until;
use gatehouse_testkit::log_capture::LogCapture;
use serde_json::{Value, json};

use crate::apps::{OPEN, proxy};
use crate::client::Modern;
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Seen, Upstream};

/// A page of tools, under the cursor that was asked with.
type Page = fn(Option<&str>, &Value) -> Script;

async fn paged(page: Page) -> Upstream {
    mcp_server::start_with(Kind::Modern, move |seen: &Seen| {
        let body = seen.json();
        (seen.rpc_method() == "tools/list").then(|| page(body["params"]["cursor"].as_str(), &body["id"]))
    })
    .await
}

fn tools(id: &Value, names: &[&str], next: Option<&str>) -> Script {
    match next {
        Some(next) => page(id, names, json!({ "nextCursor": next })),
        None => page(id, names, json!({})),
    }
}

/// A page of tools with further members.
fn page(id: &Value, names: &[&str], mut result: Value) -> Script {
    let tools: Vec<Value> =
        names.iter().map(|name| json!({ "name": name, "inputSchema": { "type": "object" } })).collect();
    result["resultType"] = json!("complete");
    if result.get("tools").is_none() {
        result["tools"] = json!(tools);
    }
    Script::json(json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string())
}

/// What is wrong with a list of the tools `a` and `b`, and how that is told.
const BROKEN: [(&str, Page, &str); 10] = [
    ("the same cursor for ever", |_, id| tools(id, &["a", "b"], Some("x")), "list_in_a_circle"),
    (
        "two cursors that lead to each other",
        |cursor, id| match cursor {
            None => tools(id, &["a"], Some("x")),
            Some("x") => tools(id, &["b"], Some("y")),
            Some(_) => tools(id, &[], Some("x")),
        },
        "list_in_a_circle",
    ),
    (
        "new cursors to an old page",
        |cursor, id| tools(id, &["a", "b"], Some(&format!("{}+", cursor.unwrap_or_default()))),
        "list_in_a_circle",
    ),
    (
        "a cursor that is a number",
        |_, id| page(id, &["a", "b"], json!({ "nextCursor": 2 })),
        "upstream_garbage",
    ),
    (
        "a cursor that is an object",
        |cursor, id| match cursor {
            None => tools(id, &["a"], Some("x")),
            Some(_) => page(id, &["b"], json!({ "nextCursor": { "page": 3 } })),
        },
        "upstream_garbage",
    ),
    (
        "a page that fails",
        |cursor, id| match cursor {
            None => tools(id, &["a", "b"], Some("x")),
            Some(_) => Script::status(500, ""),
        },
        "upstream_status",
    ),
    (
        "a page that is refused",
        |cursor, id| match cursor {
            None => tools(id, &["a", "b"], Some("x")),
            Some(_) => Script::json(
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32602, "message": "bad cursor" } })
                    .to_string(),
            ),
        },
        "upstream_rpc_error",
    ),
    (
        "a page that is none",
        |cursor, id| match cursor {
            None => tools(id, &["a", "b"], Some("x")),
            Some(_) => Script::json("<html>"),
        },
        "upstream_garbage",
    ),
    (
        "a page without an end",
        |cursor, id| match cursor {
            None => tools(id, &["a", "b"], Some("x")),
            Some(_) => Script::events(vec![]),
        },
        "upstream_silent",
    ),
    (
        "a page that does not come",
        |cursor, id| match cursor {
            None => tools(id, &["a", "b"], Some("x")),
            Some(_) => Script::json("{}").paced(Duration::from_secs(60)),
        },
        "upstream_timeout",
    ),
];

#[tokio::test]
async fn one_bad_page_does_not_empty_a_list() {
    for (name, page, reason) in BROKEN {
        let heard = LogCapture::here();
        let upstream = paged(page).await;
        let gateway = Gateway::impatient(&proxy("up", &upstream, OPEN)).await;
        let ada = Modern::new(&gateway, "ada");
        assert_eq!(ada.list().await.names(), ["up_a", "up_b"], "{name}");
        assert_eq!(ada.call("up_b", "{}").await.json()["result"]["content"][0]["text"], "ok", "{name}");
        assert_eq!(gateway.partial_lists(), [("up".to_owned(), reason)], "{name}");
        let record = gateway.records.at_least(1).await.remove(0);
        assert_eq!(record["reason"], "tools_left_out", "{name}");
        assert_eq!(record["target"]["object"], "left out: up: 0 or more", "{name}");
        let lines = heard.from_info_up();
        let told = |line: &&gatehouse_testkit::log_capture::Line| {
            line.field("app") == "up" && line.field("message").contains("list of tools")
        };
        assert_eq!(lines.iter().filter(told).count(), 1, "{name}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_list_that_broke_off_is_asked_for_again_and_then_whole() {
    let mended = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&mended);
    let upstream = mcp_server::start_with(Kind::Modern, move |seen: &Seen| {
        let body = seen.json();
        (seen.rpc_method() == "tools/list").then(|| match body["params"]["cursor"].as_str() {
            None => tools(&body["id"], &["a"], Some("x")),
            Some(_) if switch.load(Ordering::SeqCst) => tools(&body["id"], &["b"], None),
            Some(_) => Script::status(502, ""),
        })
    })
    .await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    assert_eq!(ada.list().await.names(), ["up_a"]);
    // What may be on the missing page is not said to be unknown.
    let missing = ada.call("up_b", "{}").await;
    assert!(missing.tool_error().starts_with("The tool's server answered HTTP 502."), "{missing:?}");
    mended.store(true, Ordering::SeqCst);
    gateway.clock.advance(Duration::from_secs(6));
    assert_eq!(ada.list().await.names(), ["up_a", "up_b"]);
    assert_eq!(gateway.partial_lists(), []);
}

#[tokio::test]
async fn names_on_a_page_that_is_missing_pass_to_no_other_app() {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let first = mcp_server::start_with(Kind::Modern, move |seen: &Seen| {
        let body = seen.json();
        (seen.rpc_method() == "tools/list").then(|| match body["params"]["cursor"].as_str() {
            None => tools(&body["id"], &["a"], Some("x")),
            Some(_) if switch.load(Ordering::SeqCst) => Script::status(500, ""),
            Some(_) => tools(&body["id"], &["shared"], None),
        })
    })
    .await;
    let second = paged(|_, id| tools(id, &["shared", "own"], None)).await;
    let bare = |name: &str, upstream: &Upstream| {
        proxy(name, upstream, OPEN)
            .replace("    authorization:", "    toolNamespace: { disabled: true }\n    authorization:")
    };
    let gateway = Gateway::start(&[bare("first", &first), bare("second", &second)].concat()).await;
    let ada = Modern::new(&gateway, "ada");
    assert_eq!(ada.list().await.names(), ["a", "own"], "both have the other name");
    broken.store(true, Ordering::SeqCst);
    gateway.clock.advance(Duration::from_secs(61));
    assert_eq!(ada.list().await.names(), ["a", "own"]);
    let contested = ada.call("shared", "{}").await;
    assert!(contested.tool_error().starts_with("The tool's server answered HTTP 500."), "{contested:?}");
    assert!(second.rpc("tools/call").is_empty() && first.rpc("tools/call").is_empty());
    assert_eq!(ada.call("own", "{}").await.json()["result"]["content"][0]["text"], "ok");
}

#[tokio::test]
async fn what_a_page_would_have_taken_that_could_not_be_read_is_given_back() {
    const SIZE: usize = 1_000_000;
    let cases: [(&str, Page); 3] = [
        ("tools that are no array", |cursor, id| match cursor {
            None => tools(id, &["a"], Some("x")),
            Some(_) => page(id, &[], json!({ "tools": { "name": "x".repeat(SIZE) } })),
        }),
        ("a cursor that is no string", |cursor, id| match cursor {
            None => tools(id, &["a"], Some("x")),
            Some(_) => page(id, &[], json!({ "nextCursor": ["x".repeat(SIZE)] })),
        }),
        ("a page that has been there", |_, id| {
            page(id, &["a"], json!({ "nextCursor": "x", "_meta": { "padding": "x".repeat(SIZE) } }))
        }),
    ];
    for (name, page) in cases {
        let upstream = paged(page).await;
        let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
        let ada = Modern::new(&gateway, "ada");
        let before = gateway.memory.held();
        assert_eq!(ada.list().await.names(), ["up_a"], "{name}");
        assert_eq!(gateway.partial_lists().len(), 1, "{name}");
        until(|| gateway.memory.held() < before + SIZE / 10, || format!("{name}: room to be given back"))
            .await;
    }
}
