//! Properties that travel in one direction only.
//!
//! `readOnly` and `writeOnly` hold for a property wherever an object is composed of several schemas: the mark may stand
//! behind a reference, and what demands the property in another part of an `allOf`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::composed::{COMPOSED, visit};
use crate::openapi::document::Document;

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
        visit(self.document, members, &["allOf"], &mut |part| {
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
        visit(self.document, members, &COMPOSED, &mut |part| {
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
        visit(self.document, members, &["allOf"], &mut |part| {
            marked |= part.get(self.mark) == Some(&Value::Bool(true));
        });
        marked
    }
}
