//! `tools/list`: reading the pages of upstreams, and one merged, paged list for clients.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::discover::{CacheHints, ServerFacts};
use crate::error::{ErrorCode, RpcError};
use crate::message::{RawObject, json_text};
use crate::tool::{Tool, ToolError};
use crate::version::{Era, Version};

const CURSOR_TAG: &str = "after:";
/// How many unusable definitions of a page are told one by one.
const TOLD: usize = 8;

/// How much of an upstream's list is still taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Tools.
    pub tools: usize,
    /// Bytes of memory for them.
    pub bytes: usize,
}

/// One page of an upstream's `tools/list`.
#[derive(Clone, Debug, Default)]
pub struct UpstreamPage {
    /// The usable tools, in the upstream's order.
    pub tools: Vec<Tool>,
    /// What they take in memory.
    pub bytes: usize,
    /// Why the first of the unusable definitions are left out.
    pub rejected: Vec<ToolError>,
    /// How many more are unusable.
    pub rejected_more: usize,
    /// How many definitions there was no room for: from the first that did not fit to the last.
    pub left_out: usize,
    /// Where the next page starts, when there is one. The empty string is a cursor too.
    pub next_cursor: Option<String>,
    /// Whether it says that there is a next page with something that is no cursor: cursors are strings.
    pub cursor_is_unusable: bool,
    /// How long the upstream lets the page be kept, in milliseconds.
    pub ttl_ms: Option<u64>,
}

/// An upstream answer that is no `tools/list` result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a `tools/list` result with a `tools` array")]
pub struct NotAList;

/// A tool that this caller may see, under its exported name.
#[derive(Clone, Copy, Debug)]
pub struct ListedTool<'a> {
    /// As clients call it.
    pub exported: &'a str,
    /// Its definition.
    pub tool: &'a Tool,
}

/// How a page is cut and decorated.
#[derive(Clone, Copy, Debug)]
pub struct PageRules<'a> {
    /// The client's revision.
    pub version: Version,
    /// Tools per page, at least one.
    pub size: usize,
    /// Bytes of definitions per page; one tool is on it at least.
    pub bytes: usize,
    /// For modern clients.
    pub cache: CacheHints,
    /// Who signs the result for modern clients.
    pub server: &'a ServerFacts,
}

impl UpstreamPage {
    /// Reads the result of one upstream `tools/list`, as far as there is room. Nothing is built of what is left out.
    pub fn parse(result: &RawObject<'_>, room: Room) -> Result<Self, NotAList> {
        let raw = result.get("tools").ok_or(NotAList)?;
        let mut page = Self { next_cursor: result.text("nextCursor"), ..Self::default() };
        // An optional member that is null is absent.
        let is_said = result.get("nextCursor").is_some_and(|cursor| cursor.get() != "null");
        page.cursor_is_unusable = is_said && page.next_cursor.is_none();
        page.ttl_ms = result.get("ttlMs").and_then(|ttl| serde_json::from_str(ttl.get()).ok());
        let definitions = Definitions { page: &mut page, room };
        definitions.deserialize(&mut serde_json::Deserializer::from_str(raw.get())).map_err(|_| NotAList)?;
        Ok(page)
    }

    fn take(&mut self, definition: &str, room: Room) {
        if self.left_out > 0 {
            self.left_out += 1;
            return;
        }
        match Tool::parse(definition) {
            Ok(tool) if self.tools.len() < room.tools && self.bytes + tool.held_bytes() <= room.bytes => {
                self.bytes += tool.held_bytes();
                self.tools.push(tool);
            }
            Ok(_) => self.left_out = 1,
            Err(error) if self.rejected.len() < TOLD => self.rejected.push(error),
            Err(_) => self.rejected_more += 1,
        }
    }
}

/// Reads an array of definitions one by one.
struct Definitions<'p> {
    page: &'p mut UpstreamPage,
    room: Room,
}

impl<'de> DeserializeSeed<'de> for Definitions<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Definitions<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut definitions: A) -> Result<(), A::Error> {
        while let Some(definition) = definitions.next_element::<&'de RawValue>()? {
            self.page.take(definition.get(), self.room);
        }
        Ok(())
    }
}

/// One page of the merged list, ordered by exported name whatever order the tools come in.
///
/// The cursor names the last tool of the page before, so pages stay consistent while tools come and go.
/// It opens nothing: each page holds only what its own caller may see.
pub fn page(
    mut tools: Vec<ListedTool<'_>>,
    cursor: Option<&str>,
    rules: PageRules<'_>,
) -> Result<RawObject<'static>, RpcError> {
    let after = cursor.map(read_cursor).transpose()?;
    tools.sort_unstable_by_key(|listed| listed.exported);
    let start = after.map_or(0, |last| tools.partition_point(|listed| listed.exported <= last.as_str()));
    let rest = tools.get(start..).unwrap_or_default();
    let mut bytes = 0_usize;
    let fits = |listed: &&ListedTool<'_>| {
        bytes += listed.tool.definition().get().len();
        bytes <= rules.bytes
    };
    let size = rest.iter().take(rules.size).take_while(fits).count().max(1);
    let shown = rest.get(..size).unwrap_or(rest);
    let mut list = String::from("[");
    for (index, listed) in shown.iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        definition_for(listed, rules.version).write(&mut list);
    }
    list.push(']');
    let mut result = RawObject::default();
    let modern = rules.version.era() == Era::Modern;
    if modern {
        result.set_borrowed("resultType", json_text::constant(r#""complete""#));
    }
    result.set("tools", json_text::raw(list));
    if let Some(last) = shown.last().filter(|_| rest.len() > size) {
        result.set("nextCursor", json_text::to_raw(&write_cursor(last.exported)));
    }
    if modern {
        rules.cache.write(&mut result);
        rules.server.sign(&mut result);
    }
    Ok(result)
}

/// A tool's definition under its exported name, without what the client's revision does not know.
fn definition_for<'a>(listed: &ListedTool<'a>, version: Version) -> RawObject<'a> {
    // Definitions were objects when they were read.
    let mut members = RawObject::parse(listed.tool.definition().get()).unwrap_or_default();
    members.set("name", json_text::to_raw(&listed.exported));
    if version < Version::V2025_11_25 {
        members.retain(|name| !matches!(name, "execution" | "icons"));
    }
    if version < Version::V2025_06_18 {
        members.retain(|name| !matches!(name, "outputSchema" | "title"));
    }
    if version.era() == Era::Legacy && !members.get("outputSchema").is_some_and(is_object_schema) {
        members.remove("outputSchema");
    }
    members
}

fn is_object_schema(schema: &RawValue) -> bool {
    let kind = RawObject::parse(schema.get()).ok().and_then(|schema| schema.text("type"));
    kind.as_deref() == Some("object")
}

fn write_cursor(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{CURSOR_TAG}{last}"))
}

fn read_cursor(cursor: &str) -> Result<String, RpcError> {
    let bad = || RpcError::new(ErrorCode::InvalidParams, "`params.cursor` is not a cursor of this server");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    text.strip_prefix(CURSOR_TAG).map(ToOwned::to_owned).ok_or_else(bad)
}

#[cfg(test)]
mod tests;
