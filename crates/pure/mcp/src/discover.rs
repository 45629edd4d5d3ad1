//! What the gateway says about itself, and `server/discover` (2026-07-28).

use serde_json::{Value, json};

use crate::message::compose::push_json_string;
use crate::message::{RawObject, compose};
use crate::version::{Version, meta};

/// The gateway's own introduction, the same in every era.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Programmatic name.
    pub name: String,
    /// Name for people.
    pub title: Option<String>,
    /// Version of the software.
    pub version: String,
    /// Hints for the model; clients cut them at 2 KB.
    pub instructions: Option<String>,
}

/// How long and for whom a listing may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHints {
    /// Milliseconds.
    pub ttl_ms: u64,
}

impl ServerFacts {
    /// The `Implementation` object of `serverInfo`.
    pub fn implementation(&self) -> Value {
        let mut info = json!({ "name": self.name, "version": self.version });
        if let (Some(title), Some(members)) = (&self.title, info.as_object_mut()) {
            members.insert("title".to_owned(), Value::String(title.clone()));
        }
        info
    }

    /// [`ServerFacts::implementation`] as JSON text, which every answer of the modern era holds.
    fn to_json(&self) -> String {
        let title = self.title.as_deref();
        let length = self.name.len() + self.version.len() + title.map_or(0, str::len);
        let mut out = String::with_capacity(length + 48);
        out.push_str(r#"{"name":"#);
        push_json_string(&mut out, &self.name);
        if let Some(title) = title {
            out.push_str(r#","title":"#);
            push_json_string(&mut out, title);
        }
        out.push_str(r#","version":"#);
        push_json_string(&mut out, &self.version);
        out.push('}');
        out
    }

    /// Writes this server's name into a modern result's `_meta`, next to whatever else stands there.
    pub(crate) fn sign(&self, result: &mut RawObject<'_>) {
        let existing = result.get("_meta").map(ToOwned::to_owned);
        let mut members =
            existing.as_ref().and_then(|raw| RawObject::parse(raw.get()).ok()).unwrap_or_default();
        let info = compose::raw(self.to_json());
        members.set_borrowed(meta::SERVER_INFO, &info);
        result.set("_meta", members.to_raw());
    }
}

impl CacheHints {
    /// Writes the hints into a result. The scope is always `private`: lists depend on who asks.
    pub(crate) fn write(self, result: &mut RawObject<'_>) {
        result.set("ttlMs", compose::to_raw(&self.ttl_ms));
        result.set_borrowed("cacheScope", compose::constant(r#""private""#));
    }
}

/// The result of `server/discover`: versions of the modern era only, and the tools capability.
pub fn result(server: &ServerFacts, cache: CacheHints) -> RawObject<'static> {
    let mut result = RawObject::default();
    result.set_borrowed("resultType", compose::constant(r#""complete""#));
    result.set("supportedVersions", compose::to_raw(&Version::modern()));
    result.set_borrowed("capabilities", compose::constant(r#"{"tools":{}}"#));
    if let Some(instructions) = &server.instructions {
        result.set("instructions", compose::to_raw(instructions));
    }
    cache.write(&mut result);
    server.sign(&mut result);
    result
}

#[cfg(test)]
mod tests;
