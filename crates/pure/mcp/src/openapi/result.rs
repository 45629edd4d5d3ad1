//! An API's answer as a tool result.

use serde_json::value::RawValue;

use super::BridgeTool;
use super::operation::is_json;
use crate::message::{RawObject, is_shallow};
use crate::rewrite::{text_content, tool_error};
use crate::weight;

/// How much of a failed answer's text the model sees, in characters.
const LONGEST_FAILURE: usize = 8_000;

/// What an API answered.
#[derive(Clone, Copy, Debug)]
pub struct HttpAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The body; of a larger one than becomes a result, at least one byte more than that.
    pub body: &'a [u8],
    /// The most bytes of a body that becomes a result.
    pub largest: usize,
}

/// The most memory that [`to_content`] takes for the answer, besides its body: JSON is checked as a value, and text
/// grows where it is escaped.
pub fn cost(tool: &BridgeTool, answer: HttpAnswer<'_>) -> usize {
    if answer.body.len() > answer.largest || !is_textual(answer.content_type) {
        return 0;
    }
    let Ok(text) = std::str::from_utf8(answer.body) else { return 0 };
    let checked = if tool.output.is_some() { weight::parsed(text) } else { 0 };
    weight::allocation(text.len() + checked.max(weight::escaped(text)))
}

/// Turns an answer into a result of the newest revision; [`crate::rewrite::call_result`] dresses it for older
/// clients. JSON is given twice, as text and byte for byte as `structuredContent`.
pub fn to_content(tool: &BridgeTool, answer: HttpAnswer<'_>) -> RawObject<'static> {
    let HttpAnswer { status, content_type, body, largest } = answer;
    if body.len() > largest {
        return tool_error(&format!("The API's answer is larger than {largest} bytes and was not read."));
    }
    let text = std::str::from_utf8(body).ok();
    if !(200..300).contains(&status) {
        let shown: String = text.unwrap_or_default().chars().take(LONGEST_FAILURE).collect();
        let shown = if is_textual(content_type) { shown } else { String::new() };
        return tool_error(format!("The API answered HTTP {status}. {shown}").trim_end());
    }
    if body.is_empty() {
        if tool.output.is_some() {
            return tool_error(&format!(
                "The API answered HTTP {status} without the content that it declares."
            ));
        }
        return text_result(&format!("Done (HTTP {status}, no content)."));
    }
    match (text, content_type) {
        (Some(text), Some(kind)) if is_json(kind) => json_result(tool, text),
        (Some(text), _) if is_textual(content_type) && tool.output.is_none() => text_result(text),
        _ if tool.output.is_some() => tool_error(&format!(
            "The API answered {} bytes of {} instead of the JSON that it declares.",
            body.len(),
            content_type.unwrap_or("an unnamed content type"),
        )),
        _ => tool_error(&format!(
            "The API answered {} bytes of {}, which cannot be shown as text.",
            body.len(),
            content_type.unwrap_or("an unnamed content type"),
        )),
    }
}

fn json_result(tool: &BridgeTool, text: &str) -> RawObject<'static> {
    let parsed: Option<Box<RawValue>> = serde_json::from_str(text).ok();
    let Some(structured) = parsed.filter(|_| is_shallow(text)) else {
        return tool_error("The API's answer says that it is JSON but cannot be read as such.");
    };
    if let Some(why) = violation(tool, &structured) {
        let shown: String = text.chars().take(LONGEST_FAILURE).collect();
        return tool_error(&format!("The API's answer does not fit its declared schema ({why}): {shown}"));
    }
    let mut result = text_result(text);
    result.set("structuredContent", structured);
    result
}

fn violation(tool: &BridgeTool, structured: &RawValue) -> Option<String> {
    let validator = tool.output.as_ref()?;
    let value = match serde_json::from_str(structured.get()) {
        Ok(value) => value,
        Err(error) => return Some(error.to_string()),
    };
    let error = validator.validate(&value).err()?;
    let place = error.instance_path().to_string();
    // Masked: the message names the rule, not the value.
    Some(format!("at {}: {}", if place.is_empty() { "/" } else { &place }, error.masked()))
}

fn text_result(text: &str) -> RawObject<'static> {
    let mut result = RawObject::default();
    result.set("content", text_content(text));
    result
}

fn is_textual(content_type: Option<&str>) -> bool {
    let Some(kind) = content_type else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    is_json(&essence)
        || essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+yaml")
        || matches!(
            essence.as_str(),
            "application/xml" | "application/yaml" | "application/x-www-form-urlencoded"
        )
}
