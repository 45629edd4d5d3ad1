//! Remembered consents in SQLite.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, SubjectId};
use gatehouse_store::consent::{Consent, ConsentRepository};
use gatehouse_store::error::StoreError;
use rusqlite::params;

use super::SqliteStore;
use super::statement::{all, execute, first};
use crate::row::{from_body, to_body};

#[async_trait]
impl ConsentRepository for SqliteStore {
    async fn is_remembered(&self, consent: &Consent, now: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT 1 FROM consents WHERE fingerprint = ?1 AND expires_at > ?2";
        let key = (consent.fingerprint().to_string(), now.unix_nanos());
        self.readers.read(move |connection| Ok(first(connection, SQL, key, |_| Ok(()))?.is_some())).await
    }

    async fn remember(
        &self,
        consent: &Consent,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO consents (fingerprint, subject, client, granted_at, expires_at, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (fingerprint) DO UPDATE SET granted_at = excluded.granted_at,
                 expires_at = excluded.expires_at";
        let row = (
            consent.fingerprint().to_string(),
            consent.user.to_string(),
            consent.client.to_string(),
            at.unix_nanos(),
            expires_at.unix_nanos(),
            to_body("consent", consent)?,
        );
        self.writer.write(move |connection| execute(connection, SQL, row).map(|_| ())).await
    }

    async fn forget(&self, user: &SubjectId, client: &ClientId) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM consents WHERE subject = ?1 AND client = ?2";
        let key = (user.to_string(), client.to_string());
        self.writer.write(move |connection| execute(connection, SQL, key)).await
    }

    async fn all_of(&self, user: &SubjectId, now: Timestamp) -> Result<Vec<Consent>, StoreError> {
        const SQL: &str = "SELECT fingerprint, body FROM consents WHERE subject = ?1 AND expires_at > ?2
             ORDER BY client, granted_at, fingerprint";
        let user = user.to_string();
        self.readers
            .read(move |connection| {
                let rows: Vec<(String, String)> =
                    all(connection, SQL, params![user, now.unix_nanos()], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?;
                rows.iter().map(|(id, body)| from_body("consent", id, body)).collect()
            })
            .await
    }
}
