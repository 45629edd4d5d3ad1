//! An MCP client in both eras: 2026-07-28, where every request stands alone, and 2025-11-25 with its handshake.

use serde_json::{Value, json};
use url::Url;

use super::http::{Answer, Call, Client};
use super::sign_in::Session;
use super::story::{Mismatch, expect};

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

/// How a client speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Era {
    Modern,
    /// With the session id that `initialize` gave.
    Legacy(Option<String>),
}

/// An MCP client with a token.
pub(super) struct McpClient<'a> {
    endpoint: Url,
    session: &'a Session,
    era: Era,
    requests: u32,
}

/// What a request came to.
pub(super) struct Reply {
    status: u16,
    body: Value,
}

impl<'a> McpClient<'a> {
    /// A client of the era of 2026-07-28.
    pub(super) fn modern(endpoint: &Url, session: &'a Session) -> Self {
        Self { endpoint: endpoint.clone(), session, era: Era::Modern, requests: 0 }
    }

    /// A client of 2025-11-25, after its handshake.
    pub(super) async fn legacy(endpoint: &Url, session: &'a Session) -> Result<Self, Mismatch> {
        let mut client = Self { endpoint: endpoint.clone(), session, era: Era::Legacy(None), requests: 0 };
        let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": info() });
        let answer = client.send("initialize", params, true).await?;
        let id = answer.header("mcp-session-id").map(str::to_owned);
        let reply = read(&answer.with_status(200)?)?;
        let version = reply.pointer("/result/protocolVersion").and_then(Value::as_str);
        expect(version == Some(LEGACY), format!("protocolVersion {LEGACY}"), &reply)?;
        client.era = Era::Legacy(id);
        client.send("notifications/initialized", json!({}), false).await?.with_status(202)?;
        Ok(client)
    }

    /// Names of all listed tools.
    pub(super) async fn list(&mut self) -> Result<Vec<String>, Mismatch> {
        let mut names = Vec::new();
        let mut params = json!({});
        loop {
            let reply = self.request("tools/list", params).await?;
            let tools = reply.body.pointer("/result/tools").and_then(Value::as_array);
            let tools = tools.ok_or_else(|| Mismatch::new("result.tools", reply.describe()))?;
            names.extend(
                tools.iter().filter_map(|tool| tool.get("name").and_then(Value::as_str).map(str::to_owned)),
            );
            match reply.body.pointer("/result/nextCursor").and_then(Value::as_str) {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => return Ok(names),
            }
        }
    }

    /// Calls a tool.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Result<Reply, Mismatch> {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Reply, Mismatch> {
        let answer = self.send(method, params, true).await?;
        Ok(Reply { status: answer.status.as_u16(), body: read(&answer)? })
    }

    async fn send(
        &mut self,
        method: &str,
        mut params: Value,
        expects_answer: bool,
    ) -> Result<Answer, Mismatch> {
        self.requests += 1;
        let name = params.get("name").and_then(Value::as_str).map(str::to_owned);
        if let (Era::Modern, Some(params)) = (&self.era, params.as_object_mut()) {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": info(),
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            params.insert("_meta".to_owned(), meta);
        }
        let mut body = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if let Some(body) = body.as_object_mut().filter(|_| expects_answer) {
            body.insert("id".to_owned(), self.requests.into());
        }
        let mut call = Call::json(self.endpoint.clone(), &body)
            .with("accept", "application/json, text/event-stream")
            .with("authorization", format!("Bearer {}", self.session.token.expose()));
        match &self.era {
            Era::Modern => {
                call = call.with("mcp-protocol-version", MODERN).with("mcp-method", method);
                if let Some(name) = name {
                    call = call.with("mcp-name", name);
                }
            }
            Era::Legacy(id) => {
                if method != "initialize" {
                    call = call.with("mcp-protocol-version", LEGACY);
                }
                if let Some(id) = id {
                    call = call.with("mcp-session-id", id);
                }
            }
        }
        Client::default().send(call).await
    }
}

impl Reply {
    /// The text of a successful result.
    pub(super) fn text(&self) -> Result<String, Mismatch> {
        let failed = self.body.pointer("/result/isError") == Some(&Value::Bool(true));
        let text = self.body.pointer("/result/content/0/text").and_then(Value::as_str).filter(|_| !failed);
        text.map(str::to_owned).ok_or_else(|| Mismatch::new("a result with text", self.describe()))
    }

    /// What the caller is told when there is no successful result.
    pub(super) fn refusal(&self) -> Result<String, Mismatch> {
        let told = match self.body.pointer("/error/message") {
            Some(message) => message.as_str(),
            None if self.body.pointer("/result/isError") == Some(&Value::Bool(true)) => {
                self.body.pointer("/result/content/0/text").and_then(Value::as_str)
            }
            None => None,
        };
        told.map(str::to_owned).ok_or_else(|| Mismatch::new("a refusal", self.describe()))
    }

    fn describe(&self) -> String {
        format!("{} {}", self.status, self.body)
    }
}

fn info() -> Value {
    json!({ "name": "gatehouse-demo-check", "version": env!("CARGO_PKG_VERSION") })
}

/// The JSON-RPC message of an answer, which may come as the last event of a stream.
fn read(answer: &Answer) -> Result<Value, Mismatch> {
    let stream = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    if !stream {
        return answer.json();
    }
    let text = answer.text();
    let last = text.lines().filter_map(|line| line.strip_prefix("data:")).next_back().unwrap_or_default();
    serde_json::from_str(last).map_err(|_| Mismatch::new("a JSON-RPC message at the end of the stream", text))
}
