//! An MCP client of either era.

use serde_json::{Value, json};

use crate::process::Gateway;
use crate::raw_http::{Request, Response};

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

/// How a client speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Era {
    /// Every request stands alone.
    Modern,
    /// With the session id that `initialize` gave.
    Legacy(String),
}

/// A client of one endpoint.
pub struct Client<'a> {
    gateway: &'a Gateway,
    path: &'a str,
    decorate: &'a dyn Fn(Request) -> Request,
    /// How it speaks.
    pub era: Era,
}

impl<'a> Client<'a> {
    /// A client of 2026-07-28 at `path`; `decorate` puts its credential into every request.
    pub fn modern(gateway: &'a Gateway, path: &'a str, decorate: &'a dyn Fn(Request) -> Request) -> Self {
        Self { gateway, path, decorate, era: Era::Modern }
    }

    /// A client of 2025-11-25, after its handshake.
    pub fn legacy(gateway: &'a Gateway, path: &'a str, decorate: &'a dyn Fn(Request) -> Request) -> Self {
        let mut client = Self { gateway, path, decorate, era: Era::Legacy(String::new()) };
        let response = client.send(
            "initialize",
            json!({
                "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "testkit", "version": "1" },
            }),
        );
        assert_eq!(response.status, 200, "{}", response.text());
        client.era = Era::Legacy(response.header("mcp-session-id").to_owned());
        client
    }

    /// Sends one request.
    pub fn send(&self, method: &str, mut params: Value) -> Response {
        let name = params["name"].as_str().map(str::to_owned);
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": { "name": "testkit", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request =
            Request::json(self.path, &body).header("accept", "application/json, text/event-stream");
        match &self.era {
            Era::Modern => {
                request = request.header("mcp-protocol-version", MODERN).header("mcp-method", method);
                if let Some(name) = name {
                    request = request.header("mcp-name", name);
                }
            }
            Era::Legacy(session) if session.is_empty() => {}
            Era::Legacy(session) => {
                request = request.header("mcp-protocol-version", LEGACY).header("mcp-session-id", session);
            }
        }
        self.gateway.send(&(self.decorate)(request))
    }

    /// The names of all tools.
    pub fn list(&self) -> Vec<String> {
        let response = self.send("tools/list", json!({}));
        let message = message(&response);
        let tools = message["result"]["tools"].as_array();
        let tools = tools.unwrap_or_else(|| panic!("{} {}", response.status, response.text()));
        tools.iter().map(|tool| tool["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What a call of `tool` came to: the JSON-RPC message.
    pub fn call(&self, tool: &str, arguments: &Value) -> Value {
        message(&self.send("tools/call", json!({ "name": tool, "arguments": arguments })))
    }
}

/// The JSON-RPC message of an answer, which may come as the last event of a stream.
pub fn message(response: &Response) -> Value {
    if !response.header("content-type").starts_with("text/event-stream") {
        return response.json();
    }
    let text = response.text();
    let last = text.lines().filter_map(|line| line.strip_prefix("data:")).next_back().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_default()
}
