//! OAuth scopes (RFC 6749 §3.3).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of scope tokens; order and repetition carry no meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeSet(BTreeSet<String>);

/// A scope string that RFC 6749 §3.3 does not allow.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a scope token may hold printable ASCII except space, double quote and backslash; found {0:?}")]
pub struct ScopeError(String);

/// Scopes that ask for claims about a user or for a lasting sign-in (OpenID Connect Core §5.4 and §11; `groups` is
/// common usage). They mean nothing where nobody signed in, and nothing to another server.
const SIGN_IN: [&str; 7] = ["openid", "profile", "email", "address", "phone", "offline_access", "groups"];

impl ScopeSet {
    /// No scope at all.
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Parses a space-delimited scope string; the empty string is the empty set.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        text.split(' ')
            .filter(|token| !token.is_empty())
            .map(Self::checked)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn checked(token: &str) -> Result<String, ScopeError> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if token.bytes().all(allowed) { Ok(token.to_owned()) } else { Err(ScopeError(token.to_owned())) }
    }

    /// Whether `token` is in the set, compared byte for byte.
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether every scope of this set is also in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The scopes in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The scopes in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The scopes of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// The scopes that are not about a user's sign-in at the server that grants them.
    #[must_use]
    pub fn without_sign_in(&self) -> Self {
        Self(self.0.iter().filter(|scope| !SIGN_IN.contains(&scope.as_str())).cloned().collect())
    }

    /// Whether there is no scope in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scope tokens in byte order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for ScopeSet {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

impl From<ScopeSet> for String {
    fn from(scopes: ScopeSet) -> Self {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests;
