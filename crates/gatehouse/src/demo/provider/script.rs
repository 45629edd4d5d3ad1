//! What the scripted model says.

use serde_json::{Map, Value, json};

/// The longest part of a tool's result that is quoted, in characters.
const MAX_QUOTE: usize = 4000;

/// One reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// Words, in the pieces in which they are streamed.
    Text(Vec<String>),
    /// A tool to call.
    ToolUse { name: String, input: Map<String, Value> },
}

/// How the reply is delivered; the model's name says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// As a well provider does.
    Plain,
    /// This many `content_block_delta` events.
    Events(usize),
    /// A text of this many bytes.
    Bytes(usize),
    /// This many milliseconds before every event.
    Slow(u64),
    /// An `error` event after the third delta.
    ErrorMidStream,
    /// The stream ends after the third delta.
    Truncated,
    /// No reply but this HTTP status and the error that belongs to it.
    Status(u16),
}

impl Delivery {
    /// What the model id asks for.
    pub(super) fn of(model: &str) -> Self {
        let Some(script) = model.strip_prefix("claude-scripted-") else { return Self::Plain };
        match script {
            "error-midstream" => return Self::ErrorMidStream,
            "truncated" => return Self::Truncated,
            _ => {}
        }
        let count = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let size = |text: Option<&str>| count(text).and_then(|count| usize::try_from(count).ok());
        if let Some(events) = size(script.strip_suffix("-events")) {
            return Self::Events(events.min(1_000_000));
        }
        if let Some(bytes) = size(script.strip_suffix("-bytes")) {
            return Self::Bytes(bytes.min(64 * 1024 * 1024));
        }
        if let Some(pause) = count(script.strip_prefix("slow-")) {
            return Self::Slow(pause.min(60_000));
        }
        match count(script.strip_prefix("status-")).and_then(|status| u16::try_from(status).ok()) {
            Some(status @ 400..=599) => Self::Status(status),
            _ => Self::Plain,
        }
    }
}

/// The reply to a conversation.
pub(super) fn reply(request: &Value, delivery: Delivery) -> Reply {
    match delivery {
        Delivery::Events(count) => {
            return Reply::Text((0..count).map(|number| format!("word{number} ")).collect());
        }
        Delivery::Bytes(size) => return Reply::Text(vec!["x".repeat(size)]),
        _ => {}
    }
    let messages = request.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let Some(last) = messages.iter().rev().find(|message| role(message) == "user") else {
        return words("Hello from the scripted model.");
    };
    if let Some(result) = blocks(last).into_iter().rev().find(|block| kind(block) == "tool_result") {
        if let Some(call) = after_search(request, messages, result) {
            return call;
        }
        let quoted: String = text_of(result.get("content")).chars().take(MAX_QUOTE).collect();
        return words(&format!("The tool answered: {quoted}"));
    }
    let text = text_of(last.get("content"));
    tool_call(&text, &offered(request, messages)).or_else(|| search(&text, request)).unwrap_or_else(|| {
        words("Hello from the scripted model. Ask me to `use` a tool by its name and I will call it.")
    })
}

/// The call that `text` asks for: `use NAME` or `call NAME`, and a JSON object after it as arguments.
fn tool_call(text: &str, offered: &[String]) -> Option<Reply> {
    mentions(text).into_iter().find_map(|(mention, rest)| {
        let ends = |separator: &str| {
            offered
                .iter()
                .find(|name| name.strip_suffix(mention).is_some_and(|prefix| prefix.ends_with(separator)))
        };
        let name =
            offered.iter().find(|name| *name == mention).or_else(|| ends("__")).or_else(|| ends("_"))?;
        Some(Reply::ToolUse { name: name.clone(), input: arguments(rest) })
    })
}

