//! One-time values in SQLite.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::fingerprint::Fingerprint;
use gatehouse_store::one_time::{Namespace, OneTimeRepository};
use gatehouse_store::transition::Transition;

use super::SqliteStore;
use super::statement::decide;

#[async_trait]
impl OneTimeRepository for SqliteStore {
    async fn claim(
        &self,
        namespace: Namespace,
        key: &str,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        const SQL: &str = "INSERT INTO one_time_claims (fingerprint, expires_at) VALUES (?1, ?2)
             ON CONFLICT (fingerprint) DO UPDATE SET expires_at = excluded.expires_at
             WHERE one_time_claims.expires_at <= ?3";
        let fingerprint = Fingerprint::of([namespace.as_str(), key]).to_string();
        let row = (fingerprint, expires_at.unix_nanos(), now.unix_nanos());
        self.writer.write(move |connection| decide(connection, SQL, row)).await
    }
}
