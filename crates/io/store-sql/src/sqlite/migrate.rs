//! Applies migrations to SQLite, all in one transaction that keeps other processes out.

use gatehouse_store::error::{MigrationError, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::failure::store_error;
use crate::migration::{self, Applied, Migration};

const REGISTER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    number      INTEGER NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    checksum    TEXT    NOT NULL,
    applied_at  TEXT    NOT NULL DEFAULT (datetime('now'))
) STRICT";

/// Brings the schema up to date or leaves the database untouched.
pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    let refused = |error: rusqlite::Error| store_error(&error);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(refused)?;
    transaction.execute_batch(REGISTER).map_err(refused)?;
    let applied = applied(&transaction).map_err(refused)?;
    for migration in migration::pending(migration::SQLITE, &applied)? {
        apply(&transaction, migration)?;
    }
    transaction.commit().map_err(refused)
}

/// Whether Gatehouse made this database; an error when this program cannot go on from where it stands.
pub(super) fn is_ours(connection: &Connection) -> Result<bool, StoreError> {
    const REGISTERED: &str =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";
    let refused = |error: rusqlite::Error| store_error(&error);
    let registered: i64 = connection.query_row(REGISTERED, [], |row| row.get(0)).map_err(refused)?;
    if registered == 0 {
        return Ok(false);
    }
    let applied = applied(connection).map_err(refused)?;
    migration::pending(migration::SQLITE, &applied)?;
    Ok(!applied.is_empty())
}

/// Whether the database has no tables at all.
pub(super) fn is_blank(connection: &Connection) -> Result<bool, StoreError> {
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    Ok(tables.map_err(|error| store_error(&error))? == 0)
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let mut statement =
        connection.prepare("SELECT number, name, checksum FROM schema_migrations ORDER BY number")?;
    let rows = statement
        .query_map([], |row| Ok(Applied { number: row.get(0)?, name: row.get(1)?, checksum: row.get(2)? }))?;
    rows.collect()
}

fn apply(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), MigrationError> {
    transaction.execute_batch(migration.sql).map_err(|error| migration.failed(&error))?;
    transaction
        .execute(
            "INSERT INTO schema_migrations (number, name, checksum) VALUES (?1, ?2, ?3)",
            params![migration.number, migration.name, migration.checksum()],
        )
        .map(|_| ())
        .map_err(|error| migration.failed(&error))
}
