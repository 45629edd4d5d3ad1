//! Proof Key for Code Exchange (RFC 7636), method `S256` only.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// A `code_challenge`: what the client committed to at the authorization endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Challenge(String);

/// A `code_verifier`: the secret that opens a [`Challenge`].
pub struct Verifier(String);

/// A challenge or verifier that RFC 7636 §4.1-4.2 does not allow, or a method that we do not offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// Not 43 to 128 unreserved characters.
    #[error("must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~")]
    Syntax,
    /// A method other than `S256`, or none, which would mean `plain`.
    #[error("code_challenge_method must be S256")]
    Method,
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`; an absent method means `plain` and is refused.
    pub fn parse(challenge: &str, method: Option<&str>) -> Result<Self, PkceError> {
        if method != Some("S256") {
            return Err(PkceError::Method);
        }
        if is_pkce_text(challenge) { Ok(Self(challenge.to_owned())) } else { Err(PkceError::Syntax) }
    }

    /// Whether `verifier` opens this challenge; the time does not depend on where they differ.
    pub fn is_met_by(&self, verifier: &Verifier) -> bool {
        verifier.transformed().as_bytes().ct_eq(self.0.as_bytes()).into()
    }

    /// The challenge as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Verifier {
    /// Reads a `code_verifier`.
    pub fn parse(verifier: &str) -> Result<Self, PkceError> {
        if is_pkce_text(verifier) { Ok(Self(verifier.to_owned())) } else { Err(PkceError::Syntax) }
    }

    /// The challenge that this verifier opens, for our own requests to an upstream IdP.
    pub fn challenge(&self) -> Challenge {
        Challenge(self.transformed())
    }

    fn transformed(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.as_bytes()))
    }
}

impl TryFrom<String> for Challenge {
    type Error = PkceError;

    fn try_from(text: String) -> Result<Self, PkceError> {
        Self::parse(&text, Some("S256"))
    }
}

impl From<Challenge> for String {
    fn from(challenge: Challenge) -> Self {
        challenge.0
    }
}

fn is_pkce_text(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests;
