//! The two eras of MCP that the ledger speaks, and how it tells them apart.

use axum::http::HeaderMap;
use serde_json::{Value, json};

/// The stateless version: everything a request needs is in the request.
pub(super) const MODERN: &str = "2026-07-28";
/// The versions that begin with `initialize`, newest first.
pub(super) const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// Which rules a request follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    Modern,
    Legacy,
}

/// A JSON-RPC error and the HTTP status that carries it.
#[derive(Debug, PartialEq)]
pub(super) struct RpcError {
    pub(super) status: u16,
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl RpcError {
    pub(super) fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), data: None }
    }
}

impl Era {
    /// Modern when the body says a version or the header names one that no legacy client can mean.
    pub(super) fn of(headers: &HeaderMap, request: &Value) -> Self {
        let named = header(headers, "mcp-protocol-version");
        let beyond = named.is_some_and(|version| !LEGACY.contains(&version));
        if beyond || meta(request, VERSION_KEY).is_some() { Self::Modern } else { Self::Legacy }
    }
}

/// What every modern request must carry, in headers and body alike.
pub(super) fn check_modern(headers: &HeaderMap, request: &Value, method: &str) -> Result<(), RpcError> {
    let mismatch = |text: String| Err(RpcError::new(400, -32020, text));
    let Some(version) = meta(request, VERSION_KEY).and_then(Value::as_str) else {
        return Err(RpcError::new(400, -32602, format!("params._meta must name `{VERSION_KEY}`")));
    };
    if header(headers, "mcp-protocol-version") != Some(version) {
        return mismatch(
            "the MCP-Protocol-Version header must be there once and equal the body's version".into(),
        );
    }
    if version != MODERN {
        let data = json!({ "supported": [MODERN], "requested": version });
        let message = format!("protocol version {version} is not supported");
        return Err(RpcError { data: Some(data), ..RpcError::new(400, -32022, message) });
    }
    if !meta(request, CAPABILITIES_KEY).is_some_and(Value::is_object) {
        return Err(RpcError::new(
            400,
            -32602,
            format!("params._meta must hold the object `{CAPABILITIES_KEY}`"),
        ));
    }
    if header(headers, "mcp-method") != Some(method) {
        return mismatch(format!("the Mcp-Method header must be there once and equal `{method}`"));
    }
    let name = request.pointer("/params/name").and_then(Value::as_str);
    if method == "tools/call" && (name.is_none() || header(headers, "mcp-name") != name) {
        return mismatch("the Mcp-Name header must be there once and equal params.name".into());
    }
    Ok(())
}

/// The version to speak after `initialize`: the client's if we know it, else our newest.
pub(super) fn negotiate(request: &Value) -> &'static str {
    let [newest, ..] = LEGACY;
    let wanted = request.pointer("/params/protocolVersion").and_then(Value::as_str);
    LEGACY.into_iter().find(|version| wanted == Some(*version)).unwrap_or(newest)
}

/// The value of a header that is there exactly once, without surrounding white space.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

fn meta<'a>(request: &'a Value, key: &str) -> Option<&'a Value> {
    request.get("params")?.get("_meta")?.get(key)
}
