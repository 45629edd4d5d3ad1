//! A copy of the store while it is in use, and the way back.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::Issuer;
use gatehouse_store::epoch::Begun;
use gatehouse_store::error::StoreError;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::failure::store_error;
use super::{connect, epochs, migrate, refused};
use crate::private_file::{self, parent};
use crate::schema::Migrate;

/// What lies beside a database that is in use, or was when its process died.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A store that was put back.
#[derive(Debug)]
pub struct Restored {
    /// Where the store lies that was there before, or what one had left behind that is gone.
    pub replaced: Vec<PathBuf>,
    /// The new epoch, and what it has ended.
    pub begun: Begun,
}

/// Why no copy was made, or none put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy, or a file on the way from it to the store.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
}

/// Refuses a `store` that is not there or not one of Gatehouse. Changes nothing, and blocks.
pub fn require(store: &Path) -> Result<(), StoreError> {
    if !store.try_exists().map_err(|error| refused(store, &error))? {
        return Err(refused(store, &"nothing is there"));
    }
    connect_to_own(store).map(drop)
}

/// Writes what is in the store at `store` at one moment to the new file `copy`, readable by its owner only. The store
/// may be in use. Blocks; returns once the copy is checked and on disk.
pub fn backup(store: &Path, copy: &Path) -> Result<(), BackupError> {
    let connection = connect_to_own(store)?;
    create_new(copy)?;
    let written = write_copy(&connection, copy);
    if written.is_err() {
        // Half a copy is worse than none; what is wrong with the folder is being told already.
        drop(fs::remove_file(copy));
    }
    written
}

/// Puts `copy` in the place of the store at `store`, which no process may be using, and begins an epoch of `issuer` in it.
/// Blocks.
///
/// Until everything is ready nothing is touched; then one rename decides. What was there before is kept beside it, and
/// the new file belongs to whom that belongs to.
pub fn restore(
    copy: &Path,
    store: &Path,
    issuer: &Issuer,
    clock: &dyn Clock,
) -> Result<Restored, BackupError> {
    refuse_unfinished(copy, store)?;
    // Held until the new file is in place: a process that starts meanwhile fails or finds the new one.
    let lock = lock_out_others(store)?;
    let staged = Staged::copy_of(copy, store)?;
    let begun = prepare(&staged.path, copy, issuer, clock)?;
    let failed = |error: io::Error| refused(store, &error);
    let replaced = keep_old(store, &format!(".replaced-{}", clock.now().unix_seconds()))?;
    fs::rename(&staged.path, store).map_err(failed)?;
    sync_folder(store).map_err(failed)?;
    drop(lock);
    Ok(Restored { replaced, begun })
}

/// Gives what is there a second name that ends in `ending`, and only that one to what belongs to a store: SQLite would
/// take a log that a store left behind for one of the new store, and bring back what is in it.
fn keep_old(store: &Path, ending: &str) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |error: io::Error| refused(store, &error);
    let kept = beside(store, ending);
    let mut replaced = Vec::new();
    if store.try_exists().map_err(failed)? {
        fs::hard_link(store, &kept).map_err(|error| refused(&kept, &error))?;
        replaced.push(kept.clone());
    }
    for companion in COMPANIONS {
        let (from, to) = (beside(store, companion), beside(&kept, companion));
        if fs::symlink_metadata(&from).is_ok() {
            fs::rename(&from, &to).map_err(|error| refused(&from, &error))?;
            replaced.push(to);
        }
    }
    // On disk before the new store is: after a power cut the one must not lie beside the other.
    sync_folder(store).map_err(failed)?;
    Ok(replaced)
}

/// A connection to the store, which has to be one that this program knows.
fn connect_to_own(store: &Path) -> Result<Connection, StoreError> {
    let connection =
        connect(store, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| refused(store, &error))?;
    check_history(&connection, store).map_err(|reason| refused(store, &reason))?;
    Ok(connection)
}

fn write_copy(connection: &Connection, copy: &Path) -> Result<(), BackupError> {
    let name = copy.to_str().ok_or_else(|| unfit(copy, &"the name of the copy has to be UTF-8"))?;
    connection.execute("VACUUM INTO ?1", [name]).map_err(|error| unfit(copy, &error))?;
    let written = connect(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| unfit(copy, &error))?;
    check_integrity(&written, copy)?;
    drop(written);
    let synced = File::open(copy).and_then(|file| file.sync_all()).and_then(|()| sync_folder(copy));
    synced.map_err(|error| unfit(copy, &error))
}

fn create_new(copy: &Path) -> Result<(), BackupError> {
    match private_file::create(copy) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(unfit(copy, &"the file exists and is not overwritten; name another"))
        }
        Err(error) => Err(unfit(copy, &error)),
    }
}

/// A finished copy is one file, and not the store itself.
fn refuse_unfinished(copy: &Path, store: &Path) -> Result<(), BackupError> {
    let found = fs::metadata(copy).map_err(|error| unfit(copy, &error))?;
    // A device or a pipe may have no end, and would fill the disk.
    if !found.is_file() {
        return Err(unfit(copy, &"expected a regular file"));
    }
    if fs::metadata(store).is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino())) {
        return Err(unfit(copy, &"this is the store itself"));
    }
    for companion in [beside(copy, "-wal"), beside(copy, "-journal")] {
        if fs::metadata(&companion).is_ok_and(|companion| companion.len() > 0) {
            let reason = format!(
                "this is a database in use, with writes in {}, and not a finished copy; make one with `gatehouse backup`",
                companion.display()
            );
            return Err(unfit(copy, &reason));
        }
    }
    Ok(())
}

