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
        let insert = sqlx::query(
            "INSERT INTO sessions (hash, subject, expires_at, body) VALUES ($1, $2, $3, $4)
             ON CONFLICT (hash) DO NOTHING",
        )
        .bind(hash.as_str())
        .bind(session.user.subject.as_str())
        .bind(session.expires_at.unix_nanos())
        .bind(to_body("session", session)?);
        let done = self.bounded(insert.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }

    async fn find(&self, hash: &SessionHash, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let query =
            sqlx::query_as("SELECT body, expires_at FROM sessions WHERE hash = $1 AND expires_at > $2");
        let query = query.bind(hash.as_str()).bind(now.unix_nanos());
        let row: Option<(String, i64)> = self.bounded(query.fetch_optional(&self.pool)).await?;
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
        let update = sqlx::query("UPDATE sessions SET expires_at = $2 WHERE hash = $1 AND expires_at > $3")
            .bind(hash.as_str())
            .bind(until.unix_nanos())
            .bind(now.unix_nanos());
        let done = self.bounded(update.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }

    async fn end(&self, hash: &SessionHash) -> Result<Transition, StoreError> {
        let delete = sqlx::query("DELETE FROM sessions WHERE hash = $1").bind(hash.as_str());
        let done = self.bounded(delete.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }

    async fn end_all_of_user(&self, user: &SubjectId) -> Result<u64, StoreError> {
        let delete = sqlx::query("DELETE FROM sessions WHERE subject = $1").bind(user.as_str());
        let done = self.bounded(delete.execute(&self.pool)).await?;
        Ok(done.rows_affected())
    }
}
