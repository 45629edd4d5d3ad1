//! Applies migrations to SQLite, each in one transaction that keeps other processes out.

use gatehouse_store::error::{MigrationError, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::failure::store_error;
use crate::migration::{self, Applied, Migration};
use crate::schema::{Migrate, Plan};

const REGISTER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    number      INTEGER NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    checksum    TEXT    NOT NULL,
    applied_at  TEXT    NOT NULL DEFAULT (datetime('now')),
    min_reader  INTEGER
) STRICT";

/// Brings the schema up to date. A migration that fails leaves the database as the one before it did; a database that
/// lacks nothing is not written to.
pub(super) fn run(connection: &mut Connection, migrate: Migrate) -> Result<(), StoreError> {
    let plan = plan(connection)?;
    if plan.is_done(migrate)? {
        return Ok(());
    }
    while let Some(applied) = step(connection)? {
        if !plan.is_of_a_new_database() {
            applied.log();
        }
    }
    Ok(())
}

/// What would be applied.
pub(super) fn plan(connection: &Connection) -> Result<Plan, StoreError> {
    let applied = applied(connection).map_err(|error| store_error(&error))?;
    Ok(Plan::of(migration::SQLITE, &applied)?)
}

/// Whether Gatehouse made this database; an error when this program cannot go on from where it stands.
pub(super) fn is_ours(connection: &Connection) -> Result<bool, StoreError> {
    let applied = applied(connection).map_err(|error| store_error(&error))?;
    migration::pending(migration::SQLITE, &applied)?;
    Ok(!applied.is_empty())
}

/// Whether the database has no tables at all.
pub(super) fn is_blank(connection: &Connection) -> Result<bool, StoreError> {
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    Ok(tables.map_err(|error| store_error(&error))? == 0)
}

/// Applies the first migration that is missing, and tells which that was.
fn step(connection: &mut Connection) -> Result<Option<&'static Migration>, StoreError> {
    let refused = |error: rusqlite::Error| store_error(&error);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(refused)?;
    // Another process may have been first.
    let applied = applied(&transaction).map_err(refused)?;
    let Some(&next) = migration::pending(migration::SQLITE, &applied)?.first() else { return Ok(None) };
    transaction.execute_batch(REGISTER).map_err(refused)?;
    if !has_min_reader(&transaction).map_err(refused)? {
        let add = "ALTER TABLE schema_migrations ADD COLUMN min_reader INTEGER";
        transaction.execute_batch(add).map_err(refused)?;
    }
    apply(&transaction, next)?;
    transaction.commit().map_err(refused)?;
    Ok(Some(next))
}

/// What has been applied: nothing where there is no register.
fn applied(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    const REGISTERED: &str =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";
    if connection.query_row(REGISTERED, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(Vec::new());
    }
    let min_reader = if has_min_reader(connection)? { "min_reader" } else { "NULL" };
    let sql = format!("SELECT number, name, checksum, {min_reader} FROM schema_migrations ORDER BY number");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Applied { number: row.get(0)?, name: row.get(1)?, checksum: row.get(2)?, min_reader: row.get(3)? })
    })?;
    rows.collect()
}

/// Registers from before programs could share a database lack the column.
fn has_min_reader(connection: &Connection) -> rusqlite::Result<bool> {
    const COLUMN: &str =
        "SELECT count(*) FROM pragma_table_info('schema_migrations') WHERE name = 'min_reader'";
    Ok(connection.query_row(COLUMN, [], |row| row.get::<_, i64>(0))? > 0)
}

fn apply(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), MigrationError> {
    transaction.execute_batch(migration.sql).map_err(|error| migration.failed(&error))?;
    transaction
        .execute(
            "INSERT INTO schema_migrations (number, name, checksum, min_reader) VALUES (?1, ?2, ?3, ?4)",
            params![migration.number, migration.name, migration.checksum(), migration.min_reader],
        )
        .map(|_| ())
        .map_err(|error| migration.failed(&error))
}
