//! One-time values in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::fingerprint::Fingerprint;
use gatehouse_store::one_time::{Namespace, OneTimeRepository};
use gatehouse_store::transition::Transition;

use super::PostgresStore;

#[async_trait]
impl OneTimeRepository for PostgresStore {
    async fn claim(
        &self,
        namespace: Namespace,
        key: &str,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let insert = sqlx::query(
            "INSERT INTO one_time_claims (fingerprint, expires_at) VALUES ($1, $2)
             ON CONFLICT (fingerprint) DO UPDATE SET expires_at = excluded.expires_at
             WHERE one_time_claims.expires_at <= $3",
        )
        .bind(Fingerprint::of([namespace.as_str(), key]).to_string())
        .bind(expires_at.unix_nanos())
        .bind(now.unix_nanos());
        let done = self.bounded(insert.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }
}
