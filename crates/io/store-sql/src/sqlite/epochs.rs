//! Epochs in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
use gatehouse_store::epoch::{Begun, Ended, Epoch, EpochRepository};
use gatehouse_store::error::StoreError;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::statement::{all, execute, first};

#[async_trait]
impl EpochRepository for SqliteStore {
    async fn begin(&self, issuer: &Issuer, clock: Arc<dyn Clock>) -> Result<Begun, StoreError> {
        let issuer = issuer.clone();
        self.writer.write(move |connection| begin(connection, issuer, clock.as_ref())).await
    }

    async fn current(&self) -> Result<Vec<Epoch>, StoreError> {
        const SQL: &str = "SELECT issuer, max(began_at) FROM epochs GROUP BY issuer";
        self.readers
            .read(|connection| {
                all(connection, SQL, [], |row| {
                    let (issuer, began_at): (String, i64) = (row.get(0)?, row.get(1)?);
                    Ok(Epoch { issuer: Issuer::new(issuer), began_at: Timestamp::from_unix_nanos(began_at) })
                })
            })
            .await
    }
}

/// Begins an epoch in the transaction at hand.
pub(super) fn begin(connection: &Connection, issuer: Issuer, clock: &dyn Clock) -> Result<Begun, StoreError> {
    const BEGIN: &str = "INSERT INTO epochs (issuer, began_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    const IN_FORCE: &str = "SELECT max(began_at) FROM epochs WHERE issuer = ?1";
    let end = |sql| execute(connection, sql, []);
    let ended = Ended {
        grants: end("DELETE FROM grants")?,
        families: end("DELETE FROM refresh_families")?,
        sessions: end("DELETE FROM sessions")?,
        consents: end("DELETE FROM consents")?,
    };
    let epoch = Epoch::written_at(clock.now(), &issuer);
    execute(connection, BEGIN, params![issuer.as_str(), epoch.began_at.unix_nanos()])?;
    let in_force = first(connection, IN_FORCE, [issuer.as_str()], |row| row.get(0))?;
    let began_at = in_force.map_or(epoch.began_at, Timestamp::from_unix_nanos);
    Ok(Begun { epoch: Epoch { issuer, began_at }, ended })
}