/// Takes the store for ourselves and folds its write-ahead log into it; `None` when there is none yet.
fn lock_out_others(store: &Path) -> Result<Option<Connection>, StoreError> {
    if !store.try_exists().map_err(|error| refused(store, &error))? {
        return Ok(None);
    }
    let connection =
        connect(store, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| busy(&error, store))?;
    // SQLite leaves write-ahead logging only when no other connection is open, idle or not.
    if is_in_use_after(&connection, "PRAGMA journal_mode = DELETE").map_err(|error| busy(&error, store))? {
        return Err(in_use(store));
    }
    lock(&connection, store)?;
    Ok(Some(connection))
}

/// Keeps all others out of the store, if none of them has begun with it since its log was folded in.
fn lock(connection: &Connection, store: &Path) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN EXCLUSIVE").map_err(|error| busy(&error, store))?;
    // With write-ahead logging this lock would let others read, and keep their connections.
    if is_in_use_after(connection, "PRAGMA journal_mode").map_err(|error| busy(&error, store))? {
        return Err(in_use(store));
    }
    Ok(())
}

/// Whether the store has another journal than the one that is deleted after each transaction, once `sql` is done.
fn is_in_use_after(connection: &Connection, sql: &str) -> rusqlite::Result<bool> {
    let mode: String = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(mode != "delete")
}

fn busy(error: &rusqlite::Error, store: &Path) -> StoreError {
    let reason = match store_error(error) {
        StoreError::Unavailable { .. } => {
            format!("another process uses the store ({error}): stop the gateway first")
        }
        _ => format!("what is there is no store ({error}): move it and its -wal and -shm files away first"),
    };
    refused(store, &reason)
}

fn in_use(store: &Path) -> StoreError {
    refused(store, &"another process uses the store: stop the gateway first")
}

/// The copy that becomes the store, in the same folder; gone when it is dropped before.
struct Staged {
    path: PathBuf,
}

impl Staged {
    fn copy_of(copy: &Path, store: &Path) -> Result<Self, BackupError> {
        let staged = Self { path: beside(store, ".restoring") };
        staged.clear();
        let mut into = private_file::create_in_place_of(&staged.path, store)
            .map_err(|error| unfit(&staged.path, &error))?;
        let mut from = File::open(copy).map_err(|error| unfit(copy, &error))?;
        io::copy(&mut from, &mut into).map_err(|error| unfit(&staged.path, &error))?;
        Ok(staged)
    }

    fn clear(&self) {
        let companions = COMPANIONS.map(|ending| beside(&self.path, ending));
        for path in companions.iter().chain([&self.path]) {
            // Mostly there is none; one that stays is found when the file is made.
            drop(fs::remove_file(path));
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Proves that `staged` is a sound store that this program knows, brings its schema up to date, and begins an
/// epoch.
fn prepare(staged: &Path, copy: &Path, issuer: &Issuer, clock: &dyn Clock) -> Result<Begun, BackupError> {
    let failed = |error: rusqlite::Error| unfit(copy, &error);
    let mut connection = connect(staged, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    check_integrity(&connection, copy)?;
    check_history(&connection, copy).map_err(|reason| unfit(copy, &reason))?;
    // No journal and no syncs until all is done: whatever fails, this file is thrown away.
    connection.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(())).map_err(failed)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA secure_delete = ON;").map_err(failed)?;
    migrate::run(&mut connection, Migrate::Auto)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let begun = epochs::begin(&transaction, issuer.clone(), clock)?;
    transaction.commit().map_err(failed)?;
    connection.execute_batch("VACUUM").map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    File::open(staged).and_then(|file| file.sync_all()).map_err(|error| unfit(staged, &error))?;
    Ok(begun)
}

fn check_integrity(connection: &Connection, copy: &Path) -> Result<(), BackupError> {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| unfit(copy, &error))?;
    if verdict == "ok" { Ok(()) } else { Err(unfit(copy, &format!("the file is damaged: {verdict}"))) }
}

/// Why Gatehouse did not make this, or only a newer one than we are.
fn check_history(connection: &Connection, file: &Path) -> Result<(), String> {
    if migrate::is_ours(connection).map_err(|error| error.to_string())? {
        return Ok(());
    }
    let what = if fs::metadata(file).is_ok_and(|found| found.len() == 0) {
        "the file is empty, and no store of Gatehouse"
    } else if migrate::is_blank(connection).map_err(|error| error.to_string())? {
        "this is a database without tables, and no store of Gatehouse: perhaps a plain copy of one in use, whose writes \
         were not in this file yet; make a finished one with `gatehouse backup`"
    } else {
        "this is a database, but no store of Gatehouse: it has no migrations"
    };
    Err(what.to_owned())
}

fn unfit(file: &Path, reason: &impl ToString) -> BackupError {
    BackupError::File { file: file.to_owned(), reason: reason.to_string() }
}

/// `path` with more behind its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

#[cfg(test)]
mod tests;
