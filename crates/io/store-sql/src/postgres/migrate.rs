//! Applies migrations to PostgreSQL, each in one transaction behind an advisory lock that other nodes wait for.

use std::time::Duration;

use gatehouse_store::error::StoreError;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::time;

use super::failure::{is_lock_timeout, store_error};
use crate::migration::{self, Applied, Migration};
use crate::schema::{Migrate, Plan};

/// "gatehous" as a number: the lock of this product's migrations within a database.
const LOCK: i64 = 0x6761_7465_686f_7573;

/// Another node may build an index over a large table; that is waited for.
const WAIT_FOR_OTHERS: [&str; 2] = ["SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0"];

/// A statement that waits for a table stops everybody who wants the table after it, so it soon gives up and comes back.
const WAIT_FOR_TABLES: &str = "SET LOCAL lock_timeout = '2s'";

/// How often a migration comes back for its locks, and how long it leaves the others to their work meanwhile.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

const REGISTER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    number      BIGINT      NOT NULL PRIMARY KEY,
    name        TEXT        NOT NULL,
    checksum    TEXT        NOT NULL,
    applied_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    min_reader  BIGINT
)";

/// Registers from before programs could share a database lack the column.
const MIN_READER: &str = "ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS min_reader BIGINT";

/// How one attempt ended.
enum Step {
    Applied(&'static Migration),
    Nothing,
    /// Others hold a table.
    Blocked(&'static Migration),
}

/// Brings the schema up to date. A migration that fails leaves the database as the one before it did; a database that
/// lacks nothing is not written to.
pub(super) async fn run(pool: &PgPool, migrate: Migrate) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await.map_err(|error| store_error(&error))?;
    let plan = plan(&mut connection).await?;
    if plan.is_done(migrate)? {
        return Ok(());
    }
    let mut blocked = 0;
    loop {
        match step(&mut connection).await? {
            Step::Nothing => return Ok(()),
            Step::Applied(migration) => {
                if !plan.is_of_a_new_database() {
                    migration.log();
                }
                blocked = 0;
            }
            Step::Blocked(migration) => {
                blocked += 1;
                if blocked == ATTEMPTS {
                    let reason = format!("others held its tables at each of {ATTEMPTS} attempts");
                    return Err(migration.failed(&reason).into());
                }
                tracing::warn!(
                    migration.number = migration.number,
                    "a migration waits for tables that others hold"
                );
                time::sleep(PAUSE).await;
            }
        }
    }
}

/// What would be applied.
pub(super) async fn plan(connection: &mut PgConnection) -> Result<Plan, StoreError> {
    // One transaction, so that a pooler keeps us at one server.
    let mut transaction = connection.begin().await.map_err(|error| store_error(&error))?;
    let applied = applied(&mut transaction).await.map_err(|error| store_error(&error))?;
    transaction.rollback().await.map_err(|error| store_error(&error))?;
    Ok(Plan::of(migration::POSTGRES, &applied)?)
}

/// Applies the first migration that is missing.
async fn step(connection: &mut PgConnection) -> Result<Step, StoreError> {
    let refused = |error: sqlx::Error| store_error(&error);
    let mut transaction = connection.begin().await.map_err(refused)?;
    for limit in WAIT_FOR_OTHERS {
        sqlx::raw_sql(limit).execute(&mut *transaction).await.map_err(refused)?;
    }
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").persistent(false).bind(LOCK);
    lock.execute(&mut *transaction).await.map_err(refused)?;
    // Another node may have been first.
    let applied = applied(&mut transaction).await.map_err(refused)?;
    let Some(&next) = migration::pending(migration::POSTGRES, &applied)?.first() else {
        return Ok(Step::Nothing);
    };
    match apply(&mut transaction, next).await {
        Ok(()) => {}
        Err(error) if is_lock_timeout(&error) => {
            transaction.rollback().await.map_err(refused)?;
            return Ok(Step::Blocked(next));
        }
        Err(error) => return Err(next.failed(&error).into()),
    }
    transaction.commit().await.map_err(refused)?;
    Ok(Step::Applied(next))
}

/// What has been applied: nothing where there is no register.
async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>, sqlx::Error> {
    // From the catalog itself: what a session has cached of names is not refreshed while it waits for a lock.
    let registered = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'schema_migrations' AND pg_table_is_visible(oid))",
    );
    if !registered.persistent(false).fetch_one(&mut *connection).await? {
        return Ok(Vec::new());
    }
    // As JSON, a row has the column or has it not.
    let rows = sqlx::query_as(
        "SELECT number, name, checksum, (to_jsonb(row) ->> 'min_reader')::bigint
         FROM schema_migrations AS row ORDER BY number",
    );
    let rows: Vec<(i64, String, String, Option<i64>)> = rows.persistent(false).fetch_all(connection).await?;
    let applied = rows.into_iter().map(|(number, name, checksum, min_reader)| Applied {
        number,
        name,
        checksum,
        min_reader,
    });
    Ok(applied.collect())
}

async fn apply(connection: &mut PgConnection, migration: &Migration) -> Result<(), sqlx::Error> {
    for sql in [WAIT_FOR_TABLES, REGISTER, MIN_READER] {
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
    }
    sqlx::raw_sql(AssertSqlSafe(migration.sql)).execute(&mut *connection).await?;
    let insert = sqlx::query(
        "INSERT INTO schema_migrations (number, name, checksum, min_reader) VALUES ($1, $2, $3, $4)",
    );
    let insert = insert.persistent(false).bind(migration.number).bind(migration.name);
    insert.bind(migration.checksum()).bind(migration.min_reader).execute(connection).await.map(|_| ())
}
