//! Upkeep of PostgreSQL. Nodes that sweep at the same time pass over each other's rows.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::maintenance::{ENDED_FAMILIES_KEPT, Maintenance, SWEEP_BATCH, Swept};

use super::PostgresStore;

const GRANTS: &str = "DELETE FROM grants WHERE id IN
    (SELECT id FROM grants WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
const FAMILIES: &str = "DELETE FROM refresh_families WHERE id IN
    (SELECT id FROM refresh_families WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
const SESSIONS: &str = "DELETE FROM sessions WHERE hash IN
    (SELECT hash FROM sessions WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
const CONSENTS: &str = "DELETE FROM consents WHERE fingerprint IN
    (SELECT fingerprint FROM consents WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
const CLAIMS: &str = "DELETE FROM one_time_claims WHERE fingerprint IN
    (SELECT fingerprint FROM one_time_claims WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
const REVOCATIONS: &str = "DELETE FROM revoked_tokens WHERE seq IN
    (SELECT seq FROM revoked_tokens WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";

#[async_trait]
impl Maintenance for PostgresStore {
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        Ok(Swept {
            grants: self.delete(GRANTS, now).await?,
            families: self.delete(FAMILIES, now.minus(ENDED_FAMILIES_KEPT)).await?,
            sessions: self.delete(SESSIONS, now).await?,
            consents: self.delete(CONSENTS, now).await?,
            claims: self.delete(CLAIMS, now).await?,
            revocations: self.delete(REVOCATIONS, now).await?,
        })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        const SQL: &str = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";
        let (only_reads,) = self.relying().one(|| sqlx::query_as(SQL)).await?;
        if only_reads {
            return Err(StoreError::Unavailable { reason: "the server cannot write".to_owned() });
        }
        Ok(())
    }

    async fn keep_watch(&self) -> Result<(), StoreError> {
        self.look_back().await
    }
}

impl PostgresStore {
    async fn delete(&self, sql: &'static str, now: Timestamp) -> Result<u64, StoreError> {
        let delete = || sqlx::query(sql).bind(now.unix_nanos()).bind(i64::from(SWEEP_BATCH));
        self.regardless().execute(delete).await
    }
}
