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
        const SQL: &str = "SELECT EXISTS (SELECT FROM consents WHERE fingerprint = $1 AND expires_at > $2)";
        let fingerprint = consent.fingerprint().to_string();
        let query = || sqlx::query_as(SQL).bind(&fingerprint).bind(now.unix_nanos());
        self.relying().one(query).await.map(|(is_remembered,)| is_remembered)
    }

    async fn remember(
        &self,
        consent: &Consent,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO consents (fingerprint, subject, client, granted_at, expires_at, body)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (fingerprint) DO UPDATE SET granted_at = excluded.granted_at,
                 expires_at = excluded.expires_at";
        let (fingerprint, body) = (consent.fingerprint().to_string(), to_body("consent", consent)?);
        let insert = || {
            let insert = sqlx::query(SQL).bind(&fingerprint).bind(consent.user.as_str());
            let insert = insert.bind(consent.client.as_str()).bind(at.unix_nanos());
            insert.bind(expires_at.unix_nanos()).bind(&body)
        };
        self.relying().execute(insert).await.map(|_| ())
    }

    async fn forget(&self, user: &SubjectId, client: &ClientId) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM consents WHERE subject = $1 AND client = $2";
        self.relying().execute(|| sqlx::query(SQL).bind(user.as_str()).bind(client.as_str())).await
    }

    async fn all_of(&self, user: &SubjectId, now: Timestamp) -> Result<Vec<Consent>, StoreError> {
        const SQL: &str = "SELECT fingerprint, body FROM consents WHERE subject = $1 AND expires_at > $2
             ORDER BY client, granted_at, fingerprint";
        let query = || sqlx::query_as(SQL).bind(user.as_str()).bind(now.unix_nanos());
        let rows: Vec<(String, String)> = self.relying().all(query).await?;
        rows.iter().map(|(id, body)| from_body("consent", id, body)).collect()
    }
}
