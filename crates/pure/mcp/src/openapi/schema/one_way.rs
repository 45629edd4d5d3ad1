//! Properties that travel in one direction only.
//!
//! `readOnly` and `writeOnly` hold for a property wherever an object is composed of several schemas: the mark may stand
//! behind a reference, and what demands the property in another part of an `allOf`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::openapi::document::Document;

/// The most schemas of one composition that are looked at.
const MOST_PARTS: usize = 256;
/// Keywords whose schemas describe the same object.
const COMPOSED: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Looks for one of the two marks.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneWay<'a> {
    document: &'a Document<'a>,
    mark: &'static str,
}

impl<'a> OneWay<'a> {
    pub(super) fn new(document: &'a Document<'a>, mark: &'static str) -> Self {
        Self { document, mark }
    }

    /// Names of the properties that do not travel, in a schema and in all parts of it. Alternatives are no parts: what one
    /// of them hides another may demand, so each hides its own.
    pub(super) fn hidden(self, members: &Map<String, Value>) -> BTreeSet<String> {
        let mut hidden = BTreeSet::new();
        self.visit(members, &["allOf"], &mut Vec::new(), &mut |part| {
            let properties = part.get("properties").and_then(Value::as_object).into_iter().flatten();
            hidden.extend(
                properties.filter(|(_, schema)| self.is_marked(schema)).map(|(name, _)| name.clone()),
            );
        });
        hidden
    }

    /// Those of `names` that a schema, or something that it is composed of, demands or describes.
    pub(super) fn concerned(
        self,
        members: &Map<String, Value>,
        names: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let mut concerned = BTreeSet::new();
        self.visit(members, &COMPOSED, &mut Vec::new(), &mut |part| {
            let required = part.get("required").and_then(Value::as_array).into_iter().flatten();
            let required = required.filter_map(Value::as_str);
            let described = part.get("properties").and_then(Value::as_object).into_iter().flatten();
            let mentioned = required.chain(described.map(|(name, _)| name.as_str()));
            concerned.extend(mentioned.filter(|name| names.contains(*name)).map(str::to_owned));
        });
        concerned
    }

    fn is_marked(self, property: &Value) -> bool {
        let Some(members) = property.as_object() else { return false };
        let mut marked = false;
        self.visit(members, &["allOf"], &mut Vec::new(), &mut |part| {
            marked |= part.get(self.mark) == Some(&Value::Bool(true));
        });
        marked
    }

    /// Shows `look` a schema, what it refers to, and the schemas under `keywords`, each of them once.
    fn visit<'v>(
        self,
        members: &'v Map<String, Value>,
        keywords: &[&str],
        seen: &mut Vec<&'v Map<String, Value>>,
        look: &mut dyn FnMut(&Map<String, Value>),
    ) where
        'a: 'v,
    {
        if seen.len() >= MOST_PARTS || seen.iter().any(|known| std::ptr::eq(*known, members)) {
            return;
        }
        seen.push(members);
        look(members);
        let target = members.get("$ref").and_then(|reference| self.document.lookup(reference, "").ok());
        if let Some(target) = target.and_then(|(target, _)| target.as_object()) {
            self.visit(target, keywords, seen, look);
        }
        for keyword in keywords {
            let parts = members.get(*keyword).and_then(Value::as_array).into_iter().flatten();
            for part in parts.filter_map(Value::as_object) {
                self.visit(part, keywords, seen, look);
            }
        }
    }
}
