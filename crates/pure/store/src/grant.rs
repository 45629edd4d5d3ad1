//! Grants: from the authorization request to the last token that came from it.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, GrantId, SubjectId};
use gatehouse_oauth::grant::{Active, CodeHash, Grant, Pending, Stage};
use gatehouse_oauth::refresh::RefreshFamily;

use crate::error::StoreError;
use crate::transition::Transition;

/// Grants and their one-time steps. Expired grants are absent; a revoked one is absent unless it is active, when
/// it is found with its `revoked_at`.
#[async_trait]
pub trait GrantRepository: Send + Sync {
    /// Stores a new grant. Lost when the id is taken.
    async fn insert(&self, grant: &Pending) -> Result<Transition, StoreError>;

    /// The grant with this id.
    async fn find(&self, id: &GrantId, now: Timestamp) -> Result<Option<Grant>, StoreError>;

    /// The grant whose code has this hash; a redeemed code still finds its grant, so that reuse can be punished.
    async fn find_by_code(&self, code: &CodeHash, now: Timestamp) -> Result<Option<Grant>, StoreError>;

    /// Replaces a grant that stands at stage `from` by its successor `to`, in one conditional write.
    ///
    /// Lost when the grant is not at that stage any more, expired or revoked.
    async fn advance(&self, from: Stage, to: &Grant, now: Timestamp) -> Result<Transition, StoreError>;

    /// Removes a grant that nobody has consented to. Lost when there is none at such a stage.
    async fn abandon(&self, id: &GrantId) -> Result<Transition, StoreError>;

    /// Redeems a code: the consented grant becomes `grant` and `family`, when there is one, begins, both in one
    /// commit. Of all callers with one code exactly one wins.
    async fn redeem(
        &self,
        grant: &Active,
        family: Option<&RefreshFamily>,
        now: Timestamp,
    ) -> Result<Transition, StoreError>;

    /// Revokes a grant and every refresh family of it, in one commit. Lost when there is nothing left to revoke.
    async fn revoke(&self, id: &GrantId, at: Timestamp) -> Result<Transition, StoreError>;

    /// All grants of a user that something may still come from or be alive of, revoked ones too.
    async fn all_of(&self, user: &SubjectId, now: Timestamp) -> Result<Vec<GrantId>, StoreError>;

    /// Revokes all grants of a user and their families; returns how many grants were revoked by this call.
    async fn revoke_all_of_user(&self, user: &SubjectId, at: Timestamp) -> Result<u64, StoreError>;

    /// Revokes all grants of a client and their families; returns how many grants were revoked by this call.
    async fn revoke_all_of_client(&self, client: &ClientId, at: Timestamp) -> Result<u64, StoreError>;
}
