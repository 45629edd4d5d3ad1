//! Which issuer a metadata document may state.

use crate::id::Issuer;

/// The issuer behind a metadata document, as far as the configuration says it.
///
/// What the document states is the issuer's identifier, and counts byte for byte from then on: in `iss` of tokens and of
/// authorization responses. It is never altered to make two texts fit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedIssuer {
    /// Written by the operator, or our own: the document states this very text.
    Exactly(Issuer),
    /// Read off the URL of the document, without a slash at its end. One slash there is removed before the well-known
    /// path is put on (OpenID Connect Discovery §4.1, RFC 8414 §3.1), so the URL belongs to both spellings.
    Derived(Issuer),
}

impl ExpectedIssuer {
    /// The issuer that a metadata URL belongs to: `base` is the URL without its well-known path.
    pub fn derived_from(base: &str) -> Self {
        Self::Derived(Issuer::new(base.strip_suffix('/').unwrap_or(base)))
    }

    /// Whether the document may state `issuer`.
    pub fn accepts(&self, issuer: &str) -> bool {
        match self {
            Self::Exactly(expected) => expected.as_str() == issuer,
            Self::Derived(expected) => {
                issuer.strip_prefix(expected.as_str()).is_some_and(|rest| matches!(rest, "" | "/"))
            }
        }
    }

    /// The issuer as configured. While nothing has been fetched, this is all that is known of it.
    pub fn as_configured(&self) -> &Issuer {
        match self {
            Self::Exactly(issuer) | Self::Derived(issuer) => issuer,
        }
    }
}

#[cfg(test)]
mod tests;
