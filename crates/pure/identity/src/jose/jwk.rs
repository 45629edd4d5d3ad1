//! Public keys that verify, and the sets they are published in (RFC 7517).

use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::public_key::PublicKey;
use crate::jose::strict_json::{self, StrictJsonError};

mod error;

pub use self::error::JwkError;

/// The largest key set document that we read, in bytes.
pub const MAX_SET_BYTES: usize = 256 * 1024;
/// The most keys that one set may list.
pub const MAX_SET_KEYS: usize = 100;
/// The longest `kid` that we compare, in bytes.
pub const MAX_KEY_ID_BYTES: usize = 256;

/// A public key, bound to the algorithms it may verify. It never comes from a token's header.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    uses: Vec<(Algorithm, ParsedPublicKey)>,
}

impl VerifyingKey {
    /// Reads one JWK. Without `alg`, the key verifies every supported algorithm of its family.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        let jwk = &strict_json::without_nulls(jwk.clone());
        let kid = match jwk.get("kid") {
            None => None,
            Some(Value::String(kid)) if is_key_id(kid) => Some(kid.clone()),
            Some(_) => return Err(JwkError::Member("kid")),
        };
        let key = PublicKey::from_jwk(jwk)?;
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name)) {
            return Err(JwkError::Private);
        }
        if !allows_verification(jwk) {
            return Err(JwkError::Use);
        }
        match jwk.get("alg") {
            None => Self::new(kid, &key, key.algorithms()),
            Some(Value::String(name)) => match Algorithm::parse(name) {
                Some(algorithm) => Self::new(kid, &key, &[algorithm]),
                None => Err(JwkError::Algorithm(name.clone())),
            },
            Some(_) => Err(JwkError::Member("alg")),
        }
    }

    pub(super) fn new(
        kid: Option<String>,
        key: &PublicKey,
        algorithms: &[Algorithm],
    ) -> Result<Self, JwkError> {
        let ready = |algorithm: &Algorithm| Ok((*algorithm, key.verifier(*algorithm)?));
        Ok(Self { kid, uses: algorithms.iter().map(ready).collect::<Result<_, _>>()? })
    }

    /// The key's id within its set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithms that it verifies.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.uses.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Whether `signature` is this key's signature of `message`; false for an algorithm it does not serve.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.uses.iter().any(|(own, key)| *own == algorithm && key.verify_sig(message, signature).is_ok())
    }

    fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithms().any(|own| own == algorithm)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.algorithms().collect();
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

/// The keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    ignored: Vec<String>,
}

/// A document that is not a key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// More than [`MAX_SET_BYTES`].
    #[error("the key set is larger than {MAX_SET_BYTES} bytes")]
    TooLarge,
    /// Not a JSON object that every reader understands alike.
    #[error("the key set is unreadable: {0}")]
    Json(#[from] StrictJsonError),
    /// `keys` is not an array of objects (RFC 7517 §5).
    #[error("the key set must have `keys`, an array of objects")]
    Keys,
    /// More than [`MAX_SET_KEYS`].
    #[error("the key set lists more than {MAX_SET_KEYS} keys")]
    TooMany,
}

impl KeySet {
    /// Reads a JWK set document.
    ///
    /// A key that we cannot use does not spoil the others (RFC 7517 §5); see [`Self::ignored`].
    pub fn parse(document: &[u8]) -> Result<Self, JwksError> {
        if document.len() > MAX_SET_BYTES {
            return Err(JwksError::TooLarge);
        }
        let document = strict_json::parse_object(document)?;
        let listed = document.get("keys").and_then(Value::as_array).ok_or(JwksError::Keys)?;
        if listed.len() > MAX_SET_KEYS {
            return Err(JwksError::TooMany);
        }
        let mut set = Self::default();
        for (index, jwk) in listed.iter().enumerate() {
            match VerifyingKey::from_jwk(jwk.as_object().ok_or(JwksError::Keys)?) {
                Ok(key) => set.add(key),
                Err(error) => set.ignored.push(format!("keys[{index}]: {error}")),
            }
        }
        Ok(set)
    }

    /// A set of keys that are already at hand.
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        let mut set = Self::default();
        for key in keys {
            set.add(key);
        }
        set
    }

    /// Adds `key` unless an earlier one answers to the same id and algorithm.
    fn add(&mut self, key: VerifyingKey) {
        let taken = key.kid().is_some_and(|kid| key.algorithms().any(|own| self.named(kid, own).is_some()));
        if taken {
            self.ignored
                .push(format!("kid {:?} appears twice; the first key stands", key.kid().unwrap_or_default()));
        } else {
            self.keys.push(key);
        }
    }

    /// The key for a token that names `kid` and `algorithm`.
    ///
    /// A token without `kid` gets a key only when exactly one serves its algorithm.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&VerifyingKey> {
        if let Some(kid) = kid {
            return self.named(kid, algorithm);
        }
        let mut serving = self.keys.iter().filter(|key| key.serves(algorithm));
        match (serving.next(), serving.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    fn named(&self, kid: &str, algorithm: Algorithm) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.kid() == Some(kid) && key.serves(algorithm))
    }

    /// Whether any usable key has this id; a fetcher asks before it refreshes the set.
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// The usable keys in their order of publication.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// One sentence for each listed key that was left out.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

/// Whether `kid` is short and printable, so that it can be compared, logged and audited as it stands.
pub(super) fn is_key_id(kid: &str) -> bool {
    (1..=MAX_KEY_ID_BYTES).contains(&kid.len()) && kid.bytes().all(|byte| matches!(byte, 0x20..=0x7E))
}

/// `use` and `key_ops` say what a key is for (RFC 7517 §4.2, §4.3); absent members allow everything.
fn allows_verification(jwk: &Map<String, Value>) -> bool {
    let by_use = jwk.get("use").is_none_or(|usage| usage == "sig");
    let by_operation = jwk
        .get("key_ops")
        .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")));
    by_use && by_operation
}

#[cfg(test)]
mod tests;
