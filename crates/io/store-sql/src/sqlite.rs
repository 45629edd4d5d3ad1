//! The embedded store: one SQLite file in WAL mode, one writer thread, a few readers.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use gatehouse_store::error::StoreError;
use rusqlite::{Connection, OpenFlags};

use self::reader::Readers;
use self::writer::Writer;
use crate::migration;
use crate::private_file::{self, parent};
use crate::schema::{Migrate, Plan};

mod audit_heads;
pub mod backup;
mod consents;
mod epochs;
mod failure;
mod grants;
mod maintenance;
mod migrate;
mod one_time;
mod reader;
mod refresh_families;
mod revocations;
mod sessions;
mod signing_keys;
mod statement;
mod writer;

/// How long to wait for another process, such as an operator's command, to finish its write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The embedded store. Dropping it waits for the writes that are queued.
pub struct SqliteStore {
    // Closed before the writer: whoever closes last folds the log into the file, and readers may not.
    readers: Readers,
    writer: Writer,
}

/// Opens the database at `path`, creating it readable by its owner only, and brings its schema up to date.
///
/// Blocks for as long as migrations take. A write is acknowledged after its commit is synced to disk.
pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    open_with(path, Migrate::Auto)
}

/// Opens the database at `path` like [`open`], and does about its schema what `migrate` says.
pub fn open_with(path: &Path, migrate: Migrate) -> Result<SqliteStore, StoreError> {
    create_private(path).map_err(|error| refused(path, &error))?;
    let place = place(path).map_err(|error| refused(path, &error))?;
    let mut connection =
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| refused(path, &error))?;
    wait_for_restore(&connection, path, place)?;
    prepare_file(&connection, path, place)?;
    migrate::run(&mut connection, migrate)?;
    let readers = (0..reader::CONNECTIONS)
        .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(path, &error))?;
    let writer = Writer::start(connection).map_err(|error| refused(path, &error))?;
    Ok(SqliteStore { readers: Readers::new(readers), writer })
}

/// What opening the database at `path` would do to its schema; a file that does not exist is not made.
pub fn plan(path: &Path) -> Result<Plan, StoreError> {
    if !path.exists() {
        return Ok(Plan::of(migration::SQLITE, &[])?);
    }
    let connection =
        connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| refused(path, &error))?;
    migrate::plan(&connection)
}

/// Makes the file before SQLite sees it; its WAL and shared-memory files take over its mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    match private_file::create(path) {
        Ok(file) => {
            file.sync_all()?;
            File::open(parent(path))?.sync_all()
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits while another process puts a copy in the place of the database, and refuses the file that was there before.
fn wait_for_restore(connection: &Connection, path: &Path, opened: (u64, u64)) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| refused(path, &error))?;
    let found = refuse_replaced(path, opened);
    connection.execute_batch("COMMIT").map_err(|error| refused(path, &error))?;
    found
}

/// Whether the file of that name is still the one that was opened.
fn refuse_replaced(path: &Path, opened: (u64, u64)) -> Result<(), StoreError> {
    if place(path).is_ok_and(|now| now == opened) {
        return Ok(());
    }
    Err(refused(path, &"the file was replaced while it was being opened; start again"))
}

/// Which file it is, whatever its name.
fn place(path: &Path) -> std::io::Result<(u64, u64)> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// WAL for readers that never wait, FULL so that every commit is synced before it is acknowledged: with NORMAL a
/// power cut could bring a redeemed code back. Once WAL is in use our connection keeps a restore away; one that passed
/// before has put another file in the place of `opened`.
fn prepare_file(connection: &Connection, path: &Path, opened: (u64, u64)) -> Result<(), StoreError> {
    let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
    wait_for_restore(connection, path, opened)?;
    let mode = mode.map_err(|error| refused(path, &error))?;
    if mode != "wal" {
        return Err(refused(
            path,
            &format!("journal mode is `{mode}`, expected `wal`: keep the file on a local disk"),
        ));
    }
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA secure_delete = ON;")
        .map_err(|error| refused(path, &error))
}

fn refused(path: &Path, reason: &impl ToString) -> StoreError {
    StoreError::Open { store: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
