//! Epochs in SQLite.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use gatehouse_store::epoch::{Ended, Epoch, EpochRepository};
use gatehouse_store::error::StoreError;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::statement::{all, execute};

#[async_trait]
impl EpochRepository for SqliteStore {
    async fn begin(&self, epoch: &Epoch) -> Result<Ended, StoreError> {
        let epoch = epoch.clone();
        self.writer.write(move |connection| begin(connection, &epoch)).await
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

/// Begins `epoch` in the transaction at hand.
pub(super) fn begin(connection: &Connection, epoch: &Epoch) -> Result<Ended, StoreError> {
    const BEGIN: &str = "INSERT INTO epochs (issuer, began_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let end = |sql| execute(connection, sql, []);
    let ended = Ended {
        grants: end("DELETE FROM grants")?,
        families: end("DELETE FROM refresh_families")?,
        sessions: end("DELETE FROM sessions")?,
        consents: end("DELETE FROM consents")?,
    };
    execute(connection, BEGIN, params![epoch.issuer.as_str(), epoch.began_at.unix_nanos()])?;
    Ok(ended)
}
