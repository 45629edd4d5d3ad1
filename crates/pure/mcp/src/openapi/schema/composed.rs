//! Objects that are described by several schemas.

use serde_json::{Map, Value};

use crate::openapi::document::Document;

/// The most schemas of one composition that are looked at.
const MOST_PARTS: usize = 256;
/// Keywords whose schemas describe the same object.
pub(in crate::openapi) const COMPOSED: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Shows `look` a schema, what it refers to, and the schemas under `keywords`, each of them once.
pub(in crate::openapi) fn visit<'v>(
    document: &Document<'v>,
    members: &'v Map<String, Value>,
    keywords: &[&str],
    look: &mut dyn FnMut(&'v Map<String, Value>),
) {
    visit_once(document, members, keywords, &mut Vec::new(), look);
}

fn visit_once<'v>(
    document: &Document<'v>,
    members: &'v Map<String, Value>,
    keywords: &[&str],
    seen: &mut Vec<&'v Map<String, Value>>,
    look: &mut dyn FnMut(&'v Map<String, Value>),
) {
    if seen.len() >= MOST_PARTS || seen.iter().any(|known| std::ptr::eq(*known, members)) {
        return;
    }
    seen.push(members);
    look(members);
    let target = members.get("$ref").and_then(|reference| document.lookup(reference, "").ok());
    if let Some(target) = target.and_then(|(target, _)| target.as_object()) {
        visit_once(document, target, keywords, seen, look);
    }
    for keyword in keywords {
        let parts = members.get(*keyword).and_then(Value::as_array).into_iter().flatten();
        for part in parts.filter_map(Value::as_object) {
            visit_once(document, part, keywords, seen, look);
        }
    }
}
