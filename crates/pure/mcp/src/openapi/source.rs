//! One operation as it is written.

use serde_json::Value;

/// An operation of a document, and where it stands.
pub(super) struct Source<'a> {
    pub path: &'a str,
    pub method: &'static str,
    pub item: &'a Value,
    pub operation: &'a Value,
    pub at: String,
    pub item_at: String,
    pub name: String,
}
