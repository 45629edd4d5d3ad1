//! `tools/list`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::apps::{EXCHANGE, OPEN, OWN, POLICED, bridge, proxy, proxy_at};
use crate::client::{Legacy, Modern, send};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Upstream};

const TOOLS: [&str; 11] = [
    "ask", "echo", "garbage", "huge", "locked", "progress", "regional", "secret", "slow", "trickle",
    "wrong_id",
];

fn reply(seen: &crate::upstream::Seen, result: &str) -> Script {
    Script::json(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, seen.json()["id"]))
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

#[tokio::test]
async fn every_client_lists_every_kind_of_upstream() {
    let (old, new) = (mcp_server::start(Kind::Legacy).await, mcp_server::start(Kind::Modern).await);
    let (both, api) = (mcp_server::start(Kind::Dual).await, Upstream::start(|_| Script::json("{}")).await);
    let apps = [proxy("old", &old, OPEN), proxy("new", &new, OPEN), proxy("both", &both, OPEN)];
    let gateway = Gateway::start(&format!("{}{}", apps.concat(), bridge("staff", &api, OPEN))).await;
    let mut expected: Vec<String> =
        ["old_", "new_", "both_"].iter().flat_map(|app| TOOLS.map(|tool| format!("{app}{tool}"))).collect();
    expected.extend(["fire", "hire", "listPeople", "person"].map(|tool| format!("staff_{tool}")));
    expected.sort_unstable();

    let modern = Modern::new(&gateway, "ada").list().await;
    assert_eq!((modern.status, modern.names()), (200, expected.clone()));
    let result = &modern.json()["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!((&result["cacheScope"], result["ttlMs"].as_u64().is_some()), (&json!("private"), true));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "gatehouse");
    assert_eq!(modern.header("cache-control"), Some("no-store"));

    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let legacy = Legacy::open(&gateway, "/mcp", "ada", version).await.list().await;
        assert_eq!((legacy.status, legacy.names()), (200, expected.clone()), "{version}");
        let result = legacy.json()["result"].clone();
        let members: Vec<&String> = result.as_object().unwrap().keys().collect();
        assert_eq!(members, ["tools"], "{version}");
    }
    for app in ["old", "new", "both"] {
        let path = format!("/mcp/{app}");
        assert_eq!(Modern::new(&gateway, "ada").at(&path).list().await.names(), TOOLS, "{app}");
    }
    assert_eq!((new.rpc("tools/list").len(), both.rpc("initialize").len()), (1, 0), "one list serves all");
    assert_eq!((old.rpc("tools/list").len(), new.rpc("initialize").len()), (1, 0));
}

#[tokio::test]
async fn a_hidden_tool_is_as_unknown_as_one_that_does_not_exist() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, POLICED)).await;
    let (ada, bob) = (Modern::new(&gateway, "ada"), Modern::new(&gateway, "bob"));
    assert!(ada.list().await.names().contains(&"up_secret".to_owned()));
    assert!(!bob.list().await.names().contains(&"up_secret".to_owned()));
    assert!(!bob.list().await.text.contains("secret"));

    assert_eq!(ada.call("up_secret", "{}").await.json()["result"]["content"][0]["text"], "ok");
    let before = upstream.rpc("tools/call").len();
    let (hidden, missing) = (bob.call("up_secret", "{}").await, bob.call("up_absent", "{}").await);
    assert_eq!((hidden.status, hidden.error_code()), (200, -32602));
    assert_eq!(hidden.without_id().replace("up_secret", "X"), missing.without_id().replace("up_absent", "X"));
    let headers = |answer: &crate::client::Answer| {
        let names = answer
            .headers
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "request-id" | "content-length" | "date"));
        names.cloned().collect::<Vec<_>>()
    };
    assert_eq!(headers(&hidden), headers(&missing));
    assert_eq!(upstream.rpc("tools/call").len(), before);

    let legacy = Legacy::open(&gateway, "/mcp/up", "bob", "2025-11-25").await;
    assert!(!legacy.list().await.names().contains(&"secret".to_owned()));
    let hidden = legacy.call("secret", "{}").await;
    assert_eq!((hidden.status, hidden.error_code()), (200, -32602));
}

