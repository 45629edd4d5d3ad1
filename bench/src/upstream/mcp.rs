//! `POST /mcp`: an MCP server of protocol version 2026-07-28.

use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::{Reply, json, text};

const DISCOVERY: &str = concat!(
    "{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},",
    "\"ttlMs\":3600000,\"cacheScope\":\"private\",",
    "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"bench\",\"version\":\"1.0.0\"}}}",
);
const TOOLS: &str = concat!(
    "{\"resultType\":\"complete\",\"ttlMs\":3600000,\"cacheScope\":\"private\",\"tools\":[",
    "{\"name\":\"findInvoices\",\"description\":\"Invoices of a customer\",\"inputSchema\":{\"type\":\"object\",",
    "\"properties\":{\"customer\":{\"type\":\"string\"},\"overdue\":{\"type\":\"boolean\"},",
    "\"limit\":{\"type\":\"integer\"}},\"required\":[\"customer\"]}},",
    "{\"name\":\"getBalance\",\"description\":\"The balance of a customer\",\"inputSchema\":{\"type\":\"object\",",
    "\"properties\":{\"customer\":{\"type\":\"string\"}},\"required\":[\"customer\"]}},",
    "{\"name\":\"getCustomerPII\",\"description\":\"Personal data of a customer\",\"inputSchema\":{\"type\":\"object\",",
    "\"properties\":{\"customer\":{\"type\":\"string\"}},\"required\":[\"customer\"]}}",
    "],\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"bench\",\"version\":\"1.0.0\"}}}",
);
const OUTCOME: &str = concat!(
    "{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":",
    "\"INV-4203, due 2026-04-13, EUR 500.30\\nINV-4207, due 2026-08-17, EUR 1048.70\"}],",
    "\"structuredContent\":{\"invoices\":[{\"number\":\"INV-4203\",\"amount\":500.30},",
    "{\"number\":\"INV-4207\",\"amount\":1048.70}]},\"isError\":false,",
    "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"bench\",\"version\":\"1.0.0\"}}}",
);

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
}

pub(super) fn answer(body: &[u8]) -> Response<Reply> {
    let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
        return json(
            StatusCode::BAD_REQUEST,
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"}}"#,
        );
    };
    let Some(id) = message.id else { return text(StatusCode::ACCEPTED, "") };
    let (status, outcome) = match message.method {
        "tools/call" => (StatusCode::OK, format!("\"result\":{OUTCOME}")),
        "tools/list" => (StatusCode::OK, format!("\"result\":{TOOLS}")),
        "server/discover" => (StatusCode::OK, format!("\"result\":{DISCOVERY}")),
        _ => {
            (StatusCode::NOT_FOUND, "\"error\":{\"code\":-32601,\"message\":\"Method not found\"}".to_owned())
        }
    };
    json(status, format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{outcome}}}"))
}
