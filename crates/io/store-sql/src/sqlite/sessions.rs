//! Browser sessions in SQLite.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::SubjectId;
use gatehouse_oauth::grant::SessionHash;
use gatehouse_store::error::StoreError;
use gatehouse_store::session::{Session, SessionRepository};
use gatehouse_store::transition::Transition;
use rusqlite::params;

use super::SqliteStore;
use super::statement::{decide, execute, first};
use crate::row::{from_body, to_body};

#[async_trait]
impl SessionRepository for SqliteStore {
    async fn insert(&self, hash: &SessionHash, session: &Session) -> Result<Transition, StoreError> {
        const SQL: &str = "INSERT INTO sessions (hash, subject, expires_at, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (hash) DO NOTHING";
        let row = (
            hash.to_string(),
            session.user.subject.to_string(),
            session.expires_at.unix_nanos(),
            to_body("session", session)?,
        );
        self.writer.write(move |connection| decide(connection, SQL, row)).await
    }

    async fn find(&self, hash: &SessionHash, now: Timestamp) -> Result<Option<Session>, StoreError> {
        const SQL: &str = "SELECT body, expires_at FROM sessions WHERE hash = ?1 AND expires_at > ?2";
        let hash = hash.to_string();
        self.readers
            .read(move |connection| {
                let row = first(connection, SQL, params![hash, now.unix_nanos()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                })?;
                let Some((body, until)) = row else { return Ok(None) };
                let session: Session = from_body("session", &hash, &body)?;
                Ok(Some(Session { expires_at: Timestamp::from_unix_nanos(until), ..session }))
            })
            .await
    }

    async fn extend(
        &self,
        hash: &SessionHash,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        const SQL: &str = "UPDATE sessions SET expires_at = ?2 WHERE hash = ?1 AND expires_at > ?3";
        let row = (hash.to_string(), until.unix_nanos(), now.unix_nanos());
        self.writer.write(move |connection| decide(connection, SQL, row)).await
    }

    async fn end(&self, hash: &SessionHash) -> Result<Transition, StoreError> {
        let hash = hash.to_string();
        self.writer
            .write(move |connection| {
                decide(connection, "DELETE FROM sessions WHERE hash = ?1", params![hash])
            })
            .await
    }

    async fn end_all_of_user(&self, user: &SubjectId) -> Result<u64, StoreError> {
        let user = user.to_string();
        self.writer
            .write(move |connection| {
                execute(connection, "DELETE FROM sessions WHERE subject = ?1", params![user])
            })
            .await
    }
}
