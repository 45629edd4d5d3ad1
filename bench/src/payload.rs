//! The request bodies that are sent: their sizes and shapes are those of real clients.

use clap::ValueEnum;
use serde_json::{Value, json};

/// The model of every Messages request.
const MODEL: &str = "claude-opus-5-5";
/// The model whose stream the upstream paces.
pub const PACED_MODEL: &str = "claude-opus-5-5-paced";

/// A request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Payload {
    /// What Claude Code sends for a short question (48 KB), not streamed
    LlmJson,
    /// The same, streamed, with a reply of 10,000 text events
    LlmSse,
    /// The same, streamed at the pace of a model, with a reply of a few text events
    LlmTtft,
    /// A small `tools/call` of protocol version 2026-07-28
    McpCall,
}

impl Payload {
    /// The body.
    pub fn body(self) -> String {
        match self {
            Self::LlmJson => messages(MODEL, 1_024, false),
            Self::LlmSse => messages(MODEL, 10_000, true),
            Self::LlmTtft => messages(PACED_MODEL, 3, true),
            Self::McpCall => tool_call(),
        }
    }
}

/// A first turn of Claude Code: twelve tools, three system blocks, one question. Members stand in the client's order.
fn messages(model: &str, max_tokens: u32, stream: bool) -> String {
    let cached = json!({ "type": "ephemeral" });
    let question = json!([
        {
            "role": "user",
            "content": [
                { "type": "text", "text": prose("reminder", 2_600) },
                { "type": "text", "text": "Which invoices of \"Größer & Söhne\" are overdue?\n" },
            ],
        },
        { "role": "system", "content": [{ "type": "text", "text": prose("context", 1_200), "cache_control": cached }] },
    ]);
    let system = json!([
        { "type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.329; cc_entrypoint=sdk-cli;" },
        { "type": "text", "text": prose("identity", 400), "cache_control": cached },
        { "type": "text", "text": prose("instructions", 13_500), "cache_control": cached },
    ]);
    let user =
        r#"{"device_id":"6f1d","account_uuid":"","session_id":"3b7e4c1a-58f2-4d0e-9a6b-2f9d1c8e7a50"}"#;
    let metadata = json!({ "user_id": user });
    format!(
        "{{\"model\":\"{model}\",\"messages\":{question},\"system\":{system},\"tools\":{tools},\
         \"metadata\":{metadata},\"max_tokens\":{max_tokens},\
         \"thinking\":{{\"type\":\"adaptive\",\"display\":\"omitted\"}},\
         \"context_management\":{{\"edits\":[{{\"type\":\"clear_thinking_20251015\",\"keep\":\"all\"}}]}},\
         \"output_config\":{{\"effort\":\"medium\"}},\"stream\":{stream}}}",
        tools = tools(),
    )
}

fn tools() -> Value {
    const NAMES: [&str; 12] = [
        "Agent",
        "Bash",
        "Edit",
        "Glob",
        "Grep",
        "Read",
        "Skill",
        "TodoWrite",
        "ToolSearch",
        "WebFetch",
        "Write",
        "DeferredToolPlaceholder",
    ];
    let tool = |name: &str| {
        json!({
            "name": name,
            "description": prose(name, 1_500),
            "input_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "file_path": { "type": "string", "description": prose("path", 120) },
                    "offset": { "type": "integer", "minimum": 0, "description": prose("offset", 90) },
                    "limit": { "type": "integer", "exclusiveMinimum": 0, "maximum": 9_007_199_254_740_991_u64 },
                    "mode": { "type": "string", "enum": ["content", "files_with_matches", "count"] },
                },
                "required": ["file_path"],
                "additionalProperties": false,
            },
        })
    };
    NAMES.into_iter().map(tool).collect()
}

/// Text about `topic` with the line breaks and quotes that make JSON escape it.
fn prose(topic: &str, length: usize) -> String {
    let mut text = String::with_capacity(length + 160);
    for section in 1.. {
        if text.len() >= length {
            break;
        }
        text.push_str("## ");
        text.push_str(topic);
        text.push(' ');
        text.push_str(&section.to_string());
        text.push_str(
            "\n- Prefer what is \"asked for\" over what is usual — and say which of the two it was.\n",
        );
    }
    text
}

fn tool_call() -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "claude-code", "version": "2.1.329" },
        "progressToken": 7,
    });
    let params = json!({
        "name": "findInvoices",
        "arguments": { "customer": "Größer & Söhne", "overdue": true, "limit": 20 },
        "_meta": meta,
    });
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }).to_string()
}

#[cfg(test)]
mod tests;
