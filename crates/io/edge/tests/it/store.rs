//! The deny-list of a store, in memory; nothing else of a store is used here.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::TokenId;
use gatehouse_store::error::StoreError;
use gatehouse_store::revocation::{FEED_PAGE, RevocationRepository, RevokedToken};
use gatehouse_store::{Store, consent, grant, maintenance, one_time, refresh, session, signing_key};

#[derive(Default)]
pub(crate) struct MemoryStore {
    rows: Mutex<Vec<RevokedToken>>,
    pub(crate) down: AtomicBool,
}

impl MemoryStore {
    fn up(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable { reason: "down".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl RevocationRepository for MemoryStore {
    async fn revoke_token(&self, token: &TokenId, expires_at: Timestamp) -> Result<(), StoreError> {
        self.up()?;
        let mut rows = self.rows.lock().unwrap();
        let seq = rows.len() as u64 + 1;
        rows.push(RevokedToken { seq, token: token.clone(), expires_at });
        Ok(())
    }

    async fn is_revoked(&self, token: &TokenId, _now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.rows.lock().unwrap().iter().any(|row| row.token == *token))
    }

    async fn revoked_since(&self, seq: u64, _now: Timestamp) -> Result<Vec<RevokedToken>, StoreError> {
        self.up()?;
        let rows = self.rows.lock().unwrap();
        Ok(rows.iter().filter(|row| row.seq > seq).take(FEED_PAGE).cloned().collect())
    }
}

impl Store for MemoryStore {
    fn grants(&self) -> &dyn grant::GrantRepository {
        unreachable!()
    }

    fn refresh_families(&self) -> &dyn refresh::RefreshRepository {
        unreachable!()
    }

    fn sessions(&self) -> &dyn session::SessionRepository {
        unreachable!()
    }

    fn consents(&self) -> &dyn consent::ConsentRepository {
        unreachable!()
    }

    fn one_time(&self) -> &dyn one_time::OneTimeRepository {
        unreachable!()
    }

    fn signing_keys(&self) -> &dyn signing_key::SigningKeyRepository {
        unreachable!()
    }

    fn revocations(&self) -> &dyn RevocationRepository {
        self
    }

    fn maintenance(&self) -> &dyn maintenance::Maintenance {
        unreachable!()
    }
}