/// Clients that load tool definitions on demand offer a search tool instead; it is asked first.
fn search(text: &str, request: &Value) -> Option<Reply> {
    let can_search = offered(request, &[]).iter().any(|name| name == "ToolSearch");
    let (mention, _) =
        mentions(text).into_iter().find(|(mention, _)| can_search && mention.starts_with("mcp__"))?;
    let input = Map::from_iter([
        ("query".into(), format!("select:{mention}").into()),
        ("max_results".into(), 5.into()),
    ]);
    Some(Reply::ToolUse { name: "ToolSearch".into(), input })
}

/// When `result` came from the search tool: the call that the user asked for before it.
fn after_search(request: &Value, messages: &[Value], result: &Value) -> Option<Reply> {
    let id = result.get("tool_use_id")?;
    let searched = |block: &&Value| {
        block.get("id") == Some(id) && block.get("name").and_then(Value::as_str) == Some("ToolSearch")
    };
    messages.iter().find(|message| blocks(message).iter().any(searched))?;
    let offered = offered(request, messages);
    messages
        .iter()
        .rev()
        .filter(|message| role(message) == "user")
        .find_map(|message| tool_call(&text_of(message.get("content")), &offered))
}

/// Every word after `use` or `call`, with the text behind it.
fn mentions(text: &str) -> Vec<(&str, &str)> {
    let mut mentions = Vec::new();
    let mut words = text.split_inclusive(char::is_whitespace).peekable();
    let mut read = 0;
    while let Some(word) = words.next() {
        read += word.len();
        let verb = word.trim().trim_start_matches(|c: char| !c.is_alphanumeric());
        if !["use", "call"].iter().any(|known| verb.eq_ignore_ascii_case(known)) {
            continue;
        }
        let Some(next) = words.peek() else { break };
        let name = next.trim().trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
        let rest = text.get(read + next.len()..).unwrap_or_default();
        if !name.is_empty() {
            mentions.push((name, rest));
        }
    }
    mentions
}

fn arguments(text: &str) -> Map<String, Value> {
    let Some(object) = text.find('{').and_then(|start| text.get(start..)) else { return Map::new() };
    let mut values = serde_json::Deserializer::from_str(object).into_iter::<Map<String, Value>>();
    values.next().and_then(Result::ok).unwrap_or_default()
}

/// Names of the tools in `tools` and of those that a search has brought up.
fn offered(request: &Value, messages: &[Value]) -> Vec<String> {
    let name = |tool: &Value, member: &str| tool.get(member).and_then(Value::as_str).map(str::to_owned);
    let tools = request.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let listed = tools.iter().filter_map(|tool| name(tool, "name"));
    let found = messages
        .iter()
        .flat_map(blocks)
        .filter_map(|block| block.get("content").and_then(Value::as_array))
        .flatten()
        .filter_map(|part| name(part, "tool_name"));
    listed.chain(found).collect()
}

fn words(text: &str) -> Reply {
    Reply::Text(text.split_inclusive(' ').map(str::to_owned).collect())
}

fn role(message: &Value) -> &str {
    message.get("role").and_then(Value::as_str).unwrap_or_default()
}

fn kind(block: &Value) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn blocks(message: &Value) -> Vec<&Value> {
    message.get("content").and_then(Value::as_array).into_iter().flatten().collect()
}

/// The text of a content that is a string or a list of blocks.
fn text_of(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            let texts = blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

impl Reply {
    /// The content block of a whole message.
    pub(super) fn block(&self, id: &str) -> Value {
        match self {
            Self::Text(pieces) => json!({ "type": "text", "text": pieces.concat() }),
            Self::ToolUse { name, input } => {
                json!({ "type": "tool_use", "id": id, "name": name, "input": input })
            }
        }
    }

    pub(super) fn stop_reason(&self) -> &'static str {
        match self {
            Self::Text(_) => "end_turn",
            Self::ToolUse { .. } => "tool_use",
        }
    }

    /// Output tokens: one for each piece.
    pub(super) fn tokens(&self) -> usize {
        match self {
            Self::Text(pieces) => pieces.len(),
            Self::ToolUse { input, .. } => 10 + input.len(),
        }
    }
}
