//! HTTP around the message: credentials, methods, media types, limits, mirrored headers, eras.

use http::Method;
use serde_json::json;

use crate::apps::{OPEN, bridge, proxy};
use crate::client::{Legacy, Modern, initialize, modern_body, post, send};
use crate::gateway::Gateway;
use crate::mcp_server::{self, Kind};
use crate::upstream::{Script, Upstream};

#[tokio::test]
async fn without_a_good_token_there_is_a_challenge_and_nothing_else() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let origin = format!("http://{}", gateway.address);
    let body = modern_body("tools/list", "", "");
    let elsewhere = gateway.token_for("ada", "https://other.example/", "cli");
    for (path, token, error) in [
        ("/mcp", None, ""),
        ("/mcp/up", None, ""),
        ("/mcp", Some("nonsense".to_owned()), "invalid_token"),
        ("/mcp", Some(elsewhere.clone()), "invalid_token"),
        ("/mcp/up", Some(elsewhere), "invalid_token"),
    ] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let answer = send(&gateway, method, path, token.as_deref(), &body, &[]).await;
            assert_eq!(answer.status, 401, "{path}: {answer:?}");
            let challenge = answer.header("www-authenticate").unwrap();
            let metadata =
                format!(r#"resource_metadata="{origin}/.well-known/oauth-protected-resource{path}""#);
            assert!(challenge.starts_with("Bearer ") && challenge.contains(&metadata), "{challenge}");
            assert_eq!(challenge.contains("error="), !error.is_empty(), "{challenge}");
            assert!(challenge.contains(error), "{challenge}");
            assert!(answer.json()["error"]["code"].is_i64() && answer.json().get("id").is_none());
        }
    }
    // A token for one app's endpoint opens that one only; a token in the query opens nothing.
    let app = gateway.token_for("ada", &format!("{origin}/mcp/up"), "cli");
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    assert_eq!(post(&gateway, "/mcp/up", Some(&app), &body, &headers).await.status, 200);
    assert_eq!(post(&gateway, "/mcp", Some(&app), &body, &headers).await.status, 401);
    let query = format!("/mcp?access_token={}", gateway.token("ada"));
    assert_eq!(post(&gateway, &query, None, &body, &headers).await.status, 401);
    gateway.clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(post(&gateway, "/mcp/up", Some(&app), &body, &headers).await.status, 401);
    assert_eq!(upstream.rpc("tools/call").len(), 0);
}