#[tokio::test]
async fn an_app_that_is_down_leaves_the_others_listed_and_its_name_in_the_record() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let broken = Upstream::start(|_| Script::status(503, "")).await;
    let apps = [proxy("up", &upstream, OPEN), proxy("down", &broken, OPEN)].concat();
    let gateway = Gateway::start(&apps).await;
    let names = Modern::new(&gateway, "ada").list().await.names();
    assert_eq!((names.len(), names.iter().all(|name| name.starts_with("up_"))), (TOOLS.len(), true));
    let record = gateway.records.at_least(1).await.remove(0);
    assert_eq!((&record["event"], &record["reason"]), (&json!("tool.list"), &json!("apps_not_listed")));
    assert_eq!(record["target"]["object"], "not listed: down: upstream_status");
    // A call in its namespace says that it failed, not that there is no such tool.
    let failed = Modern::new(&gateway, "ada").call("down_echo", "{}").await;
    assert!(failed.tool_error().starts_with("The tool's server answered HTTP 503."), "{failed:?}");
}

#[tokio::test]
async fn pages_of_an_upstream_are_read_to_the_end_and_of_an_endless_list_the_first_are_kept() {
    let paged = mcp_server::start_with(Kind::Modern, |seen| {
        let page = seen.json()["params"]["cursor"].as_str().map_or(0, str::len);
        let next =
            if page < 3 { format!(r#","nextCursor":"{}""#, "x".repeat(page + 1)) } else { String::new() };
        let tools = json!([tool(&format!("tool{page}"))]);
        let result =
            format!(r#"{{"resultType":"complete","tools":{tools},"ttlMs":0,"cacheScope":"public"{next}}}"#);
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &result))
    })
    .await;
    let endless = mcp_server::start_with(Kind::Modern, |seen| {
        let page = seen.json()["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let result =
            json!({"resultType": "complete", "tools": [tool(&format!("t{page}"))], "nextCursor": format!("{}", page + 1)});
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &result.to_string()))
    })
    .await;
    let circle = mcp_server::start_with(Kind::Modern, |seen| {
        let result = json!({"resultType": "complete", "tools": [tool("same")], "nextCursor": ""});
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &result.to_string()))
    })
    .await;
    let apps = [proxy("p", &paged, OPEN), proxy("e", &endless, OPEN), proxy("c", &circle, OPEN)].concat();
    let gateway = Gateway::start(&apps).await;
    let names = Modern::new(&gateway, "ada").list().await.names();
    assert_eq!(endless.rpc("tools/list").len(), 100);
    assert_eq!(circle.rpc("tools/list").len(), 2);
    // The list that goes in a circle says the same twice, which is one tool.
    let mut expected: Vec<String> = (0..100).map(|page| format!("e_t{page}")).collect();
    expected.push("c_same".to_owned());
    expected.extend((0..4).map(|page| format!("p_tool{page}")));
    expected.sort_unstable();
    assert_eq!(names, expected);
    let record = gateway.records.at_least(1).await.remove(0);
    assert_eq!(record["reason"], "tools_left_out");
    assert_eq!(record["target"]["object"], "left out: e: 0 or more, c: 0 or more");
}

