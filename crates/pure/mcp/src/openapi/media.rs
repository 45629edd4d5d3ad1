//! Media types as documents and answers write them.

use gatehouse_wire::media_type;

/// `application/json`, `*+json` and the wildcards that include them.
pub(super) fn is_json(media_type: &str) -> bool {
    media_type::is_json(media_type) || matches!(media_type::essence(media_type), "*/*" | "application/*")
}

/// What models can read.
pub(super) fn is_textual(media_type: &str) -> bool {
    let essence = essence(media_type);
    is_json(&essence)
        || essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+yaml")
        || matches!(
            essence.as_str(),
            "application/xml" | "application/yaml" | "application/x-www-form-urlencoded"
        )
}

pub(super) fn is_form(media_type: &str) -> bool {
    essence(media_type) == "application/x-www-form-urlencoded"
}

/// Plain text of whatever kind, as one string.
pub(super) fn is_text(media_type: &str) -> bool {
    essence(media_type).starts_with("text/")
}

/// Whether it can stand in a header: `type/subtype` and parameters, in visible ASCII, on one line.
pub(super) fn is_sendable(media_type: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&byte))
    };
    let parts = essence(media_type);
    parts.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
        && media_type.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',')
}

/// Without parameters, in lower case.
fn essence(media_type: &str) -> String {
    media_type::essence(media_type).to_ascii_lowercase()
}
