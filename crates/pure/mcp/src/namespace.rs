//! Names under which the tools of several apps are offered together.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// The longest exported name; what clients accept once they add their own prefix is not longer.
pub const LONGEST: usize = 64;
/// Hexadecimal digits of the digest that ends a shortened name.
const DIGEST_DIGITS: usize = 10;

/// How the tool names of one app are exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Written literally before the bare name; authors end it with `_` themselves.
    Prefix(String),
    /// Bare names; allowed as long as they clash with nothing.
    Disabled,
}

/// A prefix that could not start an exported name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tool namespace holds 1 to 32 of the characters A-Z a-z 0-9 _ and -; found {0:?}")]
pub struct NamespaceError(String);

/// The bare tool names of one app.
#[derive(Clone, Copy, Debug)]
pub struct AppTools<'a> {
    /// The app's name, for messages.
    pub app: &'a str,
    /// How it exports names.
    pub namespace: &'a Namespace,
    /// Its tools.
    pub names: &'a [String],
}

/// Two tools that would be exported under one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tool {first_tool:?} of app {first_app:?} and the tool {second_tool:?} of app {second_app:?} would both be \
     exported as {exported:?}: give one of the apps another `toolNamespace.name`"
)]
pub struct Collision {
    /// The contested name.
    pub exported: String,
    /// The app that comes first in configuration.
    pub first_app: String,
    /// Its tool.
    pub first_tool: String,
    /// The other app, or the same one.
    pub second_app: String,
    /// Its tool.
    pub second_tool: String,
}

/// Which exported name is which tool of which app. One name, one tool: nothing is ever picked by order.
#[derive(Clone, Debug, Default)]
pub struct ToolTable {
    by_exported: HashMap<String, Entry>,
    /// Exported names per app, in the order of its tools.
    by_app: Vec<Vec<String>>,
}

/// What an exported name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index into the apps that the table was built from.
    pub app: usize,
    /// Index into that app's tools.
    pub tool: usize,
    /// The name that the app itself uses.
    pub bare_name: String,
}

impl Namespace {
    /// Checks a configured prefix.
    pub fn parse(prefix: &str) -> Result<Self, NamespaceError> {
        if (1..=32).contains(&prefix.len()) && prefix.bytes().all(is_exportable) {
            Ok(Self::Prefix(prefix.to_owned()))
        } else {
            Err(NamespaceError(prefix.to_owned()))
        }
    }

    /// The prefix of an app that configures none: its name, made exportable, and `_`.
    pub fn from_app_name(app: &str) -> Self {
        let slug: String = app.chars().take(31).map(exportable_letter).collect();
        Self::Prefix(format!("{slug}_"))
    }

    /// The exported form of a bare name: `[A-Za-z0-9_-]{1,64}`, the same every time.
    ///
    /// A name that is too long or holds other characters is cut, its other characters become `_`, and a
    /// digest of the whole original keeps it apart from its likes.
    pub fn export(&self, bare_name: &str) -> String {
        let prefix = match self {
            Self::Prefix(prefix) => prefix.as_str(),
            Self::Disabled => "",
        };
        let qualified = format!("{prefix}{bare_name}");
        if (1..=LONGEST).contains(&qualified.len()) && qualified.bytes().all(is_exportable) {
            return qualified;
        }
        with_digest(&qualified, &qualified)
    }
}

/// `name`, cut and made exportable, with a digest of `original` that keeps it apart from its likes.
pub(crate) fn with_digest(name: &str, original: &str) -> String {
    let kept = LONGEST - DIGEST_DIGITS - 1;
    let mut exported: String = name.chars().map(exportable_letter).take(kept).collect();
    exported.push('_');
    let digest = Sha256::digest(original.as_bytes());
    exported.extend(digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(DIGEST_DIGITS).map(hex_digit));
    exported
}

impl ToolTable {
    /// Builds the table, or says every collision there is.
    pub fn build(apps: &[AppTools<'_>]) -> Result<Self, Vec<Collision>> {
        let mut table = Self::default();
        let mut collisions = Vec::new();
        for (app, tools) in apps.iter().enumerate() {
            let mut exported_names = Vec::with_capacity(tools.names.len());
            for (tool, bare_name) in tools.names.iter().enumerate() {
                let exported = tools.namespace.export(bare_name);
                let entry = Entry { app, tool, bare_name: bare_name.clone() };
                if let Some(first) = table.by_exported.get(&exported) {
                    collisions.push(Collision {
                        exported: exported.clone(),
                        first_app: apps.get(first.app).map_or("", |tools| tools.app).to_owned(),
                        first_tool: first.bare_name.clone(),
                        second_app: tools.app.to_owned(),
                        second_tool: bare_name.clone(),
                    });
                } else {
                    table.by_exported.insert(exported.clone(), entry);
                }
                exported_names.push(exported);
            }
            table.by_app.push(exported_names);
        }
        if collisions.is_empty() { Ok(table) } else { Err(collisions) }
    }

    /// The tool behind an exported name.
    pub fn resolve(&self, exported: &str) -> Option<&Entry> {
        self.by_exported.get(exported)
    }

    /// The exported name of an app's tool.
    pub fn exported(&self, app: usize, tool: usize) -> Option<&str> {
        self.by_app.get(app)?.get(tool).map(String::as_str)
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.by_exported.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_exported.is_empty()
    }

    /// All exported names with what they stand for, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.by_exported.iter().map(|(exported, entry)| (exported.as_str(), entry))
    }
}

fn is_exportable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn exportable_letter(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') { letter } else { '_' }
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests;
