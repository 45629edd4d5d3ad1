//! From the bytes of a file to a tree of located values.
//!
//! YAML 1.2 with everything that surprises turned off: duplicate keys, tags, merge keys and several documents
//! are refused, alias expansion and depth are bounded. Environment values and secrets are put in after parsing,
//! scalar by scalar, so that a value can never become structure.

pub mod environment;
pub mod loader;
mod lookalike;
pub(crate) mod node;
pub(crate) mod secrets;
pub(crate) mod substitution;
pub(crate) mod yaml;

use std::sync::Arc;

/// The largest configuration file, in bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// One configuration file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file as the operator named it; every problem starts with it.
    pub file: Arc<str>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Source {
    /// A file with its name and content.
    pub fn new(file: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { file: Arc::from(file), bytes: bytes.into() }
    }
}

#[cfg(test)]
mod tests;
