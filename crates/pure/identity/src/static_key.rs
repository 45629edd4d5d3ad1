//! Static API keys: stored as hashes, looked up by hash, never compared as text.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Map;

use crate::clock::Timestamp;
use crate::delegation::DelegationChain;
use crate::id::{Issuer, SubjectId};
use crate::principal::{Credential, CredentialState, Principal, PrincipalKind, RefusedPrincipal};
use crate::rng::Rng;
use crate::scope::ScopeSet;
use crate::secret::Secret;

/// What every static key starts with, so that secret scanners find it.
pub const PREFIX: &str = "gwk_";

/// A fresh key with 256 bits of randomness.
pub fn generate(rng: &dyn Rng) -> Secret {
    Secret::new(format!("{PREFIX}{}", rng.token(32)))
}

/// SHA-256 of a key. Keys carry 256 random bits, so a plain digest cannot be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

/// A hash that is not written as `sha256:` and 64 hexadecimal digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `sha256:` and 64 hexadecimal digits, as `gatehouse hash-key` prints")]
pub struct KeyHashError;

impl KeyHash {
    /// The hash of a presented key.
    pub fn of(key: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
        Self(hash)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for KeyHash {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<Self, KeyHashError> {
        let hex = text
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.is_ascii())
            .ok_or(KeyHashError)?;
        let mut hash = [0_u8; 32];
        for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| KeyHashError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| KeyHashError)?;
        }
        Ok(Self(hash))
    }
}

/// One configured key.
#[derive(Clone, Debug)]
pub struct StaticKey {
    /// Its name in configuration, logs and audit; becomes the principal's subject.
    pub name: String,
    /// The hash of its value.
    pub hash: KeyHash,
    /// Groups of its holder.
    pub groups: Arc<[String]>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// All keys that one door accepts.
#[derive(Clone, Debug)]
pub struct KeyTable {
    issuer: Issuer,
    keys: HashMap<KeyHash, StaticKey>,
}

/// Why a presented key is refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No such key.
    #[error("unknown API key")]
    Unknown,
    /// The key's time is over; whose it was.
    #[error("API key `{}` has expired", .0.attribution().subject())]
    Expired(RefusedPrincipal),
}

impl KeyTable {
    /// A table of `keys`, whose holders are subjects of `issuer`.
    pub fn new(issuer: Issuer, keys: impl IntoIterator<Item = StaticKey>) -> Self {
        Self { issuer, keys: keys.into_iter().map(|key| (key.hash, key)).collect() }
    }

    /// Whether no key is configured.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The holder of `presented`.
    pub fn authenticate(&self, presented: &str, now: Timestamp) -> Result<Principal, KeyError> {
        self.authenticate_hash(&KeyHash::of(presented), now)
    }

    /// The holder of the key with this hash, for callers that need the hash anyway.
    pub fn authenticate_hash(&self, presented: &KeyHash, now: Timestamp) -> Result<Principal, KeyError> {
        let key = self.keys.get(presented).ok_or(KeyError::Unknown)?;
        let principal = self.holder(key);
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(KeyError::Expired(RefusedPrincipal::new(
                Arc::new(principal),
                CredentialState::Expired,
            )));
        }
        Ok(principal)
    }

    fn holder(&self, key: &StaticKey) -> Principal {
        Principal {
            issuer: self.issuer.clone(),
            subject: SubjectId::new(key.name.clone()),
            kind: PrincipalKind::Workload,
            client: None,
            actors: DelegationChain::direct(),
            scopes: ScopeSet::none(),
            groups: Arc::clone(&key.groups),
            groups_complete: true,
            credential: Credential::StaticKey { name: key.name.clone() },
            claims: Arc::new(Map::new()),
            of_gatehouse: false,
        }
    }
}

#[cfg(test)]
mod tests;
