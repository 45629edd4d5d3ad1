//! A store that can be pinged, and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::maintenance::{Maintenance, Swept};
use gatehouse_store::{Store, consent, grant, one_time, refresh, revocation, session, signing_key};

#[derive(Default)]
pub(crate) struct PingedStore {
    pub(crate) down: AtomicBool,
}

#[async_trait]
impl Maintenance for PingedStore {
    async fn sweep(&self, _now: Timestamp) -> Result<Swept, StoreError> {
        unreachable!()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable { reason: "database is gone".to_owned() });
        }
        Ok(())
    }
}

impl Store for PingedStore {
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

    fn revocations(&self) -> &dyn revocation::RevocationRepository {
        unreachable!()
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }
}
