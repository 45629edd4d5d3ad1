//! A store that can be taken away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use gatehouse_audit::head::Head;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::{ClientId, GrantId, Issuer, SubjectId, TokenId};
use gatehouse_oauth::grant::{Active, CodeHash, Grant, Pending, SessionHash, Stage};
use gatehouse_oauth::refresh::{FamilyId, RefreshFamily};
use gatehouse_store::Store;
use gatehouse_store::audit_head::{AuditHeadRepository, AuditLog};
use gatehouse_store::consent::{Consent, ConsentRepository};
use gatehouse_store::epoch::{Begun, Epoch, EpochRepository};
use gatehouse_store::error::StoreError;
use gatehouse_store::grant::GrantRepository;
use gatehouse_store::maintenance::{Maintenance, Swept};
use gatehouse_store::one_time::{Namespace, OneTimeRepository};
use gatehouse_store::refresh::RefreshRepository;
use gatehouse_store::revocation::{RevocationRepository, RevokedToken};
use gatehouse_store::session::{Session, SessionRepository};
use gatehouse_store::signing_key::{SigningKeyRepository, StoredSigningKey};
use gatehouse_store::transition::Transition;

use crate::store::TemporaryStore;

/// What a store says while it is away; nobody but operators may read it.
pub const OUTAGE: &str = "STORE-OUTAGE-CANARY";

/// An embedded store of its own that can be taken away and given back.
pub struct FickleStore {
    kept: TemporaryStore,
    is_away: AtomicBool,
}

/// What is left of it while it is away.
struct Away;

impl FickleStore {
    /// An empty store that is there.
    pub fn create() -> Self {
        Self { kept: TemporaryStore::create(), is_away: AtomicBool::new(false) }
    }

    /// From now on every operation fails, or none does.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    fn present(&self) -> &dyn Store {
        if self.is_away.load(Ordering::SeqCst) { &Away } else { self.kept.store() }
    }
}

impl Store for FickleStore {
    fn grants(&self) -> &dyn GrantRepository {
        self.present().grants()
    }
    fn refresh_families(&self) -> &dyn RefreshRepository {
        self.present().refresh_families()
    }
    fn sessions(&self) -> &dyn SessionRepository {
        self.present().sessions()
    }
    fn consents(&self) -> &dyn ConsentRepository {
        self.present().consents()
    }
    fn one_time(&self) -> &dyn OneTimeRepository {
        self.present().one_time()
    }
    fn signing_keys(&self) -> &dyn SigningKeyRepository {
        self.present().signing_keys()
    }
    fn revocations(&self) -> &dyn RevocationRepository {
        self.present().revocations()
    }
    fn epochs(&self) -> &dyn EpochRepository {
        self.present().epochs()
    }
    fn audit_heads(&self) -> &dyn AuditHeadRepository {
        self.present().audit_heads()
    }
    fn maintenance(&self) -> &dyn Maintenance {
        self.present().maintenance()
    }
}

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable { reason: OUTAGE.to_owned() })
}

#[async_trait]
impl GrantRepository for Away {
    async fn insert(&self, _: &Pending) -> Result<Transition, StoreError> {
        away()
    }
    async fn find(&self, _: &GrantId, _: Timestamp) -> Result<Option<Grant>, StoreError> {
        away()
    }
    async fn find_by_code(&self, _: &CodeHash, _: Timestamp) -> Result<Option<Grant>, StoreError> {
        away()
    }
    async fn advance(&self, _: Stage, _: &Grant, _: Timestamp) -> Result<Transition, StoreError> {
        away()
    }
    async fn abandon(&self, _: &GrantId) -> Result<Transition, StoreError> {
        away()
    }
    async fn redeem(
        &self,
        _: &Active,
        _: Option<&RefreshFamily>,
        _: Timestamp,
    ) -> Result<Transition, StoreError> {
        away()
    }
    async fn revoke(&self, _: &GrantId, _: Timestamp) -> Result<Transition, StoreError> {
        away()
    }
    async fn all_of(&self, _: &SubjectId, _: Timestamp) -> Result<Vec<GrantId>, StoreError> {
        away()
    }
    async fn revoke_all_of_user(&self, _: &SubjectId, _: Timestamp) -> Result<u64, StoreError> {
        away()
    }
    async fn revoke_all_of_client(&self, _: &ClientId, _: Timestamp) -> Result<u64, StoreError> {
        away()
    }
}

