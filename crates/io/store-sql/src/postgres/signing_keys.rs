//! Signing keys in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::signing_key::{SigningKeyRepository, StoredSigningKey};
use gatehouse_store::transition::Transition;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;

use super::PostgresStore;

use crate::row::{self, SigningKeyColumns};

#[async_trait]
impl SigningKeyRepository for PostgresStore {
    async fn all(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        const SQL: &str = "SELECT kid, algorithm, private_key, created_at, retired_at FROM signing_keys
             ORDER BY created_at, kid";
        let rows: Vec<SigningKeyColumns> = self.regardless().all(|| sqlx::query_as(SQL)).await?;
        rows.into_iter().map(row::signing_key).collect()
    }

    async fn insert_if_none_of(&self, key: &StoredSigningKey) -> Result<StoredSigningKey, StoreError> {
        const SQL: &str = "SELECT kid, algorithm, private_key, created_at, retired_at FROM signing_keys
             WHERE algorithm = $1 AND retired_at IS NULL";
        // Waits for a concurrent insert of the same algorithm, so the winner's row is there to be read.
        self.regardless().execute(|| insert(key)).await?;
        let query = || sqlx::query_as(SQL).bind(key.algorithm.as_str());
        let standing: Option<SigningKeyColumns> = self.regardless().optional(query).await?;
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
        const SQL: &str = "UPDATE signing_keys SET retired_at = $3 WHERE kid = $1 AND algorithm = $2 AND retired_at IS NULL";
        let operations = self.regardless();
        let work = || async {
            let mut transaction = operations.begin().await?;
            let retire = sqlx::query(SQL).bind(current).bind(next.algorithm.as_str()).bind(at.unix_nanos());
            let done = operations.stamp(retire).execute(&mut *transaction).await?;
            let transition = Transition::from_rows(done.rows_affected());
            if transition.is_won() {
                let inserted = operations.stamp(insert(next)).execute(&mut *transaction).await?;
                if inserted.rows_affected() == 0 {
                    transaction.rollback().await?;
                    return Ok(None);
                }
            }
            transaction.commit().await?;
            Ok(Some(transition))
        };
        let replaced = self.bounded(work).await?;
        replaced.ok_or_else(|| StoreError::Refused { reason: format!("the key id `{}` is taken", next.kid) })
    }

    async fn remove_retired(&self, kid: &str) -> Result<Transition, StoreError> {
        const SQL: &str = "DELETE FROM signing_keys WHERE kid = $1 AND retired_at IS NOT NULL";
        self.regardless().execute(|| sqlx::query(SQL).bind(kid)).await.map(Transition::from_rows)
    }
}

/// Inserts the key unless one of its algorithm signs already.
fn insert(key: &StoredSigningKey) -> Query<'_, Postgres, PgArguments> {
    let insert = sqlx::query(
        "INSERT INTO signing_keys (kid, algorithm, private_key, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    );
    let insert = insert.bind(&key.kid).bind(key.algorithm.as_str());
    insert.bind(key.private_key.expose()).bind(key.created_at.unix_nanos())
}
