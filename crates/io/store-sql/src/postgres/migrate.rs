//! Applies migrations to PostgreSQL, all in one transaction behind an advisory lock that other nodes wait for.

use gatehouse_store::error::{MigrationError, StoreError};
use sqlx::postgres::{PgPool, Postgres};
use sqlx::{AssertSqlSafe, Transaction};

use super::store_error;
use crate::migration::{self, Applied, Migration};

/// "gatehous" as a number: the lock of this product's migrations within a database.
const LOCK: i64 = 0x6761_7465_686f_7573;

const REGISTER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    number      BIGINT      NOT NULL PRIMARY KEY,
    name        TEXT        NOT NULL,
    checksum    TEXT        NOT NULL,
    applied_at  TIMESTAMPTZ NOT NULL DEFAULT now()
)";

/// Brings the schema up to date or leaves the database untouched.
pub(super) async fn run(pool: &PgPool) -> Result<(), StoreError> {
    let refused = |error: sqlx::Error| store_error(&error);
    let mut transaction = pool.begin().await.map_err(refused)?;
    // Building an index over a large table, or waiting for another node that does, may take its time.
    for limit in ["SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0"] {
        sqlx::query(limit).execute(&mut *transaction).await.map_err(refused)?;
    }
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(refused)?;
    sqlx::query(REGISTER).execute(&mut *transaction).await.map_err(refused)?;
    let applied = applied(&mut transaction).await.map_err(refused)?;
    for migration in migration::pending(migration::POSTGRES, &applied)? {
        apply(&mut transaction, migration).await?;
    }
    transaction.commit().await.map_err(refused)
}

async fn applied(transaction: &mut Transaction<'_, Postgres>) -> Result<Vec<Applied>, sqlx::Error> {
    let rows: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT number, name, checksum FROM schema_migrations ORDER BY number")
            .fetch_all(&mut **transaction)
            .await?;
    Ok(rows.into_iter().map(|(number, name, checksum)| Applied { number, name, checksum }).collect())
}

async fn apply(
    transaction: &mut Transaction<'_, Postgres>,
    migration: &Migration,
) -> Result<(), MigrationError> {
    sqlx::raw_sql(AssertSqlSafe(migration.sql))
        .execute(&mut **transaction)
        .await
        .map_err(|error| migration.failed(&error))?;
    sqlx::query("INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)")
        .bind(migration.number)
        .bind(migration.name)
        .bind(migration.checksum())
        .execute(&mut **transaction)
        .await
        .map(|_| ())
        .map_err(|error| migration.failed(&error))
}
