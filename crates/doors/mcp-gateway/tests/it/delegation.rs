//! Which credential goes upstream, and which never does.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::apps::{EXCHANGE, OPEN, OWN, bridge, proxy};
use crate::client::{Legacy, Modern, modern_body, post};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Seen, Upstream};

const STATIC: &str =
    "      outbound: { type: static, static: { header: X-Api-Key, value: \"upstream-secret\" } }\n";

fn claims(seen: &Seen) -> Value {
    let token = seen.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn tokens(calls: &[Seen]) -> BTreeSet<String> {
    calls.iter().map(|call| call.header("authorization").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn upstreams_learn_who_calls_and_who_acts() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, EXCHANGE)).await;
    Modern::new(&gateway, "ada").call("up_echo", "{}").await;
    let claims = claims(&upstream.rpc("tools/call")[0]);
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("ada"), &json!("https://tools.example/")));
    assert_eq!((&claims["act"]["sub"], &claims["act"]["act"]["sub"]), (&json!("gateway"), &json!("cli")));
}

#[tokio::test]
async fn one_exchange_serves_the_calls_that_may_share_it() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, EXCHANGE)).await;
    let (ada, bob) = (Modern::new(&gateway, "ada"), Modern::new(&gateway, "bob"));
    for _ in 0..3 {
        ada.call("up_echo", "{}").await;
    }
    ada.call("up_secret", "{}").await;
    assert_eq!(tokens(&upstream.rpc("tools/call")).len(), 1, "one token for one user and one set of scopes");
    let regional = ada.call_with("up_regional", r#"{"region":"eu"}"#, &[("mcp-param-region", "eu")]).await;
    assert_eq!(regional.json()["result"]["content"][0]["text"], "ok", "{regional:?}");
    let calls = upstream.rpc("tools/call");
    assert_eq!(tokens(&calls).len(), 2, "another tool with scopes of its own");
    let (plain, scoped) = (claims(&calls[0]), claims(calls.last().unwrap()));
    assert_eq!(scoped["scope"], "tools:use");
    let lifetime = |claims: &Value| claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!(lifetime(&scoped) == 90 && lifetime(&plain) > 90, "{plain} {scoped}");

    bob.call("up_echo", "{}").await;
    let calls = upstream.rpc("tools/call");
    assert_eq!((tokens(&calls).len(), &claims(calls.last().unwrap())["sub"]), (3, &json!("bob")));
    // Another token of the same user is another exchange: it may mean less.
    gateway.clock.advance(std::time::Duration::from_secs(1));
    Modern::new(&gateway, "ada").call("up_echo", "{}").await;
    assert_eq!(tokens(&upstream.rpc("tools/call")).len(), 4);
    // The short-lived token is not used until its very end.
    gateway.clock.advance(std::time::Duration::from_secs(60));
    ada.call_with("up_regional", r#"{"region":"eu"}"#, &[("mcp-param-region", "eu")]).await;
    assert_eq!(tokens(&upstream.rpc("tools/call")).len(), 5);
}

#[tokio::test]
async fn calls_at_the_same_time_wait_for_one_exchange() {
    let api = Upstream::start(|_| Script::json("[]")).await;
    let gateway = Gateway::start(&bridge("staff", &api, EXCHANGE)).await;
    let ada = Modern::new(&gateway, "ada");
    let calls = (0..16).map(|_| ada.call("staff_listPeople", "{}"));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.json()["result"]["structuredContent"], json!([]));
    }
    assert_eq!((api.seen().len(), tokens(&api.seen()).len()), (16, 1));
}

#[tokio::test]
async fn who_gets_no_token_calls_nothing() {
    let api = Upstream::start(|_| Script::json("[]")).await;
    let gateway = Gateway::start(&bridge("staff", &api, EXCHANGE)).await;
    let refused = Modern::new(&gateway, "mallory").call("staff_listPeople", "{}").await.tool_error();
    assert!(refused.contains("(request ") && !refused.contains("minting"), "{refused}");
    assert_eq!(api.seen().len(), 0);
    let records = gateway.records.at_least(2).await;
    let record = |event| records.iter().find(|record| record["event"] == event).unwrap();
    assert_eq!(record("tool.call")["outcome"], "deny");
    assert_eq!(record("token.exchange")["policy"]["external_message"], "Mallory gets no token.");
}