#[tokio::test]
async fn methods_media_types_and_sizes_have_their_http_status() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let token = gateway.token("ada");
    let get = send(&gateway, Method::GET, "/mcp", Some(&token), "", &[("accept", "text/event-stream")]).await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST, DELETE")));
    for method in [Method::PUT, Method::PATCH] {
        assert_eq!(send(&gateway, method, "/mcp", Some(&token), "{}", &[]).await.status, 405);
    }
    let delete = send(&gateway, Method::DELETE, "/mcp", Some(&token), "", &[]).await;
    assert_eq!((delete.status, delete.header("allow")), (405, Some("POST")));

    let body = modern_body("tools/list", "", "");
    let modern =
        |name, value| [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list"), (name, value)];
    for (name, value, status) in [
        ("content-type", "application/json; charset=utf-8", 200),
        ("content-type", "text/plain", 415),
        ("content-type", "application/x-www-form-urlencoded", 415),
        ("content-type", "", 415),
        ("accept", "application/json, text/event-stream", 200),
        ("accept", "*/*", 200),
        ("accept", "application/json", 200),
        ("accept", "text/event-stream", 406),
        ("accept", "application/json;q=0, text/event-stream", 406),
        ("accept", "text/html", 406),
        ("content-encoding", "gzip", 415),
        ("origin", "https://evil.example", 403),
        ("host", "evil.example", 421),
    ] {
        let answer = post(&gateway, "/mcp", Some(&token), &body, &modern(name, value)).await;
        assert_eq!(answer.status, status, "{name}: {value}: {answer:?}");
        assert_eq!(answer.json().get("result").is_some(), status == 200);
    }
    let filler = "x".repeat(4 * 1024 * 1024);
    let large = modern_body("tools/list", &format!(r#""filler":"{filler}","#), "");
    let answer = post(&gateway, "/mcp", Some(&token), &large, &modern("x-filler", "1")).await;
    assert_eq!((answer.status, answer.error_code()), (413, -32600));
    assert_eq!(
        post(&gateway, "/mcp/absent", Some(&token), &body, &modern("x-filler", "1")).await.status,
        404
    );
}

#[tokio::test]
async fn mirrored_headers_must_agree_with_the_body() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let token = gateway.token("ada");
    let body = modern_body("tools/call", r#""name":"up_regional","arguments":{"region":"eu"},"#, "");
    let base = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "up_regional"),
        ("mcp-param-region", "eu"),
    ];
    for (name, value) in [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-protocol-version", ""),
        ("mcp-method", "tools/list"),
        ("mcp-method", "TOOLS/CALL"),
        ("mcp-method", ""),
        ("mcp-name", "regional"),
        ("mcp-name", "UP_REGIONAL"),
        ("mcp-name", "=?base64?!!!?="),
        ("mcp-name", ""),
        ("mcp-param-region", "us"),
        ("mcp-param-region", ""),
        ("mcp-param-region", "=?base64?ZXU?="),
    ] {
        let headers = base.map(|(known, usual)| (known, if known == name { value } else { usual }));
        let answer = post(&gateway, "/mcp", Some(&token), &body, &headers).await;
        assert_eq!((answer.status, answer.error_code()), (400, -32020), "{name}: {value}: {answer:?}");
        assert_eq!(answer.json()["id"], 7);
    }
    for name in ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-region", "content-type"] {
        let usual = ("content-type", "application/json");
        let repeated = *base.iter().find(|(known, _)| *known == name).unwrap_or(&usual);
        let headers: Vec<_> = base.into_iter().chain([usual, repeated]).collect();
        let answer = post(&gateway, "/mcp", Some(&token), &body, &headers).await;
        assert_eq!((answer.status, answer.error_code()), (400, -32020), "{name} twice");
    }
    assert_eq!(upstream.rpc("tools/call").len(), 0);

    let headers: Vec<_> =
        base.into_iter().chain([("mcp-param-unknown", "kept"), ("mcp-session-id", "ignored")]).collect();
    assert_eq!(post(&gateway, "/mcp", Some(&token), &body, &headers).await.status, 200);
    let wrapped = base.map(|(name, value)| (name, if value == "eu" { "=?base64?ZXU=?=" } else { value }));
    assert_eq!(post(&gateway, "/mcp", Some(&token), &body, &wrapped).await.status, 200);
    for (call, unknown) in upstream.rpc("tools/call").iter().zip([Some("kept"), None]) {
        assert_eq!(
            (call.header("mcp-name"), call.header("mcp-param-region")),
            (Some("regional"), Some("eu"))
        );
        assert_eq!((call.header("mcp-param-unknown"), call.header("mcp-session-id")), (unknown, None));
    }
    // Older clients never send such headers; a modern upstream gets them all the same.
    let legacy = Legacy::open(&gateway, "/mcp/up", "ada", "2025-11-25").await;
    assert_eq!(
        legacy.call("regional", r#"{"region":"ü"}"#).await.json()["result"]["content"][0]["text"],
        "ok"
    );
    assert_eq!(upstream.rpc("tools/call")[2].header("mcp-param-region"), Some("=?base64?w7w=?="));
}

#[tokio::test]
async fn modern_envelopes_are_checked_in_the_order_of_the_revision() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let token = gateway.token("ada");
    let plain = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#;
    let other = modern_body("tools/list", "", "").replace("2026-07-28", "2030-01-01");
    let incapable = modern_body("tools/list", "", "")
        .replace(r#""io.modelcontextprotocol/clientCapabilities":{}"#, r#""a":1"#);
    let wrong =
        modern_body("tools/list", "", "").replace("clientCapabilities\":{}", "clientCapabilities\":[]");
    let number = modern_body("tools/list", "", "").replace(r#""2026-07-28""#, "20260728");
    for (version, body, status, code) in [
        ("2026-07-28", plain, 400, -32602),
        ("2030-01-01", plain, 400, -32022),
        ("2030-01-01", &other, 400, -32022),
        ("nonsense", plain, 400, -32022),
        ("2026-07-28", &other, 400, -32020),
        ("2026-07-28", &incapable, 400, -32602),
        ("2026-07-28", &wrong, 400, -32602),
        ("2026-07-28", &number, 400, -32602),
    ] {
        let headers = [("mcp-protocol-version", version), ("mcp-method", "tools/list")];
        let answer = post(&gateway, "/mcp", Some(&token), body, &headers).await;
        assert_eq!(
            (answer.status, answer.error_code(), &answer.json()["id"]),
            (status, code, &json!(7)),
            "{version} {body}"
        );
        if code == -32022 {
            let data = &answer.json()["error"]["data"];
            assert_eq!((&data["requested"], &data["supported"][0]), (&json!(version), &json!("2026-07-28")));
        }
    }
}

#[tokio::test]
async fn methods_that_are_not_served_are_refused_in_each_eras_words() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let modern = Modern::new(&gateway, "ada");
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/list",
        "prompts/list",
        "completion/complete",
        "subscriptions/listen",
        "tasks/list",
        "Tools/List",
        "x/unknown",
    ] {
        let answer = modern.request(method, "", &[]).await;
        assert_eq!(
            (answer.status, answer.error_code(), &answer.json()["id"]),
            (404, -32601, &json!(7)),
            "{method}"
        );
    }
    let legacy = Legacy::open(&gateway, "/mcp", "ada", "2025-11-25").await;
    for method in ["server/discover", "logging/setLevel", "resources/list", "prompts/get", "TOOLS/CALL"] {
        let answer = legacy.send(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).await;
        assert_eq!((answer.status, answer.error_code()), (200, -32601), "{method}");
    }
    let pong = legacy.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(pong.text, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);

    let discover = modern.request("server/discover", "", &[]).await.json()["result"].clone();
    assert_eq!(discover["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(
        (&discover["capabilities"], &discover["resultType"]),
        (&json!({"tools": {}}), &json!("complete"))
    );
    assert_eq!((&discover["cacheScope"], discover["ttlMs"].is_u64()), (&json!("private"), true));
    assert_eq!(upstream.seen().len(), 0);

    // What asks for nothing is accepted; what answers nothing is not.
    let headers = [("mcp-protocol-version", "2026-07-28")];
    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let answer = post(&gateway, "/mcp", Some(&modern.token), note, &headers).await;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let answer = post(&gateway, "/mcp", Some(&modern.token), response, &headers).await;
    assert_eq!((answer.status, answer.error_code()), (400, -32600));
    assert_eq!(legacy.send(response).await.status, 202);
}

