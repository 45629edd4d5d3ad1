//! The signing keys of this process: those of the configuration, or those that the store keeps.

use std::sync::Arc;

use gatehouse_audit::event::{Change, Event, EventKind, Outcome, Target};
use gatehouse_audit::sink::{AuditError, AuditSink};
use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_edge::issuer::keys::LocalKeys;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::{SigningKey, SigningKeyError};
use gatehouse_store::Store;
use gatehouse_store::error::StoreError;
use gatehouse_store::signing_key::StoredSigningKey;

/// Signing keys that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key is unusable.
    #[error("a signing key cannot be used: {0}")]
    Key(#[from] SigningKeyError),
    /// The store failed.
    #[error("signing keys cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The audit log failed.
    #[error("the signing keys cannot be put on record: {0}")]
    Audit(#[from] AuditError),
}

/// Puts on record what becomes of keys.
pub(super) struct Registrar<'a> {
    pub(super) audit: &'a dyn AuditSink,
    pub(super) clock: &'a dyn Clock,
    pub(super) revision: &'a str,
}

impl Registrar<'_> {
    /// Returns once it is durable: no key that is not on record signs anything.
    async fn record(&self, kid: &str, change: Change) -> Result<(), AuditError> {
        let event = Event::new(EventKind::KeyChanged, Outcome::Allow, self.clock.now());
        let target = Target { object: Some(kid.to_owned()), ..Target::default() };
        let event = event.with_revision(self.revision).with_target(target).with_change(change);
        self.audit.append(event).await
    }
}

/// The keys to sign with. Without configured ones, an ES256 and an RS256 key are made once and kept in the store, so
/// that every node and every restart has the same.
pub(super) async fn local_keys(
    server: &AuthorizationServer,
    store: &dyn Store,
    registrar: &Registrar<'_>,
) -> Result<Arc<LocalKeys>, KeyError> {
    let mut keys = Vec::new();
    for key in &server.signing_keys {
        keys.push(SigningKey::from_pkcs8_pem(key.algorithm(), key.to_pkcs8_pem()?.expose())?);
    }
    if keys.is_empty() {
        for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
            keys.push(stored_or_made(algorithm, store, registrar).await?);
        }
    }
    for key in &keys {
        registrar.record(key.kid(), Change::Activated).await?;
    }
    Ok(Arc::new(LocalKeys::new(keys)))
}

async fn stored_or_made(
    algorithm: Algorithm,
    store: &dyn Store,
    registrar: &Registrar<'_>,
) -> Result<SigningKey, KeyError> {
    let all = store.signing_keys().all().await?;
    let standing = all.into_iter().find(|key| key.algorithm == algorithm && key.retired_at.is_none());
    let stored = if let Some(stored) = standing {
        stored
    } else {
        let made = SigningKey::generate(algorithm)?;
        let candidate = StoredSigningKey {
            kid: made.kid().to_owned(),
            algorithm,
            private_key: made.to_pkcs8_pem()?,
            created_at: registrar.clock.now(),
            retired_at: None,
        };
        // Of nodes that start at the same moment each makes a key; only that of the first is ever activated.
        registrar.record(made.kid(), Change::Made).await?;
        store.signing_keys().insert_if_none_of(&candidate).await?
    };
    Ok(SigningKey::from_pkcs8_pem(stored.algorithm, stored.private_key.expose())?)
}
