//! Upkeep of SQLite.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::maintenance::{ENDED_FAMILIES_KEPT, Maintenance, SWEEP_BATCH, Swept};
use rusqlite::params;

use super::SqliteStore;
use super::statement::{execute, first};

const GRANTS: &str = "DELETE FROM grants WHERE id IN
    (SELECT id FROM grants WHERE expires_at <= ?1 LIMIT ?2)";
const FAMILIES: &str = "DELETE FROM refresh_families WHERE id IN
    (SELECT id FROM refresh_families WHERE expires_at <= ?1 LIMIT ?2)";
const SESSIONS: &str = "DELETE FROM sessions WHERE hash IN
    (SELECT hash FROM sessions WHERE expires_at <= ?1 LIMIT ?2)";
const CONSENTS: &str = "DELETE FROM consents WHERE fingerprint IN
    (SELECT fingerprint FROM consents WHERE expires_at <= ?1 LIMIT ?2)";
const CLAIMS: &str = "DELETE FROM one_time_claims WHERE fingerprint IN
    (SELECT fingerprint FROM one_time_claims WHERE expires_at <= ?1 LIMIT ?2)";
const REVOCATIONS: &str = "DELETE FROM revoked_tokens WHERE seq IN
    (SELECT seq FROM revoked_tokens WHERE expires_at <= ?1 LIMIT ?2)";

#[async_trait]
impl Maintenance for SqliteStore {
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        self.writer
            .write(move |connection| {
                let ended =
                    |sql, by: Timestamp| execute(connection, sql, params![by.unix_nanos(), SWEEP_BATCH]);
                let delete = |sql| ended(sql, now);
                Ok(Swept {
                    grants: delete(GRANTS)?,
                    families: ended(FAMILIES, now.minus(ENDED_FAMILIES_KEPT))?,
                    sessions: delete(SESSIONS)?,
                    consents: delete(CONSENTS)?,
                    claims: delete(CLAIMS)?,
                    revocations: delete(REVOCATIONS)?,
                })
            })
            .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        const SQL: &str = "SELECT count(*) FROM schema_migrations";
        self.readers.read(|connection| first(connection, SQL, [], |_| Ok(()))).await?;
        self.writer.write(|connection| first(connection, SQL, [], |_| Ok(())).map(|_| ())).await
    }
}
