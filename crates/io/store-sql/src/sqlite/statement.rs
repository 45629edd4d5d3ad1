//! Statements and their answers.

use gatehouse_store::error::StoreError;
use gatehouse_store::transition::Transition;
use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use super::failure::store_error;

/// Runs one statement and returns how many rows it changed.
pub(super) fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<u64, StoreError> {
    let changed = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params));
    changed.map(|rows| rows as u64).map_err(|error| store_error(&error))
}

/// Runs one conditional statement for one row.
pub(super) fn decide(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Transition, StoreError> {
    execute(connection, sql, params).map(Transition::from_rows)
}

/// The first row, if there is one.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let row = connection.prepare_cached(sql).and_then(|mut query| query.query_row(params, read).optional());
    row.map_err(|error| store_error(&error))
}

/// All rows.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let rows = connection.prepare_cached(sql).and_then(|mut query| query.query_map(params, read)?.collect());
    rows.map_err(|error| store_error(&error))
}
