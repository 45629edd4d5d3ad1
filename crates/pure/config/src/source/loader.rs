//! The files that a configuration names, as the binary or a test hands them over.

use std::collections::BTreeMap;

/// Reads what a configuration refers to.
pub trait Loader {
    /// The bytes behind `uri`: a `file://` URI, an absolute path, or a path relative to the configuration file. No more
    /// than `limit` and one more are ever read, and of regular files only: a device or a pipe may have no end.
    fn read(&self, uri: &str, limit: usize) -> Result<Vec<u8>, LoadError>;

    /// Why the file behind `uri` is not private, if it is not.
    fn exposure(&self, _uri: &str) -> Option<&'static str> {
        None
    }
}

/// What to do about a file with secrets that is not private.
pub const PRIVATE: &str =
    "give it to the user that runs the gateway, with mode 0600, or 0640 for a group of its own";

/// Why a file could not be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// There is no such file.
    #[error("no such file: `{0}`")]
    NotFound(String),
    /// The file is there but cannot be read.
    #[error("cannot read `{uri}`: {reason}")]
    Unreadable {
        /// What was asked for.
        uri: String,
        /// What the operating system says.
        reason: String,
    },
    /// The file is longer than anything of its kind.
    #[error("`{uri}` is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        uri: String,
        /// How much is read of it.
        limit: usize,
    },
    /// Not a file.
    #[error("`{0}` is not a file: only file:// URIs and paths are read")]
    Scheme(String),
}

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryLoader(BTreeMap<String, Vec<u8>>);

impl MemoryLoader {
    /// No files.
    pub fn empty() -> Self {
        Self::default()
    }

    /// These files and one more, named by path without `file://`.
    #[must_use]
    pub fn with(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(path.to_owned(), bytes.into());
        self
    }
}

impl Loader for MemoryLoader {
    fn read(&self, uri: &str, limit: usize) -> Result<Vec<u8>, LoadError> {
        let path = file_path(uri)?;
        let bytes = self.0.get(path).ok_or_else(|| LoadError::NotFound(path.to_owned()))?;
        if bytes.len() > limit {
            return Err(LoadError::TooLarge { uri: path.to_owned(), limit });
        }
        Ok(bytes.clone())
    }
}

/// The path of a `file://` URI or plain path; any other scheme is refused.
pub fn file_path(uri: &str) -> Result<&str, LoadError> {
    match uri.split_once("://") {
        None => Ok(uri),
        Some(("file", path)) => Ok(path),
        Some(_) => Err(LoadError::Scheme(uri.to_owned())),
    }
}