#[tokio::test]
async fn long_lists_come_in_pages_of_which_all_hold_together() {
    let many = mcp_server::start_with(Kind::Modern, |seen| {
        let tools: Vec<Value> = (0..600).map(|number| tool(&format!("t{number:03}"))).collect();
        let result =
            json!({"resultType": "complete", "tools": tools, "ttlMs": 60_000, "cacheScope": "public"});
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &result.to_string()))
    })
    .await;
    let gateway = Gateway::start(&proxy("m", &many, OPEN)).await;
    let ada = Modern::new(&gateway, "ada");
    let (mut names, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..10 {
        let params = cursor.as_ref().map_or_else(String::new, |cursor| format!(r#""cursor":"{cursor}","#));
        let page = ada.request("tools/list", &params, &[]).await;
        names.extend(page.names());
        assert_eq!(page.json()["result"]["cacheScope"], "private");
        cursor = page.json()["result"]["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, (0..600).map(|number| format!("m_t{number:03}")).collect::<Vec<_>>());
    for wrong in [r#""cursor":"nonsense","#, r#""cursor":"","#, r#""cursor":7,"#] {
        let answer = ada.request("tools/list", wrong, &[]).await;
        assert_eq!((answer.status, answer.error_code()), (200, -32602), "{wrong}");
    }
}

#[tokio::test]
async fn definitions_keep_their_bytes_but_not_what_hides_in_them() {
    const KEPT: &str = r##""inputSchema":{"type":"object","$defs":{"z":{"type":"string"}},"properties":{"b":{"$ref":"#/$defs/z"},"a":{"maximum":12345678901234567890123}},"additionalProperties":false},"x-vendor":{"zeta":1e2,"alpha":[]},"_meta":{"ui":{"resourceUri":"ui://x"}}"##;
    let upstream = mcp_server::start_with(Kind::Modern, |seen| {
        let good = format!(r#"{{"name":"good","description":"plain\u200b text",{KEPT}}}"#);
        let twice = r#"{"name":"one","name":"two","inputSchema":{"type":"object"}}"#;
        let hidden = "{\"name\":\"a\u{202e}b\",\"inputSchema\":{\"type\":\"object\"}}";
        let schemaless = r#"{"name":"schemaless"}"#;
        let (first, mut second) = (tool("twin"), tool("twin"));
        second["description"] = json!("Another one");
        let header = r#"{"name":"badheader","inputSchema":{"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}}"#;
        let list = format!(
            r#"{{"resultType":"complete","tools":[{good},{twice},{hidden},{schemaless},{first},{second},{header}]}}"#
        );
        (seen.rpc_method() == "tools/list").then(|| reply(seen, &list))
    })
    .await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let answer = Modern::new(&gateway, "ada").list().await;
    assert_eq!(answer.names(), ["up_good"]);
    assert!(answer.text.contains(KEPT), "{answer:?}");
    assert_eq!(answer.json()["result"]["tools"][0]["description"], "plain text");
}

#[tokio::test]
async fn lists_are_kept_per_credential_and_only_as_long_as_they_hold() {
    let (own, shared) = (mcp_server::start(Kind::Modern).await, mcp_server::start(Kind::Modern).await);
    let apps = [proxy("own", &own, EXCHANGE), proxy("shared", &shared, OWN)].concat();
    let gateway = Gateway::start(&apps).await;
    let (ada, bob) = (Modern::new(&gateway, "ada"), Modern::new(&gateway, "bob"));
    for client in [&ada, &ada, &bob] {
        assert_eq!(client.list().await.names().len(), 2 * TOOLS.len());
    }
    assert_eq!((own.rpc("tools/list").len(), shared.rpc("tools/list").len()), (2, 1));
    gateway.clock.advance(Duration::from_secs(61));
    ada.list().await;
    assert_eq!((own.rpc("tools/list").len(), shared.rpc("tools/list").len()), (3, 2));
    // Who gets no token for an upstream does not see its tools.
    let mallory = Modern::new(&gateway, "mallory").list().await;
    assert_eq!(mallory.names().len(), TOOLS.len());
    assert_eq!(own.rpc("tools/list").len(), 3);
}

#[tokio::test]
async fn each_endpoint_tells_where_its_tokens_come_from() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy_at("up", &format!("{}/deep/mcp?a=b", upstream.url), OPEN)).await;
    let origin = format!("http://{}", gateway.address);
    for (path, resource) in [("", "/mcp"), ("/mcp", "/mcp"), ("/mcp/up", "/mcp/up")] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let answer = send(&gateway, http::Method::GET, &path, None, "", &[]).await;
        let document = answer.json();
        assert_eq!(document["resource"], format!("{origin}{resource}"), "{path}");
        assert_eq!(document["authorization_servers"], json!([origin]));
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
    }
    Modern::new(&gateway, "ada").list().await;
    assert!(upstream.seen().iter().all(|seen| seen.target == "/deep/mcp?a=b"), "{:?}", upstream.seen());
}
