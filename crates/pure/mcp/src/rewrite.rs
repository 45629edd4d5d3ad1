//! Carrying answers of an upstream to a client of another revision.

use std::fmt;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

use crate::discover::ServerFacts;
use crate::error::{ErrorCode, RpcError};
use crate::message::{ErrorObject, Notification, RawObject, json_text};
use crate::version::{Era, Version, meta};
use crate::weight;

/// Longest upstream error text that is passed on, in characters.
const LONGEST_MESSAGE: usize = 2_000;

/// What a result is, by its `resultType`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultKind {
    /// The answer. Results of older upstreams, which have no `resultType`, are this.
    Complete,
    /// The upstream asks the client for something first.
    InputRequired,
    /// Anything else: not a valid answer to a request that declared no extension.
    Other(String),
}

/// How an upstream's error reaches the client.
#[derive(Clone, Debug)]
pub enum ErrorAnswer {
    /// As a tool result with `isError`, which models can read.
    Result(RawObject<'static>),
    /// As a JSON-RPC error.
    Error(RpcError),
}

impl ResultKind {
    /// The kind of a result.
    pub fn of(result: &RawObject<'_>) -> Self {
        match result.get("resultType") {
            None => Self::Complete,
            Some(raw) => match raw.get() {
                "\"complete\"" => Self::Complete,
                "\"input_required\"" => Self::InputRequired,
                other => Self::Other(other.trim_matches('"').to_owned()),
            },
        }
    }
}

/// Dresses the result of a `tools/call` for the client's revision; members that no revision disagrees about
/// keep their bytes.
///
/// `input_required` passes to modern clients and is refused for legacy ones; a result type that nobody
/// negotiated is refused.
pub fn call_result<'a>(
    mut result: RawObject<'a>,
    client: Version,
    server: &ServerFacts,
) -> Result<RawObject<'a>, RpcError> {
    let kind = ResultKind::of(&result);
    if let ResultKind::Other(kind) = kind {
        return Err(refused(format!(
            "the upstream answered with the result type {kind:?}, which was not negotiated"
        )));
    }
    if client.era() == Era::Modern {
        if kind == ResultKind::Complete {
            result.set_borrowed("resultType", json_text::constant(r#""complete""#));
        }
        server.sign(&mut result);
        return Ok(result);
    }
    if kind == ResultKind::InputRequired {
        return Err(refused(format!(
            "the upstream asks for input before it answers, which cannot be relayed to a client of protocol version {client}"
        )));
    }
    result.retain(|name| !matches!(name, "resultType" | "ttlMs" | "cacheScope"));
    remove_server_info(&mut result);
    down_convert_structured(&mut result, client);
    if client < Version::V2025_06_18 {
        replace_resource_links(&mut result);
    }
    Ok(result)
}

/// Maps an upstream's JSON-RPC error for the client. Errors about the envelope between gateway and upstream
/// are ours, not the client's.
pub fn call_error(error: &ErrorObject<'_>, client: Version) -> ErrorAnswer {
    let text: String = error.message.chars().take(LONGEST_MESSAGE).collect();
    let relay =
        |code, status| ErrorAnswer::Error(RpcError::relayed(code, text.clone(), error.data(), status));
    match (error.code, client.era()) {
        (-32002, Era::Modern) => relay(ErrorCode::InvalidParams.number(), 200),
        (-32021, Era::Modern) => relay(-32021, 400),
        (-32021, Era::Legacy) => {
            let data = error.data().map_or("{}", RawValue::get);
            ErrorAnswer::Result(tool_error(&format!(
                "This tool needs a client capability that is missing: {data}"
            )))
        }
        (-32042, _) => ErrorAnswer::Error(refused(
            "the upstream asks for a visit to a web page first, which this gateway does not relay yet"
                .to_owned(),
        )),
        (-32700 | -32600 | -32601 | -32099..=-32020, _) => ErrorAnswer::Error(refused(format!(
            "the upstream refused the gateway's request with {}: {text}",
            error.code
        ))),
        (code, _) => relay(code, 200),
    }
}

/// A tool result that reports a failure to the model.
pub fn tool_error(text: &str) -> RawObject<'static> {
    let mut result = RawObject::default();
    result.set("content", text_content(text));
    result.set_borrowed("isError", json_text::constant("true"));
    result
}

