//! The whole store: all repositories of one backend.

use crate::audit_head::AuditHeadRepository;
use crate::consent::ConsentRepository;
use crate::epoch::EpochRepository;
use crate::grant::GrantRepository;
use crate::maintenance::Maintenance;
use crate::one_time::OneTimeRepository;
use crate::refresh::RefreshRepository;
use crate::revocation::RevocationRepository;
use crate::session::SessionRepository;
use crate::signing_key::SigningKeyRepository;

/// Everything the gateway keeps, by aggregate: `store.grants().redeem(..)`.
pub trait Store: Send + Sync {
    /// Grants and their codes.
    fn grants(&self) -> &dyn GrantRepository;
    /// Refresh token families.
    fn refresh_families(&self) -> &dyn RefreshRepository;
    /// Browser sessions.
    fn sessions(&self) -> &dyn SessionRepository;
    /// Remembered consents.
    fn consents(&self) -> &dyn ConsentRepository;
    /// One-time values.
    fn one_time(&self) -> &dyn OneTimeRepository;
    /// Signing keys.
    fn signing_keys(&self) -> &dyn SigningKeyRepository;
    /// The token deny-list.
    fn revocations(&self) -> &dyn RevocationRepository;
    /// What followed a restore.
    fn epochs(&self) -> &dyn EpochRepository;
    /// How far audit logs had come.
    fn audit_heads(&self) -> &dyn AuditHeadRepository;
    /// Upkeep.
    fn maintenance(&self) -> &dyn Maintenance;
}

/// A backend is a store once it implements every repository.
impl<Backend> Store for Backend
where
    Backend: GrantRepository
        + RefreshRepository
        + SessionRepository
        + ConsentRepository
        + OneTimeRepository
        + SigningKeyRepository
        + RevocationRepository
        + EpochRepository
        + AuditHeadRepository
        + Maintenance,
{
    fn grants(&self) -> &dyn GrantRepository {
        self
    }

    fn refresh_families(&self) -> &dyn RefreshRepository {
        self
    }

    fn sessions(&self) -> &dyn SessionRepository {
        self
    }

    fn consents(&self) -> &dyn ConsentRepository {
        self
    }

    fn one_time(&self) -> &dyn OneTimeRepository {
        self
    }

    fn signing_keys(&self) -> &dyn SigningKeyRepository {
        self
    }

    fn revocations(&self) -> &dyn RevocationRepository {
        self
    }

    fn epochs(&self) -> &dyn EpochRepository {
        self
    }

    fn audit_heads(&self) -> &dyn AuditHeadRepository {
        self
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }
}
