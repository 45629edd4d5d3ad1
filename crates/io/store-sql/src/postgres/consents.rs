//! Remembered consents in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, SubjectId};
use gatehouse_store::consent::{Consent, ConsentRepository};
use gatehouse_store::error::StoreError;

use super::PostgresStore;

use crate::row::{from_body, to_body};

#[async_trait]
impl ConsentRepository for PostgresStore {
    async fn is_remembered(&self, consent: &Consent, now: Timestamp) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM consents WHERE fingerprint = $1 AND expires_at > $2)",
        );
        let query = query.bind(consent.fingerprint().to_string()).bind(now.unix_nanos());
        self.bounded(query.fetch_one(&self.pool)).await
    }

    async fn remember(
        &self,
        consent: &Consent,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let insert = sqlx::query(
            "INSERT INTO consents (fingerprint, subject, client, granted_at, expires_at, body)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (fingerprint) DO UPDATE SET granted_at = excluded.granted_at,
                 expires_at = excluded.expires_at",
        )
        .bind(consent.fingerprint().to_string())
        .bind(consent.user.as_str())
        .bind(consent.client.as_str())
        .bind(at.unix_nanos())
        .bind(expires_at.unix_nanos())
        .bind(to_body("consent", consent)?);
        self.bounded(insert.execute(&self.pool)).await.map(|_| ())
    }

    async fn forget(&self, user: &SubjectId, client: &ClientId) -> Result<u64, StoreError> {
        let delete = sqlx::query("DELETE FROM consents WHERE subject = $1 AND client = $2");
        let delete = delete.bind(user.as_str()).bind(client.as_str());
        self.bounded(delete.execute(&self.pool)).await.map(|done| done.rows_affected())
    }

    async fn all_of(&self, user: &SubjectId, now: Timestamp) -> Result<Vec<Consent>, StoreError> {
        let query = sqlx::query_as(
            "SELECT fingerprint, body FROM consents WHERE subject = $1 AND expires_at > $2
             ORDER BY client, granted_at, fingerprint",
        );
        let query = query.bind(user.as_str()).bind(now.unix_nanos());
        let rows: Vec<(String, String)> = self.bounded(query.fetch_all(&self.pool)).await?;
        rows.iter().map(|(id, body)| from_body("consent", id, body)).collect()
    }
}
