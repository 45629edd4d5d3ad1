//! Upkeep of the store.

use std::time::Duration;

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;

use crate::error::StoreError;

/// The most rows that one [`Maintenance::sweep`] removes of each kind, so that it never holds up writers for long.
pub const SWEEP_BATCH: u32 = 500;

/// How long a sweep leaves an expired refresh family, so that a client that comes back with its token can be told from a
/// stranger, and its user named in the log.
pub const ENDED_FAMILIES_KEPT: Duration = Duration::from_hours(24 * 30);

/// How many expired rows a sweep has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Grants.
    pub grants: u64,
    /// Refresh families.
    pub families: u64,
    /// Browser sessions.
    pub sessions: u64,
    /// Remembered consents.
    pub consents: u64,
    /// One-time claims.
    pub claims: u64,
    /// Entries of the token deny-list.
    pub revocations: u64,
}

impl Swept {
    /// Whether some kind had at least a full batch of expired rows, so that another sweep is worthwhile.
    pub fn is_full(&self) -> bool {
        let Self { grants, families, sessions, consents, claims, revocations } = *self;
        [grants, families, sessions, consents, claims, revocations]
            .iter()
            .any(|rows| *rows >= u64::from(SWEEP_BATCH))
    }
}

/// Upkeep.
#[async_trait]
pub trait Maintenance: Send + Sync {
    /// Removes expired rows, at most [`SWEEP_BATCH`] of each kind, refresh families [`ENDED_FAMILIES_KEPT`] after their
    /// end. Correctness never depends on it: reads treat expired rows as absent.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError>;

    /// Whether the store can read and write right now.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Looks whether the store has gone back to an earlier state since the last time: a standby was promoted that
    /// lacks writes, or a copy was put back under running nodes. After that, whatever relies on the store is
    /// [`StoreError::Unavailable`] until an epoch begins. Asked twice a second; a store in this process's own hands
    /// has nothing to look for.
    async fn keep_watch(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
