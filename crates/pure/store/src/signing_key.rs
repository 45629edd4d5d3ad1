//! The authorization server's signing keys, shared by all nodes.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::secret::Secret;

use crate::error::StoreError;
use crate::transition::Transition;

/// A signing key as it is kept.
#[derive(Clone)]
pub struct StoredSigningKey {
    /// The key id that tokens name (RFC 7638 thumbprint).
    pub kid: String,
    /// What it signs.
    pub algorithm: Algorithm,
    /// The private key, PKCS#8 PEM.
    pub private_key: Secret,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped signing; it verifies until it is removed.
    pub retired_at: Option<Timestamp>,
}

/// The signing keys. At every moment at most one key of an algorithm is not retired.
#[async_trait]
pub trait SigningKeyRepository: Send + Sync {
    /// All keys, also retired ones, oldest first.
    async fn all(&self) -> Result<Vec<StoredSigningKey>, StoreError>;

    /// Stores `key` unless its algorithm already has a signing key, and returns the one that stands: nodes that
    /// start at the same moment end up with the same key.
    async fn insert_if_none_of(&self, key: &StoredSigningKey) -> Result<StoredSigningKey, StoreError>;

    /// Retires the key `current` and puts `next`, of the same algorithm, in its place.
    ///
    /// Lost when `current` is unknown or already retired.
    async fn replace(
        &self,
        current: &str,
        next: &StoredSigningKey,
        at: Timestamp,
    ) -> Result<Transition, StoreError>;

    /// Removes a retired key. Lost when there is no such key or it still signs.
    async fn remove_retired(&self, kid: &str) -> Result<Transition, StoreError>;
}
