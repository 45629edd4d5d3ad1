//! What the gateway says about itself, and `server/discover` (2026-07-28).

use serde_json::value::RawValue;

use crate::message::json_text::push_json_string;
use crate::message::{RawObject, json_text};
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
    /// The `Implementation` object of `serverInfo`, whose `title` came with the revision of June 2025.
    pub fn implementation(&self, client: Version) -> Box<RawValue> {
        let title = self.title.as_deref().filter(|_| client >= Version::V2025_06_18);
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
        json_text::raw(out)
    }

    /// Writes this server's name into a modern result's `_meta`, next to whatever else stands there.
    pub(crate) fn sign(&self, result: &mut RawObject<'_>) {
        let existing = result.get("_meta").map(ToOwned::to_owned);
        let mut members =
            existing.as_ref().and_then(|raw| RawObject::parse(raw.get()).ok()).unwrap_or_default();
        let info = self.implementation(Version::NEWEST_MODERN);
        members.set_borrowed(meta::SERVER_INFO, &info);
        result.set("_meta", members.to_raw());
    }
}

impl CacheHints {
    /// Writes the hints into a result. The scope is always `private`: lists depend on who asks.
    pub(crate) fn write(self, result: &mut RawObject<'_>) {
        result.set("ttlMs", json_text::to_raw(&self.ttl_ms));
        result.set_borrowed("cacheScope", json_text::constant(r#""private""#));
    }
}

/// The result of `server/discover`: versions of the modern era only, and the tools capability.
pub fn result(server: &ServerFacts, cache: CacheHints) -> RawObject<'static> {
    let mut result = RawObject::default();
    result.set_borrowed("resultType", json_text::constant(r#""complete""#));
    result.set("supportedVersions", json_text::to_raw(&Version::modern()));
    result.set_borrowed("capabilities", json_text::constant(r#"{"tools":{}}"#));
    if let Some(instructions) = &server.instructions {
        result.set("instructions", json_text::to_raw(instructions));
    }
    cache.write(&mut result);
    server.sign(&mut result);
    result
}

#[cfg(test)]
mod tests;