#[tokio::test]
async fn no_inbound_credential_reaches_any_upstream() {
    let (new, old) = (mcp_server::start(Kind::Modern).await, mcp_server::start(Kind::Legacy).await);
    let (keyed, api) = (mcp_server::start(Kind::Dual).await, Upstream::start(|_| Script::json("[]")).await);
    let apps = [
        proxy("new", &new, EXCHANGE),
        proxy("old", &old, OPEN),
        proxy("keyed", &keyed, STATIC),
        bridge("staff", &api, OWN),
    ];
    let gateway = Gateway::start(&apps.concat()).await;
    let token = gateway.token("ada");
    for tool in ["new_echo", "old_echo", "keyed_echo", "staff_listPeople"] {
        let body = modern_body("tools/call", &format!(r#""name":"{tool}","arguments":{{}},"#), "");
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
            ("cookie", "session=inbound-canary"),
            ("x-api-key", "inbound-canary"),
            ("x-forwarded-authorization", "inbound-canary"),
            ("proxy-authorization", "Basic inbound-canary"),
            ("x-tenant", "inbound-canary"),
            ("baggage", "inbound-canary"),
        ];
        let answer = post(&gateway, "/mcp", Some(&token), &body, &headers).await;
        assert_eq!(answer.json()["result"].get("isError"), None, "{tool}: {answer:?}");
    }
    let legacy = Legacy::open(&gateway, "/mcp/new", "ada", "2025-11-25").await;
    legacy.call("echo", "{}").await;
    let signature = token.rsplit('.').next().unwrap();
    for upstream in [&new, &old, &keyed, &api] {
        let everything = upstream.everything();
        assert!(!upstream.rpc("tools/call").is_empty() || !upstream.seen().is_empty());
        for canary in [signature, legacy.token.as_str(), "inbound-canary", legacy.session.as_str()] {
            assert!(!everything.contains(canary), "{canary} in {everything}");
        }
    }
    assert!(old.seen().iter().all(|seen| seen.header("authorization").is_none()));
    assert!(keyed.seen().iter().all(|seen| seen.header("x-api-key") == Some("upstream-secret")));
    assert!(api.seen().iter().all(|seen| claims(seen)["sub"] == "gateway"), "{:?}", api.seen());
}

/// 401 for a token that the server does not take any more.
fn refusing(seen: &Seen, refused: &Mutex<BTreeSet<String>>) -> Option<Script> {
    let token = seen.header("authorization").unwrap_or_default();
    refused.lock().unwrap().contains(token).then(|| Script::status(401, ""))
}

#[tokio::test]
async fn a_token_that_an_upstream_refuses_is_replaced_once() {
    let refused = Arc::new(Mutex::new(BTreeSet::new()));
    let (mine, its) = (Arc::clone(&refused), Arc::clone(&refused));
    let upstream = mcp_server::start_with(Kind::Modern, move |seen| refusing(seen, &mine)).await;
    let api = Upstream::start(move |seen| refusing(seen, &its).unwrap_or_else(|| Script::json("[]"))).await;
    let gateway =
        Gateway::start(&[proxy("up", &upstream, EXCHANGE), bridge("staff", &api, EXCHANGE)].concat()).await;
    let ada = Modern::new(&gateway, "ada");
    let works = async || {
        assert_eq!(ada.call("up_echo", "{}").await.json()["result"]["content"][0]["text"], "ok");
        let staff = ada.call("staff_listPeople", "{}").await;
        assert_eq!(staff.json()["result"]["structuredContent"], json!([]), "{staff:?}");
    };
    let refuse_all = || {
        let shown = tokens(&[upstream.seen(), api.seen()].concat());
        refused.lock().unwrap().extend(shown);
    };
    works().await;
    // Revoked at the upstream: the call that finds out gets through with another token, and is sent twice at most.
    refuse_all();
    gateway.clock.advance(Duration::from_secs(30));
    let before = (upstream.rpc("tools/call").len(), api.seen().len());
    works().await;
    assert!(upstream.rpc("tools/call").len() - before.0 <= 2 && api.seen().len() - before.1 <= 2);
    assert_eq!(tokens(&upstream.rpc("tools/call")).len(), 2);
    // Lists are asked for with such tokens too.
    refuse_all();
    gateway.clock.advance(Duration::from_secs(61));
    works().await;
}

#[tokio::test]
async fn an_upstream_that_refuses_every_token_does_not_get_one_per_call() {
    let open = Arc::new(AtomicBool::new(true));
    let lets = Arc::clone(&open);
    let api = Upstream::start(move |_| {
        if lets.load(Ordering::SeqCst) { Script::json("[]") } else { Script::status(401, "") }
    })
    .await;
    let gateway = Gateway::start(&bridge("staff", &api, EXCHANGE)).await;
    let ada = Modern::new(&gateway, "ada");
    ada.call("staff_listPeople", "{}").await;
    open.store(false, Ordering::SeqCst);
    gateway.clock.advance(Duration::from_secs(30));
    for _ in 0..5 {
        let answer = ada.call("staff_listPeople", "{}").await;
        assert!(answer.tool_error().contains("401"), "{answer:?}");
    }
    // One call found the token refused and tried another; that one is not replaced before long.
    assert_eq!((api.seen().len(), tokens(&api.seen()).len()), (1 + 2 + 4, 2));
    let records = gateway.records.at_least(8).await;
    let exchanges = records.iter().filter(|record| record["event"] == "token.exchange").count();
    assert_eq!(exchanges, 2);
    assert_eq!(records.last().unwrap()["reason"], "upstream_refused_credential");
}

/// No call, no list and no upstream token for somebody who is not configured any more.
#[tokio::test]
async fn a_removed_user_gets_nothing_in_their_name() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, EXCHANGE)).await;
    // What the tokens of the embedded user `ada`, as whom she is configured, say; and of one who is not.
    let (known, gone) = ("ToP0EqJgFgQsTrZcMWbj6w", "n9kEDE0FJmADDFdck9gQjA");
    for (connector, login, status) in [("staff", known, 200), ("staff", gone, 401), ("elsewhere", known, 401)]
    {
        let token = gateway.token_from(connector, login);
        for (method, parameters) in
            [("tools/list", ""), ("tools/call", r#""name":"up_echo","arguments":{},"#)]
        {
            let body = modern_body(method, parameters, "");
            let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
            headers.extend((method == "tools/call").then_some(("mcp-name", "up_echo")));
            let answer = post(&gateway, "/mcp", Some(&token), &body, &headers).await;
            assert_eq!(answer.status, status, "{connector} {method}: {answer:?}");
        }
    }
    assert_eq!(upstream.rpc("tools/call").len(), 1);
    let records = gateway.records.all();
    assert_eq!(records.iter().filter(|record| record["event"] == "token.exchange").count(), 1);
    for reason in ["token_user_removed", "token_connector_removed"] {
        gateway.records.with_reason(reason).await;
    }
}

/// A list that was asked for with a token which only some requests are given is shown to those.
#[tokio::test]
async fn a_held_list_is_for_requests_that_would_be_given_its_token() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, EXCHANGE)).await;
    let token = gateway.token("heather");
    let names = async |ticket: Option<(&str, &str)>| {
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
        headers.extend(ticket);
        let body = modern_body("tools/list", "", "");
        let answer = post(&gateway, "/mcp", Some(&token), &body, &headers).await;
        answer.json()["result"]["tools"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(names(None).await, 0);
    let all = names(Some(("x-ticket", "17"))).await;
    assert!(all > 0);
    assert_eq!(names(None).await, 0, "what was listed for the other request is not shown");
    assert_eq!(names(Some(("x-ticket", "17"))).await, all);
    assert_eq!(upstream.rpc("tools/list").len(), 1, "and it is held all the same");
}
