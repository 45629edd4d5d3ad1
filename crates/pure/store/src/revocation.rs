//! Access tokens that were revoked before they expire, as a feed that every node follows.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::TokenId;

use crate::error::StoreError;

/// The most entries that one [`RevocationRepository::revoked_since`] returns.
pub const FEED_PAGE: usize = 1_000;

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// Position in the feed: entries become visible in the order of their positions.
    pub seq: u64,
    /// The `jti` of the token.
    pub token: TokenId,
    /// When the token expires and the entry may be forgotten.
    pub expires_at: Timestamp,
}

/// The deny-list of token ids.
#[async_trait]
pub trait RevocationRepository: Send + Sync {
    /// Revokes a token until it expires; revoking it again changes nothing.
    async fn revoke_token(&self, token: &TokenId, expires_at: Timestamp) -> Result<(), StoreError>;

    /// Whether the token is revoked.
    async fn is_revoked(&self, token: &TokenId, now: Timestamp) -> Result<bool, StoreError>;

    /// Unexpired entries after position `seq`, oldest first, at most [`FEED_PAGE`]: start with 0, continue with
    /// the last position seen. No entry is ever inserted before a position that was already visible.
    async fn revoked_since(&self, seq: u64, now: Timestamp) -> Result<Vec<RevokedToken>, StoreError>;
}
