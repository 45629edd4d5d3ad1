//! Values that count once: `jti` of assertions and proofs, upstream states, nonces.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;

use crate::error::StoreError;
use crate::transition::Transition;

/// What kind of value is claimed; equal keys in different namespaces do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(&'static str);

impl Namespace {
    /// Names a namespace; the name is stored, so it must never change.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Claims of one-time values.
#[async_trait]
pub trait OneTimeRepository: Send + Sync {
    /// Claims `key` until `expires_at`: of all callers, on all nodes, one wins while the claim lasts.
    ///
    /// Of the key only a hash is kept, so its length does not matter.
    async fn claim(
        &self,
        namespace: Namespace,
        key: &str,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, StoreError>;
}
