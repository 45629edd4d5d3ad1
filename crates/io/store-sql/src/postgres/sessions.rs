//! Browser sessions in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::SubjectId;
use gatehouse_oauth::grant::SessionHash;
use gatehouse_store::error::StoreError;
use gatehouse_store::session::{Session, SessionRepository};
use gatehouse_store::transition::Transition;

use super::PostgresStore;

use crate::row::{from_body, to_body};

#[async_trait]
impl SessionRepository for PostgresStore {
    async fn insert(&self, hash: &SessionHash, session: &Session) -> Result<Transition, StoreError> {
        const SQL: &str = "INSERT INTO sessions (hash, subject, expires_at, body) VALUES ($1, $2, $3, $4)
             ON CONFLICT (hash) DO NOTHING";
        let body = to_body("session", session)?;
        let insert = || {
            let insert = sqlx::query(SQL).bind(hash.as_str()).bind(session.user.subject.as_str());
            insert.bind(session.expires_at.unix_nanos()).bind(&body)
        };
        self.relying().execute(insert).await.map(Transition::from_rows)
    }

    async fn find(&self, hash: &SessionHash, now: Timestamp) -> Result<Option<Session>, StoreError> {
        const SQL: &str = "SELECT body, expires_at FROM sessions WHERE hash = $1 AND expires_at > $2";
        let query = || sqlx::query_as(SQL).bind(hash.as_str()).bind(now.unix_nanos());
        let row: Option<(String, i64)> = self.relying().optional(query).await?;
        let Some((body, until)) = row else { return Ok(None) };
        let session: Session = from_body("session", hash.as_str(), &body)?;
        Ok(Some(Session { expires_at: Timestamp::from_unix_nanos(until), ..session }))
    }

    async fn extend(
        &self,
        hash: &SessionHash,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        const SQL: &str = "UPDATE sessions SET expires_at = $2 WHERE hash = $1 AND expires_at > $3";
        let update = || sqlx::query(SQL).bind(hash.as_str()).bind(until.unix_nanos()).bind(now.unix_nanos());
        self.relying().execute(update).await.map(Transition::from_rows)
    }

    async fn end(&self, hash: &SessionHash) -> Result<Transition, StoreError> {
        let delete = || sqlx::query("DELETE FROM sessions WHERE hash = $1").bind(hash.as_str());
        self.relying().execute(delete).await.map(Transition::from_rows)
    }

    async fn end_all_of_user(&self, user: &SubjectId) -> Result<u64, StoreError> {
        self.relying()
            .execute(|| sqlx::query("DELETE FROM sessions WHERE subject = $1").bind(user.as_str()))
            .await
    }
}
