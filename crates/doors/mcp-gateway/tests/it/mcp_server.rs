//! MCP servers of the old and the new kind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::upstream::{Script, Seen, Upstream};

/// Which kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Legacy,
    Modern,
    /// Prefers the new revision and serves the old one too.
    Dual,
}

/// Members that no revision knows, in no sorted order, with numbers that no float holds.
pub(crate) const ODD: &str = r#""zeta":1,"big":123456789012345678901234567890,"Alpha":{"b":1E+40,"a":0.10}"#;

/// Starts a server with a handful of tools.
pub(crate) async fn start(kind: Kind) -> Upstream {
    start_with(kind, |_| None).await
}

/// The same, but `first` may answer instead.
pub(crate) async fn start_with(
    kind: Kind,
    first: impl Fn(&Seen) -> Option<Script> + Send + Sync + 'static,
) -> Upstream {
    let sessions = Sessions::default();
    Upstream::start(move |seen| first(seen).unwrap_or_else(|| answer(kind, seen, &sessions))).await
}

/// How many sessions a server has opened.
pub(crate) type Sessions = AtomicUsize;

/// What a server of the kind answers.
pub(crate) fn answer(kind: Kind, seen: &Seen, sessions: &Sessions) -> Script {
    let body = seen.json();
    let method = seen.rpc_method();
    let modern = body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28";
    if body["id"].is_null() {
        return Script::status(202, "");
    }
    let error = |status, code: i64, message: &str| {
        let error = json!({"jsonrpc": "2.0", "id": body["id"], "error": {"code": code, "message": message}});
        Script::status(status, error.to_string())
    };
    match (kind, modern) {
        (Kind::Modern | Kind::Dual, true) => {
            let name = body["params"]["name"].as_str();
            if seen.header("mcp-method") != Some(method.as_str())
                || seen.header("mcp-protocol-version") != Some("2026-07-28")
                || seen.header("mcp-name") != name
            {
                return error(400, -32020, "header mismatch");
            }
        }
        (Kind::Modern, false) => return error(400, -32020, "no MCP-Protocol-Version"),
        (Kind::Legacy, true) if method == "server/discover" => {
            return error(400, -32600, "send initialize first");
        }
        (Kind::Legacy | Kind::Dual, _) => {
            if method == "initialize" {
                let number = sessions.fetch_add(1, Ordering::SeqCst);
                let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"up","version":"1"}}"#;
                let mut script = reply(&body["id"], result);
                script.headers.push(("mcp-session-id", format!("session-{number}")));
                return script;
            }
            match seen.header("mcp-session-id") {
                None => return error(400, -32600, "no session"),
                Some("session-0") if kind == Kind::Legacy && method == "tools/call" => {
                    return error(404, -32001, "session ended");
                }
                Some(_) => {}
            }
        }
    }
    serve(&method, &body, modern)
}

fn serve(method: &str, body: &Value, modern: bool) -> Script {
    let id = &body["id"];
    let kind = if modern { r#""resultType":"complete","# } else { "" };
    match method {
        "server/discover" => reply(
            id,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"public"}"#,
        ),
        "tools/list" => {
            let cache = if modern { r#","ttlMs":60000,"cacheScope":"public""# } else { "" };
            reply(id, &format!(r#"{{{kind}"tools":{}{cache}}}"#, tools()))
        }
        "tools/call" => call(id, body, kind),
        _ => reply(id, "{}"),
    }
}

fn call(id: &Value, body: &Value, kind: &str) -> Script {
    let token = &body["params"]["_meta"]["progressToken"];
    let progress = |done: u32| {
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": done}})
            .to_string()
    };
    let done = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{{kind}"content":[{{"type":"text","text":"done"}}]}}}}"#
    );
    match body["params"]["name"].as_str().unwrap_or_default() {
        "slow" => Script::json("{}").paced(Duration::from_secs(30)),
        "huge" => Script::new(200, "application/json", vec!["x".repeat(1024 * 1024); 17]),
        "garbage" => Script::json("<html>not MCP</html>"),
        "wrong_id" => Script::json(done.replace(&format!(r#""id":{id}"#), r#""id":"other""#)),
        "locked" => Script::status(401, r#"{"error":"nope"}"#),
        "ask" => reply(id, r#"{"resultType":"input_required","inputRequests":{}}"#),
        "progress" => Script::events(vec![progress(1), progress(2), done]).paced(Duration::from_millis(20)),
        "trickle" => Script::events((0..200).map(progress).collect()).paced(Duration::from_millis(100)),
        _ => reply(
            id,
            &format!(
                r#"{{{kind}"content":[{{"type":"text","text":"ok"}}],"structuredContent":{{{ODD}}},"_meta":{{"example.com/x":{{{ODD}}}}},{ODD}}}"#
            ),
        ),
    }
}

fn tools() -> String {
    let names =
        ["echo", "secret", "slow", "huge", "garbage", "wrong_id", "locked", "ask", "progress", "trickle"];
    let mut tools: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
    let region = json!({"type": "string", "x-mcp-header": "Region"});
    tools.push(
        json!({"name": "regional", "inputSchema": {"type": "object", "properties": {"region": region}}}),
    );
    Value::Array(tools).to_string()
}

fn reply(id: &Value, result: &str) -> Script {
    Script::json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}
