//! Audiences (RFC 7519 §4.1.3) and resource indicators (RFC 8707).

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// A token audience. Compared byte for byte: audiences from tokens are never normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Audience(String);

impl Audience {
    /// Wraps a configured or minted value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The audience as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A requested `resource`: an absolute URI without fragment (RFC 8707 §2).
///
/// Two resources are the same when they differ only in the case of scheme and host or in one trailing
/// slash of an otherwise empty path; [`ResourceUri::matches`] compares so.
#[derive(Clone, Debug)]
pub struct ResourceUri {
    written: String,
    canonical: String,
}

/// A `resource` value that RFC 8707 §2 does not allow.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ResourceError {
    /// Not an absolute URI.
    #[error("`resource` must be an absolute URI")]
    NotAbsolute,
    /// A fragment is present, even an empty one.
    #[error("`resource` must not contain a fragment")]
    Fragment,
}

impl ResourceUri {
    /// Parses the value of one `resource` parameter.
    pub fn parse(written: &str) -> Result<Self, ResourceError> {
        if written.contains('#') {
            return Err(ResourceError::Fragment);
        }
        let url = Url::parse(written).map_err(|_| ResourceError::NotAbsolute)?;
        let canonical = url.as_str().strip_suffix('/').unwrap_or(url.as_str()).to_owned();
        Ok(Self { written: written.to_owned(), canonical })
    }

    /// The value as the client sent it.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// Whether this resource names `audience` (see the type for what counts as the same).
    pub fn matches(&self, audience: &Audience) -> bool {
        self.written == audience.as_str()
            || Self::parse(audience.as_str()).is_ok_and(|other| other.canonical == self.canonical)
    }
}

#[cfg(test)]
mod tests;
