//! Epochs: what follows once a store was put back to an earlier state.
//!
//! An older copy has forgotten what was spent, rotated, revoked or withdrawn after it was made, and nobody can tell it.
//! So nothing that was alive in it stays alive, and tokens that were issued before are void, revoked or not.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use serde_json::{Map, Value};

use crate::error::StoreError;

/// The time since an issuer's store was last put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Whose tokens it is about.
    pub issuer: Issuer,
    /// When it began.
    pub began_at: Timestamp,
}

impl Epoch {
    /// Whether a token with these claims is of this issuer and from before the epoch. `iat` has whole seconds, so a
    /// token of the very second in which the epoch began is void, as is one that does not say when it was issued.
    pub fn voids(&self, claims: &Map<String, Value>) -> bool {
        let issuer = claims.get("iss").and_then(Value::as_str);
        let issued_at = claims.get("iat").and_then(Value::as_i64).map(Timestamp::from_unix_seconds);
        issuer == Some(self.issuer.as_str()) && issued_at.is_none_or(|issued_at| issued_at < self.began_at)
    }
}

/// How much the beginning of an epoch has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Grants, with their codes.
    pub grants: u64,
    /// Refresh families.
    pub families: u64,
    /// Browser sessions.
    pub sessions: u64,
    /// Remembered consents.
    pub consents: u64,
}

/// Epochs of a store.
#[async_trait]
pub trait EpochRepository: Send + Sync {
    /// Begins an epoch, in one commit: every grant, refresh family, session and consent is gone. Signing keys, the
    /// deny-list and claims of one-time values stay.
    async fn begin(&self, epoch: &Epoch) -> Result<Ended, StoreError>;

    /// The latest epoch of each issuer; none while the store was never put back.
    async fn current(&self) -> Result<Vec<Epoch>, StoreError>;
}

#[cfg(test)]
mod tests;
