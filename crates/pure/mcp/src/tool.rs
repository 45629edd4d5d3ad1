//! A tool as an app defines it.

use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::hidden_text;
use crate::message::{RawObject, compose};
use crate::mirror::{Binding, BindingError};

/// A tool under its own (bare) name, its definition kept as raw JSON.
#[derive(Clone)]
pub struct Tool {
    name: String,
    definition: Box<RawValue>,
    bindings: Vec<Binding>,
}

/// A definition that cannot be offered to clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
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
        let definition = compose::raw(visible.into_owned());
        Ok(Self { name, definition, bindings })
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

    /// Its `annotations`, or null; hints that policies may read.
    pub fn annotations(&self) -> Value {
        let members = RawObject::parse(self.definition.get()).unwrap_or_default();
        members.get("annotations").and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null)
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
