use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use gatehouse_identity::id::Issuer;
use gatehouse_identity::rng::Rng;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::super::bearer::tests::{ISSUER, Still, TestIssuer};
use super::{LedgerState, TrafficLog, router};

const URL: &str = "http://127.0.0.1:9423/mcp";

struct Ones;

impl Rng for Ones {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(1);
    }
}

struct Fixture {
    router: Router,
    issuer: TestIssuer,
    seen: Arc<TrafficLog>,
}

impl Fixture {
    async fn start() -> Self {
        let issuer = TestIssuer::start().await;
        let seen = Arc::new(TrafficLog::default());
        let jwks_url = issuer.jwks_url.clone();
        let sources = (Arc::new(Still) as _, Arc::new(Ones) as _);
        let url = URL.parse().unwrap();
        let state = LedgerState::new(Issuer::new(ISSUER), &url, jwks_url, sources, Arc::clone(&seen));
        Self { router: router(Arc::new(state)), issuer, seen }
    }

    async fn send(
        &self,
        token: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut request = Request::post("/mcp")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn modern(&self, scope: &str, method: &str, params: Value) -> (StatusCode, HeaderMap, Value) {
        let token = self.issuer.token(URL, scope, json!({}));
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        if method == "tools/call" {
            headers.push(("mcp-name", &name));
        }
        self.send(&token, &headers, &modern_body(method, params)).await
    }

    async fn call(&self, scope: &str, tool: &str, arguments: Value) -> Value {
        let (status, _, body) =
            self.modern(scope, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["result"].clone()
    }
}

fn modern_body(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

#[tokio::test]
async fn the_modern_era_works() {
    let fixture = Fixture::start().await;
    let (_, _, discovered) = fixture.modern("", "server/discover", json!({})).await;
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(discovered["result"]["resultType"], "complete");
    let (_, _, listed) = fixture.modern("", "tools/list", json!({})).await;
    let names: Vec<_> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(
        Value::from(names),
        json!([
            "listAccounts",
            "getAccount",
            "getTransactions",
            "updateAccountStatus",
            "getCustomerPII",
            "getAuditLog",
            "whoami"
        ])
    );
    let accounts = fixture.call("", "listAccounts", json!({ "status": "frozen" })).await;
    assert_eq!(accounts["structuredContent"]["accounts"][0]["balance"], "420.10");
    let moved = fixture.call("", "getTransactions", json!({ "accountId": "ACC-1001", "limit": 1 })).await;
    assert_eq!(
        moved["structuredContent"]["transactions"],
        json!([
            { "date": "2026-11-16", "amount": "-127.50", "currency": "USD", "description": "Cloud hosting" }
        ])
    );
    let (status, _, missing) = fixture.modern("", "initialize", json!({})).await;
    assert_eq!((status, &missing["error"]["code"]), (StatusCode::NOT_FOUND, &json!(-32601)));
}

#[tokio::test]
async fn whoami_shows_user_and_delegation_and_the_log_remembers_them() {
    let fixture = Fixture::start().await;
    let me = fixture.call("ledger:ReadPII", "whoami", json!({})).await;
    assert_eq!(
        me["structuredContent"],
        json!({
            "iss": ISSUER, "sub": "ada", "act": { "sub": "gateway", "act": { "sub": "claude" } },
            "aud": URL, "scope": "ledger:ReadPII", "client_id": "gateway",
        })
    );
    assert_eq!(fixture.seen.latest("whoami").unwrap().claims["act"]["act"]["sub"], "claude");
}

#[tokio::test]
async fn tools_with_a_scope_need_it() {
    let fixture = Fixture::start().await;
    let params = json!({ "name": "getCustomerPII", "arguments": { "customerId": "C-1" } });
    let (status, headers, body) = fixture.modern("ledger:ReadAudit", "tools/call", params).await;
    assert_eq!((status, &body["id"]), (StatusCode::FORBIDDEN, &json!(7)));
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("ledger:ReadPII"), "{challenge}");
    let person = fixture.call("ledger:ReadPII", "getCustomerPII", json!({ "customerId": "C-1" })).await;
    assert_eq!(person["structuredContent"]["ssn"], "900-12-3456");
    fixture.call("", "updateAccountStatus", json!({ "accountId": "ACC-2001", "status": "active" })).await;
    let log = fixture.call("ledger:ReadAudit", "getAuditLog", json!({})).await;
    let entry = &log["structuredContent"]["entries"][0];
    assert_eq!((&entry["from"], &entry["by"]["sub"]), (&json!("frozen"), &json!("ada")));
}

#[tokio::test]
async fn wrong_arguments_are_for_the_model_and_wrong_calls_for_the_client() {
    let fixture = Fixture::start().await;
    for (tool, arguments) in [
        ("getAccount", json!({})),
        ("getAccount", json!({ "accountId": "ACC-9" })),
        ("getAccount", json!({ "accountId": 5 })),
        ("getTransactions", json!({ "accountId": "ACC-1001", "limit": 0 })),
        ("updateAccountStatus", json!({ "accountId": "ACC-1001", "status": "gone" })),
        ("whoami", json!({ "extra": 1 })),
    ] {
        let result = fixture.call("", tool, arguments).await;
        assert_eq!(result["isError"], true, "{tool}");
    }
    let (status, _, body) = fixture.modern("", "tools/call", json!({ "name": "nope" })).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::OK, &json!(-32602)));
}

