//! What stands behind the gateway in tests: a REST API, MCP servers from before 2026-07-28, a model provider.

use serde_json::{Value, json};

use crate::upstream::{Received, Reply, Upstream};

/// The OpenAPI document of the REST API.
pub const DIRECTORY_OPENAPI: &str = include_str!("../data/directory.json");

/// An authorization server of its own, with placeholders.
pub const AUTH_PROVIDER: &str = include_str!("../data/auth-provider.yaml");
/// A gateway that trusts it, with placeholders.
pub const GATEWAY: &str = include_str!("../data/gateway.yaml");

/// A REST API that answers everything with an employee.
pub fn directory() -> Upstream {
    Upstream::start(|_| Reply::json(&json!({ "id": "e-1", "name": "Grace" })))
}

/// An MCP server with one tool, `whoami`.
pub fn mcp_server() -> Upstream {
    Upstream::start(mcp_reply)
}

fn mcp_reply(request: &Received) -> Reply {
    let message = request.json();
    let answer =
        |result: Value| Reply::json(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }));
    let error = |status: u16, code: i64| {
        let error = json!({ "code": code, "message": "no" });
        let body = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
        Reply::json(&body).under(status)
    };
    match (request.method.as_str(), message["method"].as_str().unwrap_or_default()) {
        ("POST", "initialize") => answer(json!({
            "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
            "serverInfo": { "name": "sample", "version": "1" },
        }))
        .with("mcp-session-id", "upstream-session"),
        ("POST", "notifications/initialized") => Reply::status(202),
        ("POST", _) if request.header("mcp-session-id") != "upstream-session" => error(400, -32600),
        ("POST", "tools/list") => answer(json!({ "tools": [{
            "name": "whoami", "description": "Says who is asking.", "inputSchema": { "type": "object" },
        }] })),
        ("POST", "tools/call") => answer(json!({ "content": [{ "type": "text", "text": "somebody" }] })),
        ("POST", _) => error(200, -32601),
        ("DELETE", _) => Reply::status(204),
        _ => Reply::status(405),
    }
}

/// A provider of models that speaks the Messages API.
pub fn model_provider() -> Upstream {
    Upstream::start(|request| {
        if request.target.starts_with("/v1/messages/count_tokens") {
            return Reply::json(&json!({ "input_tokens": 7 }));
        }
        if request.json()["stream"] != true {
            return Reply::json(&json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-7",
                "content": [{ "type": "text", "text": "Hello" }], "stop_reason": "end_turn", "stop_sequence": null,
                "usage": { "input_tokens": 7, "output_tokens": 1 },
            }));
        }
        let event = |name: &str, data: Value| format!("event: {name}\ndata: {data}\n\n");
        let start = json!({ "type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-7", "content": [],
            "usage": { "input_tokens": 7, "output_tokens": 0 },
        } });
        let delta = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 1 } });
        let text = event("message_start", start)
            + &event("message_delta", delta)
            + &event("message_stop", json!({ "type": "message_stop" }));
        Reply::of("text/event-stream", text)
    })
}