#[async_trait]
impl RefreshRepository for Away {
    async fn find(&self, _: &FamilyId, _: Timestamp) -> Result<Option<RefreshFamily>, StoreError> {
        away()
    }
    async fn find_ended(&self, _: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        away()
    }
    async fn rotate(&self, _: &RefreshFamily, _: u64, _: Timestamp) -> Result<Transition, StoreError> {
        away()
    }
    async fn mark_generation_used(
        &self,
        _: &GrantId,
        _: u64,
        _: Timestamp,
    ) -> Result<Transition, StoreError> {
        away()
    }
    async fn count_stale_hit(
        &self,
        _: &FamilyId,
        _: u64,
        _: u32,
        _: Timestamp,
    ) -> Result<Transition, StoreError> {
        away()
    }
    async fn revoke(&self, _: &FamilyId, _: Timestamp) -> Result<Transition, StoreError> {
        away()
    }
}

#[async_trait]
impl SessionRepository for Away {
    async fn insert(&self, _: &SessionHash, _: &Session) -> Result<Transition, StoreError> {
        away()
    }
    async fn find(&self, _: &SessionHash, _: Timestamp) -> Result<Option<Session>, StoreError> {
        away()
    }
    async fn extend(&self, _: &SessionHash, _: Timestamp, _: Timestamp) -> Result<Transition, StoreError> {
        away()
    }
    async fn end(&self, _: &SessionHash) -> Result<Transition, StoreError> {
        away()
    }
    async fn end_all_of_user(&self, _: &SubjectId) -> Result<u64, StoreError> {
        away()
    }
}

#[async_trait]
impl ConsentRepository for Away {
    async fn is_remembered(&self, _: &Consent, _: Timestamp) -> Result<bool, StoreError> {
        away()
    }
    async fn remember(&self, _: &Consent, _: Timestamp, _: Timestamp) -> Result<(), StoreError> {
        away()
    }
    async fn forget(&self, _: &SubjectId, _: &ClientId) -> Result<u64, StoreError> {
        away()
    }
    async fn all_of(&self, _: &SubjectId, _: Timestamp) -> Result<Vec<Consent>, StoreError> {
        away()
    }
}

#[async_trait]
impl RevocationRepository for Away {
    async fn revoke_token(&self, _: &TokenId, _: Timestamp) -> Result<(), StoreError> {
        away()
    }
    async fn is_revoked(&self, _: &TokenId, _: Timestamp) -> Result<bool, StoreError> {
        away()
    }
    async fn revoked_since(&self, _: u64, _: Timestamp) -> Result<Vec<RevokedToken>, StoreError> {
        away()
    }
}

#[async_trait]
impl OneTimeRepository for Away {
    async fn claim(
        &self,
        _: Namespace,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Transition, StoreError> {
        away()
    }
}

#[async_trait]
impl SigningKeyRepository for Away {
    async fn all(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        away()
    }
    async fn insert_if_none_of(&self, _: &StoredSigningKey) -> Result<StoredSigningKey, StoreError> {
        away()
    }
    async fn replace(&self, _: &str, _: &StoredSigningKey, _: Timestamp) -> Result<Transition, StoreError> {
        away()
    }
    async fn remove_retired(&self, _: &str) -> Result<Transition, StoreError> {
        away()
    }
}

#[async_trait]
impl EpochRepository for Away {
    async fn begin(&self, _: &Issuer, _: Arc<dyn Clock>) -> Result<Begun, StoreError> {
        away()
    }
    async fn current(&self) -> Result<Vec<Epoch>, StoreError> {
        away()
    }
}

#[async_trait]
impl AuditHeadRepository for Away {
    async fn remember(&self, _: &AuditLog, _: Head, _: Timestamp) -> Result<(), StoreError> {
        away()
    }
    async fn remembered(&self, _: &AuditLog) -> Result<Option<Head>, StoreError> {
        away()
    }
}

#[async_trait]
impl Maintenance for Away {
    async fn sweep(&self, _: Timestamp) -> Result<Swept, StoreError> {
        away()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        away()
    }
}
