//! Signing keys in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::signing_key::{SigningKeyRepository, StoredSigningKey};
use gatehouse_store::transition::Transition;
use sqlx::postgres::PgConnection;

use super::PostgresStore;

use crate::row::{self, SigningKeyColumns};

#[async_trait]
impl SigningKeyRepository for PostgresStore {
    async fn all(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        let query = sqlx::query_as(
            "SELECT kid, algorithm, private_key, created_at, retired_at FROM signing_keys
             ORDER BY created_at, kid",
        );
        let rows: Vec<SigningKeyColumns> = self.bounded(query.fetch_all(&self.pool)).await?;
        rows.into_iter().map(row::signing_key).collect()
    }

    async fn insert_if_none_of(&self, key: &StoredSigningKey) -> Result<StoredSigningKey, StoreError> {
        let standing: Option<SigningKeyColumns> = self
            .bounded(async {
                let mut connection = self.pool.acquire().await?;
                // Waits for a concurrent insert of the same algorithm, so the winner's row is there to be read.
                insert(&mut connection, key).await?;
                sqlx::query_as(
                    "SELECT kid, algorithm, private_key, created_at, retired_at FROM signing_keys
                 WHERE algorithm = $1 AND retired_at IS NULL",
                )
                .bind(key.algorithm.as_str())
                .fetch_optional(&mut *connection)
                .await
            })
            .await?;
        standing.map(row::signing_key).transpose()?.ok_or_else(|| StoreError::Refused {
            reason: format!("the key id `{}` belongs to a retired key", key.kid),
        })
    }

    async fn replace(
        &self,
        current: &str,
        next: &StoredSigningKey,
        at: Timestamp,
    ) -> Result<Transition, StoreError> {
        let retire = sqlx::query(
            "UPDATE signing_keys SET retired_at = $3 WHERE kid = $1 AND algorithm = $2 AND retired_at IS NULL",
        )
        .bind(current)
        .bind(next.algorithm.as_str())
        .bind(at.unix_nanos());
        let replaced = self
            .bounded(async {
                let mut transaction = self.pool.begin().await?;
                let done = retire.execute(&mut *transaction).await?;
                let transition = Transition::from_rows(done.rows_affected());
                if transition.is_won() && insert(&mut transaction, next).await? == 0 {
                    transaction.rollback().await?;
                    return Ok(None);
                }
                transaction.commit().await?;
                Ok(Some(transition))
            })
            .await?;
        replaced.ok_or_else(|| StoreError::Refused { reason: format!("the key id `{}` is taken", next.kid) })
    }

    async fn remove_retired(&self, kid: &str) -> Result<Transition, StoreError> {
        let delete =
            sqlx::query("DELETE FROM signing_keys WHERE kid = $1 AND retired_at IS NOT NULL").bind(kid);
        let done = self.bounded(delete.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }
}

/// Inserts the key unless one of its algorithm signs already; returns how many rows that made.
async fn insert(connection: &mut PgConnection, key: &StoredSigningKey) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO signing_keys (kid, algorithm, private_key, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(&key.kid)
    .bind(key.algorithm.as_str())
    .bind(key.private_key.expose())
    .bind(key.created_at.unix_nanos())
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
