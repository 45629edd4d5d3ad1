//! An API's answer as a tool result.

use serde_json::value::RawValue;

use super::BridgeTool;
use super::media::{is_json, is_textual};
use crate::message::{RawObject, is_shallow, json_text};
use crate::rewrite::{text_content, tool_error};
use crate::weight;

/// How much of a failed answer's text the model sees, in characters.
const LONGEST_FAILURE: usize = 8_000;

/// How much of a `Content-Type` is told, in characters.
const LONGEST_KIND: usize = 100;

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
    if answer.body.len() > answer.largest || !answer.content_type.is_some_and(is_textual) {
        return 0;
    }
    let Ok(text) = std::str::from_utf8(answer.body) else { return 0 };
    let checked = if tool.output.is_some() { weight::parsed(text) } else { 0 };
    weight::allocation(text.len() + checked.max(weight::escaped(text)))
}

/// An answer as a client gets it.
#[derive(Clone, Debug)]
pub struct Content {
    /// The result of the call.
    pub result: RawObject<'static>,
    /// How the answer breaks what the document says of it.
    pub breach: Option<String>,
}

/// Turns an answer into a result of the newest revision; [`crate::rewrite::call_result`] dresses it for older
/// clients. JSON is given twice, as text and byte for byte as `structuredContent`.
///
/// What an API says that it has done is no error, whatever else there is to say of its answer: an error invites to do
/// it again. Only the promise of [`super::OutputSchemas::Strict`] is kept in that case too, in words that say so.
pub fn to_content(tool: &BridgeTool, answer: HttpAnswer<'_>) -> Content {
    let HttpAnswer { status, content_type, body, largest } = answer;
    if body.len() > largest {
        let why = format!("The API's answer is larger than {largest} bytes and was not read.");
        return unshown(tool, status, &why).into();
    }
    let text = std::str::from_utf8(body).ok();
    let readable = content_type.is_some_and(is_textual);
    if !(200..300).contains(&status) {
        let shown: String = text.unwrap_or_default().chars().take(LONGEST_FAILURE).collect();
        let shown = if readable { shown } else { String::new() };
        return tool_error(format!("The API answered HTTP {status}. {shown}").trim_end()).into();
    }
    if body.is_empty() {
        return done(tool, &format!("Done (HTTP {status}, no content).")).into();
    }
    let kind = content_type.unwrap_or("an unnamed content type");
    match (text, content_type) {
        (Some(text), Some(kind)) if is_json(kind) => return json_result(tool, status, text),
        (Some(text), _) if readable && !promises(tool) => {
            let breach = tool.output.is_some().then(|| not_json(kind));
            return Content { result: text_result(text), breach };
        }
        _ => {}
    }
    let (bytes, declared) = (body.len(), tool.output.is_some());
    let why = if declared {
        format!("The API answered {bytes} bytes of {kind} instead of the JSON that it declares.")
    } else {
        format!("The API answered {bytes} bytes of {kind}, which cannot be shown as text.")
    };
    let breach = declared.then(|| not_json(kind));
    Content { result: unshown(tool, status, &why), breach }
}

fn not_json(kind: &str) -> String {
    let kind: String = kind.chars().take(LONGEST_KIND).collect();
    format!("{kind} instead of JSON")
}

impl From<RawObject<'static>> for Content {
    fn from(result: RawObject<'static>) -> Self {
        Self { result, breach: None }
    }
}

fn json_result(tool: &BridgeTool, status: u16, text: &str) -> Content {
    let parsed: Option<Box<RawValue>> = serde_json::from_str(text).ok();
    let Some(structured) = parsed.filter(|_| is_shallow(text)) else {
        let why = "The API's answer says that it is JSON but cannot be read as such.";
        return unshown(tool, status, why).into();
    };
    let breach = violation(tool, &structured);
    if let Some(why) = breach.as_ref().filter(|_| promises(tool)) {
        let shown: String = text.chars().take(LONGEST_FAILURE).collect();
        let told = carried_out(tool, status).map(|told| format!("{told} ")).unwrap_or_default();
        let told = format!("{told}The API's answer does not fit its declared schema ({why}): {shown}");
        return Content { result: tool_error(&told), breach };
    }
    let mut result = text_result(text);
    result.set("structuredContent", structured);
    Content { result, breach }
}

/// The result of an answer that cannot be shown.
fn unshown(tool: &BridgeTool, status: u16, why: &str) -> RawObject<'static> {
    if is_write(tool) && (200..300).contains(&status) {
        done(tool, &format!("Done (HTTP {status}). {why}"))
    } else {
        tool_error(why)
    }
}

/// The result of a call that is carried out and of which there is nothing to show.
fn done(tool: &BridgeTool, text: &str) -> RawObject<'static> {
    let mut result = text_result(text);
    if promises(tool) {
        result.set_borrowed("structuredContent", json_text::constant("{}"));
    }
    result
}

fn promises(tool: &BridgeTool) -> bool {
    tool.output.as_ref().is_some_and(|output| output.is_promised)
}

/// Whether the call changes something.
fn is_write(tool: &BridgeTool) -> bool {
    tool.method != "GET"
}

/// What to say of a call that may have changed something and that the API says it has carried out, where its answer is
/// not shown: an error invites to do it again.
pub fn carried_out(tool: &BridgeTool, status: u16) -> Option<String> {
    let done = is_write(tool) && (200..300).contains(&status);
    done.then(|| format!("The API answered HTTP {status}, so the call was carried out: do not repeat it."))
}

fn violation(tool: &BridgeTool, structured: &RawValue) -> Option<String> {
    let validator = &tool.output.as_ref()?.validator;
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
