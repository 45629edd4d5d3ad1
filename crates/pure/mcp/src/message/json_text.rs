//! JSON text of values and strings of our own.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::weight;

/// A value of ours as raw JSON.
pub fn to_raw(value: &impl Serialize) -> Box<RawValue> {
    // Only maps with non-string keys and failing Serialize impls can fail; callers pass neither.
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

/// JSON text that stands in this program.
pub fn constant(json: &'static str) -> &'static RawValue {
    serde_json::from_str(json).unwrap_or(RawValue::NULL)
}

/// Text as a JSON string, quotes included.
pub fn json_string(text: &str) -> String {
    // Text always has a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}

/// Appends text as a JSON string, quotes included.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&json_string(text));
    }
}

/// Text as a raw JSON string.
pub(crate) fn raw_string(text: &str) -> Box<RawValue> {
    around_string("", text, "")
}

/// `before`, `text` as a JSON string, `after`: in memory for no more than that.
pub(crate) fn around_string(before: &str, text: &str, after: &str) -> Box<RawValue> {
    let mut out = Vec::with_capacity(before.len() + weight::escaped(text) + after.len());
    out.extend_from_slice(before.as_bytes());
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(&mut out, text);
    out.extend_from_slice(after.as_bytes());
    raw(String::from_utf8(out).unwrap_or_default())
}

/// Text that is known to be JSON, as a raw value.
pub(crate) fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap_or_default()
}

/// An object from the JSON text of its members.
pub(crate) fn raw_object(members: &str) -> Box<RawValue> {
    raw(format!("{{{members}}}"))
}
