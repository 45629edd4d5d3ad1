//! Media types as header fields write them (RFC 9110 §8.3.1): `type/subtype`, in whatever letter case, and parameters.

/// An event stream (WHATWG HTML §9.2).
pub const EVENT_STREAM: &str = "text/event-stream";
/// JSON (RFC 8259 §11).
pub const JSON: &str = "application/json";

/// `type/subtype`, in the letter case that it was written in.
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

/// Whether `media_type` is of this `type/subtype`, whatever its parameters.
pub fn is(media_type: &str, essence: &str) -> bool {
    self::essence(media_type).eq_ignore_ascii_case(essence)
}

/// Whether the content is JSON: `application/json`, or a type with the suffix `+json` (RFC 6839 §3.1).
pub fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    let suffix = essence.len().checked_sub("+json".len()).and_then(|at| essence.get(at..));
    essence.eq_ignore_ascii_case(JSON) || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
}

#[cfg(test)]
mod tests;
