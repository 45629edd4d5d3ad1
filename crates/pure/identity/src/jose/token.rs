//! A signed token as it arrives: every structural rule is checked, nothing is proven yet.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::jwk::is_key_id;
use crate::jose::strict_json;

mod error;

pub use error::{Part, TokenError};

/// The longest compact token that we read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The longest decoded header, in bytes.
pub const MAX_HEADER_BYTES: usize = 2 * 1024;

/// A JWT in compact form (RFC 7515 §3.1, RFC 7519 §3) whose signature has not been checked.
///
/// Header members that bring a key along (`jwk`, `jku`, `x5c`, `x5u`) are never read.
pub struct UnverifiedToken<'a> {
    pub(super) signing_input: &'a str,
    pub(super) signature: Vec<u8>,
    pub(super) claims: Arc<Map<String, Value>>,
    header: Header,
}

struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a compact token apart.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        match token.bytes().filter(|byte| *byte == b'.').count() {
            2 => {}
            4 => return Err(TokenError::Encrypted),
            _ => return Err(TokenError::Parts),
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(TokenError::Parts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(TokenError::Parts)?;
        if header.len() > MAX_HEADER_BYTES.div_ceil(3) * 4 {
            return Err(TokenError::HeaderTooLong);
        }
        let header = Header::parse(&decode(header, Part::Header)?)?;
        let signature = decode(signature, Part::Signature)?;
        let claims = strict_json::parse_object(&decode(payload, Part::Payload)?)
            .map(strict_json::without_nulls)
            .map_err(|error| TokenError::Json(Part::Payload, error))?;
        Ok(Self { signing_input, signature, claims: Arc::new(claims), header })
    }

    /// The issuer that the token claims, only to choose whose keys and rules to try.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// The id of the key that the token claims to be signed with.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The algorithm that the token claims to be signed with.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// The `typ` header as written.
    pub fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }
}

/// Leaves the claims out: they are personal data that nobody has vouched for.
impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid())
            .field("typ", &self.typ())
            .finish_non_exhaustive()
    }
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, TokenError> {
        if json.len() > MAX_HEADER_BYTES {
            return Err(TokenError::HeaderTooLong);
        }
        let members =
            strict_json::parse_object(json).map_err(|error| TokenError::Json(Part::Header, error))?;
        // RFC 7515 §4.1.11: we understand no extension, so whatever `crit` lists is refused.
        if members.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        let members = strict_json::without_nulls(members);
        let name = members.get("alg").and_then(Value::as_str).ok_or(TokenError::UnknownAlgorithm)?;
        let algorithm = Algorithm::parse(name).ok_or_else(|| refused_algorithm(name))?;
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) if is_key_id(kid) => Some(kid.clone()),
            Some(_) => return Err(TokenError::KeyId),
        };
        let typ = match members.get("typ") {
            None => None,
            Some(Value::String(typ)) => Some(typ.clone()),
            Some(_) => return Err(TokenError::Type),
        };
        Ok(Self { algorithm, kid, typ })
    }
}

fn refused_algorithm(name: &str) -> TokenError {
    if name.eq_ignore_ascii_case("none") {
        TokenError::Unsigned
    } else if name.starts_with("HS") {
        TokenError::Symmetric
    } else {
        TokenError::UnknownAlgorithm
    }
}

/// Unpadded base64url without white space or stray trailing bits: one text for each byte string.
fn decode(text: &str, part: Part) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Encoding(part))
}

#[cfg(test)]
mod tests;
