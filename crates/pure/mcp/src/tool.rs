//! A tool as an app defines it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::hidden_text;
use crate::message::{RawObject, json_text};
use crate::mirror::{Binding, BindingError};
use crate::weight;

/// The largest definition: one beyond this would crowd out the conversation that it is meant for.
pub const LARGEST_DEFINITION: usize = 256 * 1024;

/// A tool under its own (bare) name, its definition kept as raw JSON. Clones share it.
#[derive(Clone)]
pub struct Tool {
    name: Arc<str>,
    definition: Arc<RawValue>,
    /// Where `annotations` stand in the definition; an empty range when there are none.
    annotations: Range<usize>,
    bindings: Arc<[Binding]>,
}

/// A definition that cannot be offered to clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// Larger than [`LARGEST_DEFINITION`].
    #[error("a tool definition of {0} bytes; at most {LARGEST_DEFINITION} are offered")]
    TooLarge(usize),
    /// Not an object, or one that names a member twice.
    #[error("a tool definition must be an object that names each member once")]
    NotAnObject,
    /// No usable name.
    #[error("a tool's `name` must be a non-empty string of at most 256 bytes")]
    Name,
    /// No input schema.
    #[error("the tool {0:?} has no `inputSchema` object")]
    InputSchema(String),
    /// Characters that people do not see but models read.
    #[error("the name of the tool {0:?} holds invisible characters")]
    HiddenText(String),
    /// An invalid header annotation.
    #[error("the tool {name:?}: {why}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong.
        why: BindingError,
    },
}

impl Tool {
    /// Reads a definition. Invisible characters in descriptions are taken out; in the name they are refused.
    pub fn parse(definition: &str) -> Result<Self, ToolError> {
        if definition.len() > LARGEST_DEFINITION {
            return Err(ToolError::TooLarge(definition.len()));
        }
        let visible = hidden_text::strip_json(definition);
        let members = RawObject::parse(&visible).map_err(|_| ToolError::NotAnObject)?;
        if members.duplicate().is_some() {
            return Err(ToolError::NotAnObject);
        }
        let name = members
            .text("name")
            .filter(|name| !name.is_empty() && name.len() <= 256)
            .ok_or(ToolError::Name)?;
        let written = RawObject::parse(definition).ok().and_then(|members| members.text("name"));
        if written.as_deref() != Some(&name) {
            return Err(ToolError::HiddenText(name));
        }
        let schema: Option<Value> =
            members.get("inputSchema").and_then(|schema| serde_json::from_str(schema.get()).ok());
        let schema = schema.filter(Value::is_object).ok_or_else(|| ToolError::InputSchema(name.clone()))?;
        let bindings = Binding::read(&schema).map_err(|why| ToolError::Header { name: name.clone(), why })?;
        let annotations = members.get("annotations").map_or(0..0, |raw| place_in(&visible, raw.get()));
        let definition = json_text::raw(visible.into_owned()).into();
        Ok(Self { name: name.into(), definition, annotations, bindings: bindings.into() })
    }

    /// The name that its own server knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The definition as raw JSON, under its own name.
    pub fn definition(&self) -> &RawValue {
        &self.definition
    }

    /// Arguments that headers repeat.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// Its `annotations`, or null; hints that policies may read. They are read from the definition each time, since
    /// as values they take many times their bytes.
    pub fn annotations(&self) -> Value {
        let raw = self.definition.get().get(self.annotations.clone());
        raw.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or(Value::Null)
    }

    /// What the tool takes in memory, its clones included.
    pub fn held_bytes(&self) -> usize {
        /// The counters of an `Arc`.
        const COUNTERS: usize = 16;
        let shared = |bytes: usize| weight::allocation(bytes + COUNTERS);
        let bindings: usize = self.bindings.iter().map(Binding::held_bytes).sum();
        shared(self.name.len()) + shared(self.definition.get().len()) + shared(bindings) + size_of::<Self>()
    }
}

/// Tools are the same when their definitions are, byte for byte.
impl PartialEq for Tool {
    fn eq(&self, other: &Self) -> bool {
        self.definition.get() == other.definition.get()
    }
}

impl Eq for Tool {}

/// Where `part`, a slice of `whole`, stands in it.
fn place_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
