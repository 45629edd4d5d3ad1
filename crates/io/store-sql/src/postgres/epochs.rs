//! Epochs in PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
use gatehouse_store::epoch::{Begun, Ended, Epoch, EpochRepository};
use gatehouse_store::error::StoreError;
use sqlx::{Postgres, Transaction};

use super::{PostgresStore, store_error};

/// What has to happen first: emptying large tables takes its time, and what other nodes write at this moment must come
/// before or after all of it.
const PREPARE: [&str; 2] = [
    "SET LOCAL statement_timeout = 0",
    "LOCK TABLE grants, refresh_families, sessions, consents IN EXCLUSIVE MODE",
];

#[async_trait]
impl EpochRepository for PostgresStore {
    async fn begin(&self, issuer: &Issuer, clock: Arc<dyn Clock>) -> Result<Begun, StoreError> {
        let refused = |error: sqlx::Error| store_error(&error);
        let mut transaction = self.pool.begin().await.map_err(refused)?;
        for sql in PREPARE {
            end(&mut transaction, sql).await.map_err(refused)?;
        }
        let ended = Ended {
            grants: end(&mut transaction, "DELETE FROM grants").await.map_err(refused)?,
            families: end(&mut transaction, "DELETE FROM refresh_families").await.map_err(refused)?,
            sessions: end(&mut transaction, "DELETE FROM sessions").await.map_err(refused)?,
            consents: end(&mut transaction, "DELETE FROM consents").await.map_err(refused)?,
        };
        let epoch = Epoch::written_at(clock.now(), issuer);
        sqlx::query("INSERT INTO epochs (issuer, began_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .persistent(false)
            .bind(epoch.issuer.as_str())
            .bind(epoch.began_at.unix_nanos())
            .execute(&mut *transaction)
            .await
            .map_err(refused)?;
        // Whatever the store has lost ends with this.
        end(&mut transaction, "UPDATE revocation_feed SET went_back_at = NULL").await.map_err(refused)?;
        let in_force: i64 = sqlx::query_scalar("SELECT max(began_at) FROM epochs WHERE issuer = $1")
            .persistent(false)
            .bind(issuer.as_str())
            .fetch_one(&mut *transaction)
            .await
            .map_err(refused)?;
        transaction.commit().await.map_err(refused)?;
        let began_at = Timestamp::from_unix_nanos(in_force);
        Ok(Begun { epoch: Epoch { began_at, ..epoch }, ended })
    }

    async fn current(&self) -> Result<Vec<Epoch>, StoreError> {
        const SQL: &str = "SELECT issuer, max(began_at) FROM epochs GROUP BY issuer";
        let rows: Vec<(String, i64)> = self.regardless().all(|| sqlx::query_as(SQL)).await?;
        let epochs = rows.into_iter().map(|(issuer, began_at)| Epoch {
            issuer: Issuer::new(issuer),
            began_at: Timestamp::from_unix_nanos(began_at),
        });
        Ok(epochs.collect())
    }
}

async fn end(transaction: &mut Transaction<'_, Postgres>, sql: &'static str) -> Result<u64, sqlx::Error> {
    sqlx::query(sql).persistent(false).execute(&mut **transaction).await.map(|done| done.rows_affected())
}
