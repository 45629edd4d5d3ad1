//! Refresh token families.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;
use gatehouse_oauth::refresh::{FamilyId, RefreshFamily};

use crate::error::StoreError;
use crate::transition::Transition;

/// Refresh families. Expired families are absent; a revoked one is found with its `revoked_at`.
///
/// A family begins with [`crate::grant::GrantRepository::redeem`].
#[async_trait]
pub trait RefreshRepository: Send + Sync {
    /// The family with this id.
    async fn find(&self, id: &FamilyId, now: Timestamp) -> Result<Option<RefreshFamily>, StoreError>;

    /// The family with this id although it has expired, as long as a sweep has not removed it. For evidence of whose
    /// token was refused; nothing may be granted on it.
    async fn find_ended(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError>;

    /// Replaces the family that stands at `expected_generation` by `next`. Of all callers that expect one
    /// generation exactly one wins; lost also when the family is expired or revoked.
    async fn rotate(
        &self,
        next: &RefreshFamily,
        expected_generation: u64,
        now: Timestamp,
    ) -> Result<Transition, StoreError>;

    /// Records that something of this `generation` of `grant` was seen in use, a token that was issued with its refresh
    /// token or that one itself, so that the answer which brought it has arrived. Lost when the family has moved on,
    /// and when this is already known.
    async fn mark_generation_used(
        &self,
        grant: &GrantId,
        generation: u64,
        now: Timestamp,
    ) -> Result<Transition, StoreError>;

    /// Counts one stale presentation while the count still is `seen`
    /// ([`RefreshFamily::with_stale_hit`]). Lost when another was counted meanwhile, or the family has moved on
    /// from `generation`.
    async fn count_stale_hit(
        &self,
        id: &FamilyId,
        generation: u64,
        seen: u32,
        now: Timestamp,
    ) -> Result<Transition, StoreError>;

    /// Revokes a family. Lost when it is absent or already revoked.
    async fn revoke(&self, id: &FamilyId, at: Timestamp) -> Result<Transition, StoreError>;
}
