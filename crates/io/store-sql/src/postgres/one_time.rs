//! One-time values in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::fingerprint::Fingerprint;
use gatehouse_store::one_time::{Namespace, OneTimeRepository};
use gatehouse_store::transition::Transition;

use super::PostgresStore;
use super::history::Evidence;

const CLAIMED: &str =
    "SELECT EXISTS (SELECT FROM one_time_claims WHERE fingerprint = $1 AND expires_at >= $2)";

#[async_trait]
impl OneTimeRepository for PostgresStore {
    async fn claim(
        &self,
        namespace: Namespace,
        key: &str,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        const SQL: &str = "INSERT INTO one_time_claims (fingerprint, expires_at) VALUES ($1, $2)
             ON CONFLICT (fingerprint) DO UPDATE SET expires_at = excluded.expires_at
             WHERE one_time_claims.expires_at <= $3";
        let key = Fingerprint::of([namespace.as_str(), key]).to_string();
        let expires_at = expires_at.unix_nanos();
        let insert = || sqlx::query(SQL).bind(&key).bind(expires_at).bind(now.unix_nanos());
        let claimed = self.relying().execute(insert).await.map(Transition::from_rows)?;
        if claimed.is_won() {
            self.history.note(Evidence { sql: CLAIMED, key, value: expires_at });
        }
        Ok(claimed)
    }
}
