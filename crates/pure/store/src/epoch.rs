//! Epochs: what follows once a store was put back to an earlier state.
//!
//! An older copy has forgotten what was spent, rotated, revoked or withdrawn after it was made, and nobody can tell it.
//! So nothing that was alive in it stays alive, and tokens that were issued before are void, revoked or not.

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
use serde_json::{Map, Value};

use crate::error::StoreError;

/// How long before it begins an epoch is written down: long enough for all nodes to read of it, and more than their
/// clocks differ. Until they have read of it, they issue new tokens for old ones.
pub const NOTICE: Duration = Duration::from_secs(2);

/// An epoch that is further away was begun by a clock that was wrong.
const FAR: Duration = Duration::from_mins(1);

/// The time since an issuer's store was last put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Whose tokens it is about.
    pub issuer: Issuer,
    /// When it began.
    pub began_at: Timestamp,
}

impl Epoch {
    /// The epoch of `issuer` that is written down at `now`. It begins at a full second, as `iat` has no other: whoever
    /// gets a token from then on gets one that is not older.
    pub fn written_at(now: Timestamp, issuer: &Issuer) -> Self {
        let rest_of_second = Duration::from_nanos(999_999_999);
        let second = now.plus(NOTICE).plus(rest_of_second).unix_seconds();
        Self { issuer: issuer.clone(), began_at: Timestamp::from_unix_seconds(second) }
    }

    /// Whether it begins so much later than `now` that the clock was ahead when it was written down, or is behind now.
    pub fn is_far_ahead_of(&self, now: Timestamp) -> bool {
        self.began_at.since(now) > FAR
    }

    /// Whether a token with these claims is of this issuer and from before the epoch. `iat` has whole seconds, so a
    /// token of the very second in which the epoch began is void, as is one that does not say when it was issued.
    pub fn voids(&self, claims: &Map<String, Value>) -> bool {
        let issuer = claims.get("iss").and_then(Value::as_str);
        let issued_at = claims.get("iat").and_then(Value::as_i64).map(Timestamp::from_unix_seconds);
        issuer == Some(self.issuer.as_str()) && issued_at.is_none_or(|issued_at| issued_at < self.began_at)
    }
}

/// What has become of a store in which an epoch was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The epoch of the issuer: the new one, or one from before that begins later still.
    pub epoch: Epoch,
    /// What the beginning has ended.
    pub ended: Ended,
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

impl AddAssign for Ended {
    fn add_assign(&mut self, more: Self) {
        self.grants += more.grants;
        self.families += more.families;
        self.sessions += more.sessions;
        self.consents += more.consents;
    }
}

/// Epochs of a store.
#[async_trait]
pub trait EpochRepository: Send + Sync {
    /// Begins an epoch of `issuer`, in one commit: every grant, refresh family, session and consent is gone. Signing
    /// keys, the deny-list and claims of one-time values stay. `clock` is asked when all this has happened and nothing
    /// can come between any more, and the epoch begins [`NOTICE`] later.
    async fn begin(&self, issuer: &Issuer, clock: Arc<dyn Clock>) -> Result<Begun, StoreError>;

    /// The latest epoch of each issuer; none while the store was never put back.
    async fn current(&self) -> Result<Vec<Epoch>, StoreError>;
}

#[cfg(test)]
mod tests;