#[tokio::test]
async fn modern_headers_must_agree_with_the_body() {
    let fixture = Fixture::start().await;
    let token = fixture.issuer.token(URL, "", json!({}));
    let call = modern_body("tools/call", json!({ "name": "whoami" }));
    let mut unknown = modern_body("tools/list", json!({}));
    unknown["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2030-01-01".into();
    let bare = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let (version, modern) = ("mcp-protocol-version", "2026-07-28");
    for (headers, body, code) in [
        (vec![], &call, -32020),
        (vec![(version, "2025-11-25"), ("mcp-method", "tools/call"), ("mcp-name", "whoami")], &call, -32020),
        (vec![(version, modern), ("mcp-name", "whoami")], &call, -32020),
        (vec![(version, modern), ("mcp-method", "tools/call"), ("mcp-name", "getAuditLog")], &call, -32020),
        (vec![(version, modern), ("mcp-method", "TOOLS/CALL"), ("mcp-name", "whoami")], &call, -32020),
        (vec![(version, "2030-01-01"), ("mcp-method", "tools/list")], &unknown, -32022),
        (vec![(version, modern), ("mcp-method", "tools/list")], &bare, -32602),
    ] {
        let (status, _, reply) = fixture.send(&token, &headers, body).await;
        assert_eq!(
            (status, &reply["error"]["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{headers:?} {body}"
        );
    }
}

#[tokio::test]
async fn the_legacy_era_works_in_sessions_that_belong_to_their_user() {
    let fixture = Fixture::start().await;
    let token = fixture.issuer.token(URL, "", json!({}));
    let body = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params });
    let list = body("tools/list", json!({}));
    assert_eq!(fixture.send(&token, &[], &list).await.0, StatusCode::BAD_REQUEST);
    for (asked, spoken) in [("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")] {
        let (_, _, reply) =
            fixture.send(&token, &[], &body("initialize", json!({ "protocolVersion": asked }))).await;
        assert_eq!(reply["result"]["protocolVersion"], spoken);
    }
    let begin = body("initialize", json!({ "protocolVersion": "2025-11-25" }));
    let (_, headers, _) = fixture.send(&token, &[], &begin).await;
    let session = headers["mcp-session-id"].to_str().unwrap();
    let within = [("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")];
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(fixture.send(&token, &within, &ready).await.0, StatusCode::ACCEPTED);
    let (_, _, listed) = fixture.send(&token, &within, &list).await;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 7);
    assert!(listed["result"].get("resultType").is_none());
    let call = body("tools/call", json!({ "name": "getAccount", "arguments": { "accountId": "ACC-3001" } }));
    let (_, _, called) = fixture.send(&token, &within, &call).await;
    assert_eq!(called["result"]["structuredContent"]["customerId"], "C-3");
    let other = fixture.issuer.token(URL, "", json!({ "sub": "eve" }));
    assert_eq!(fixture.send(&other, &within, &list).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_a_token_there_is_only_a_challenge() {
    let fixture = Fixture::start().await;
    let request = Request::post("/mcp").body(Body::from("{}")).unwrap();
    let reply = fixture.router.clone().oneshot(request).await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        reply.headers()["www-authenticate"],
        "Bearer resource_metadata=\"http://127.0.0.1:9423/.well-known/oauth-protected-resource/mcp\""
    );
    let foreign = fixture.issuer.token("http://127.0.0.1:1/mcp", "", json!({}));
    let (status, headers, _) = fixture.send(&foreign, &[], &json!({})).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers["www-authenticate"].to_str().unwrap().contains("error=\"invalid_token\""));
    let metadata = Request::get("/.well-known/oauth-protected-resource/mcp").body(Body::empty()).unwrap();
    let reply = fixture.router.clone().oneshot(metadata).await.unwrap().into_body().collect().await.unwrap();
    let metadata: Value = serde_json::from_slice(&reply.to_bytes()).unwrap();
    assert_eq!((&metadata["resource"], &metadata["authorization_servers"]), (&json!(URL), &json!([ISSUER])));
}