/// Adds a text behind the content of a result that has any.
pub fn append_text(result: &mut RawObject<'_>, text: &str) {
    let Some(items) = result.get("content").and_then(|raw| raw.get().trim_ascii().strip_suffix(']')) else {
        return;
    };
    let comma = if items.trim_ascii_end().ends_with('[') { "" } else { "," };
    let item = json!({ "type": "text", "text": text });
    let content = format!("{items}{comma}{item}]");
    result.set("content", json_text::raw(content));
}

/// Content of one text.
pub(crate) fn text_content(text: &str) -> Box<RawValue> {
    json_text::around_string(r#"[{"text":"#, text, r#","type":"text"}]"#)
}

/// The most memory that [`call_result`] and the message around it take for a result of `json`, besides the result.
pub fn dressing(json: &str, client: Version) -> usize {
    // Older revisions may get structured content or links as text.
    let text = if client < Version::NEWEST_LEGACY { weight::escaped(json) } else { json.len() };
    weight::allocation(json.len().saturating_add(2 * text))
}

/// A notification of an upstream, as the client of the running call may see it: progress with the client's
/// own token, nothing else.
pub fn progress_for(note: &Notification<'_>, sent: &RawValue, original: &RawValue) -> Option<String> {
    if note.method() != "notifications/progress" {
        return None;
    }
    let mut params = note.params()?.clone();
    if params.get(meta::PROGRESS_TOKEN)?.get() != sent.get() {
        return None;
    }
    params.set_borrowed(meta::PROGRESS_TOKEN, original);
    Some(note.rebuild(&params))
}

fn refused(message: String) -> RpcError {
    RpcError::new(ErrorCode::Internal, message)
}

fn remove_server_info(result: &mut RawObject<'_>) {
    let Some(raw) = result.get("_meta").map(ToOwned::to_owned) else { return };
    let Ok(mut members) = RawObject::parse(raw.get()) else { return };
    if !members.remove(meta::SERVER_INFO) {
        return;
    }
    if members.is_empty() {
        result.remove("_meta");
    } else {
        result.set("_meta", members.to_raw());
    }
}

/// Takes away structured content that the revision does not know, leaving its text if there is no other.
fn down_convert_structured(result: &mut RawObject<'_>, client: Version) {
    let Some(structured) = result.get("structuredContent").map(ToOwned::to_owned) else { return };
    if client >= Version::V2025_06_18 && structured.get().starts_with('{') {
        return;
    }
    result.remove("structuredContent");
    let is_item = |rest: &str| !rest.trim_ascii_start().starts_with(']');
    if !result.get("content").and_then(|raw| raw.get().strip_prefix('[')).is_some_and(is_item) {
        result.set("content", text_content(structured.get()));
    }
}

/// 2025-03-26 has no `resource_link` content; such clients get its name and address as text.
fn replace_resource_links(result: &mut RawObject<'_>) {
    let Some(raw) = result.get("content") else { return };
    let mut items = PlainItems { out: String::with_capacity(raw.get().len()), changed: false };
    if items.deserialize_all(raw).is_ok() && items.changed {
        result.set("content", json_text::raw(items.out));
    }
}

/// Content as it is written out item by item, links as text. There may be millions of items.
struct PlainItems {
    out: String,
    changed: bool,
}

impl PlainItems {
    fn deserialize_all(&mut self, raw: &RawValue) -> Result<(), serde_json::Error> {
        serde_json::Deserializer::from_str(raw.get()).deserialize_seq(self)
    }

    fn take(&mut self, item: &RawValue) {
        let members = RawObject::parse(item.get()).unwrap_or_default();
        if members.text("type").as_deref() != Some("resource_link") {
            return self.out.push_str(item.get());
        }
        let part = |name| members.text(name).unwrap_or_default();
        let text = format!("{}: {}", part("name"), part("uri"));
        self.out.push_str(&json!({ "type": "text", "text": text }).to_string());
        self.changed = true;
    }
}

impl<'de> Visitor<'de> for &mut PlainItems {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.out.push('[');
        while let Some(item) = items.next_element::<&'de RawValue>()? {
            if self.out.len() > 1 {
                self.out.push(',');
            }
            self.take(item);
        }
        self.out.push(']');
        Ok(())
    }
}

#[cfg(test)]
mod tests;
