//! The signature algorithms that we sign with and accept.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// An asymmetric JWS algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// There is no value for `none` or for a shared-secret algorithm, so neither can be configured or accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256 and a salt as long as the digest.
    #[serde(rename = "PS256")]
    Ps256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm, the one we prefer to issue with first.
    pub const ALL: [Self; 4] = [Self::Es256, Self::Rs256, Self::Ps256, Self::EdDsa];

    /// The name as it stands in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// What an ID token that is signed with this algorithm says of `text` in `at_hash`, `c_hash` or `s_hash`: the left
    /// half of the hash that belongs to the algorithm (OpenID Connect Core §3.1.3.6); SHA-512 for Ed25519, which uses it.
    pub fn half_hash(self, text: &str) -> String {
        let hash = match self {
            Self::Es256 | Self::Rs256 | Self::Ps256 => &SHA256,
            Self::EdDsa => &SHA512,
        };
        let hash = digest(hash, text.as_bytes());
        let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
        URL_SAFE_NO_PAD.encode(left)
    }

    /// The algorithm that `alg` names, compared byte for byte.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