#[tokio::test]
async fn batches_exist_in_one_revision_only() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let gateway = Gateway::start(&proxy("up", &upstream, OPEN)).await;
    let token = gateway.token("ada");
    let list = modern_body("tools/list", "", "");
    let batch = format!("[{list}]");
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    for headers in [&modern[..], &[]] {
        for body in [batch.as_str(), "[]"] {
            let answer = post(&gateway, "/mcp", Some(&token), body, headers).await;
            assert_eq!((answer.status, answer.error_code()), (400, -32600), "{body}");
        }
    }
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for version in ["2025-11-25", "2025-06-18"] {
        let answer = Legacy::open(&gateway, "/mcp", "ada", version).await.send(&format!("[{ping}]")).await;
        assert_eq!((answer.status, answer.error_code()), (400, -32600), "{version}");
    }
    let old = Legacy::open(&gateway, "/mcp", "ada", "2025-03-26").await;
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"up_echo"}}"#;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    let answer = old.send(&format!("[{call},{note},{ping}]")).await;
    let ids: Vec<_> = answer.json().as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!((answer.status, ids), (200, vec![json!(1), json!(2)]));
    assert_eq!(old.send(&format!("[{note}]")).await.status, 202);
    for bad in [
        format!("[{call},{call}]"),
        format!("[{}]", initialize("2025-03-26")),
        format!("[{}]", [ping; 21].join(",")),
    ] {
        assert_eq!((old.send(&bad).await.status, old.send(&bad).await.error_code()), (400, -32600), "{bad}");
    }
    assert_eq!(upstream.rpc("tools/call").len(), 1);
}

#[tokio::test]
async fn wrong_parameters_of_a_call_are_named_before_anything_is_sent() {
    let upstream = mcp_server::start(Kind::Modern).await;
    let api = Upstream::start(|_| Script::json("{}")).await;
    let gateway = Gateway::start(&[proxy("up", &upstream, OPEN), bridge("staff", &api, OPEN)].concat()).await;
    let ada = Modern::new(&gateway, "ada");
    for (params, name, text) in [
        (r#""arguments":{},"#, "", "`params.name` is missing"),
        (r#""name":7,"#, "", "`params.name` must be a string"),
        (
            r#""name":"up_echo","arguments":{"a":1e400},"#,
            "up_echo",
            "`params.arguments` cannot be read: number out of range",
        ),
        (r#""name":"up_echo","arguments":[],"#, "up_echo", "`params.arguments` must be an object"),
        (r#""name":"up_echo","arguments":null,"#, "up_echo", "`params.arguments` must be an object"),
        (r#""name":"up_echo","requestState":"x","#, "up_echo", "`params.requestState` was not given out"),
        (r#""name":"absent","#, "absent", "unknown tool: absent"),
        (r#""name":"staff_hire","arguments":{},"#, "staff_hire", "body"),
    ] {
        let answer = ada.request("tools/call", params, &[("mcp-name", name)]).await;
        assert_eq!((answer.status, answer.error_code()), (200, -32602), "{params}: {answer:?}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(text), "{params}: {message}");
    }
    assert_eq!((upstream.rpc("tools/call").len(), api.seen().len()), (0, 0));
}
