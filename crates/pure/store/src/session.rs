//! Browser sessions at the authorization server.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::SubjectId;
use gatehouse_oauth::grant::{AuthenticatedUser, SessionHash};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::transition::Transition;

/// A signed-in browser. Its id is a secret that only the browser's cookie holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Who signed in, how and when.
    pub user: AuthenticatedUser,
    /// When the session began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// Sessions, by the hash of their id. Ended and expired sessions are absent.
#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// Stores a new session. Lost when the hash is taken.
    async fn insert(&self, hash: &SessionHash, session: &Session) -> Result<Transition, StoreError>;

    /// The session with this hash.
    async fn find(&self, hash: &SessionHash, now: Timestamp) -> Result<Option<Session>, StoreError>;

    /// Lets a session that is in use end at `until` instead of when it would. Lost when there is none.
    async fn extend(
        &self,
        hash: &SessionHash,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, StoreError>;

    /// Ends one session. Lost when there is none.
    async fn end(&self, hash: &SessionHash) -> Result<Transition, StoreError>;

    /// Ends all sessions of a user; returns how many there were.
    async fn end_all_of_user(&self, user: &SubjectId) -> Result<u64, StoreError>;
}
