//! SQLite: the suite, the file, refused databases.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_store::Store;
use gatehouse_store::conformance::{self, Backend, Scene};
use gatehouse_store::error::{MigrationError, StoreError};
use gatehouse_store_sql::sqlite;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::races;
use crate::random::{KernelRng, NOW};

struct FileBackend(PathBuf);

#[async_trait]
impl Backend for FileBackend {
    async fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(sqlite::open(&self.0)?))
    }
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatehouse.db");
    (folder, path)
}

fn alter(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn refusal(path: &Path) -> StoreError {
    sqlite::open(path).err().expect("the database should have been refused")
}

#[tokio::test]
async fn conforms() {
    let (_folder, path) = place();
    conformance::run(&FileBackend(path), &KernelRng, NOW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redeems_each_code_once_from_64_tasks() {
    let (_folder, path) = place();
    let one: Arc<dyn Store> = Arc::new(sqlite::open(&path).unwrap());
    let other: Arc<dyn Store> = Arc::new(sqlite::open(&path).unwrap());
    races::redeem_each_code_once(one, other, 20).await;
}

#[tokio::test]
async fn its_files_are_for_the_owner_only() {
    let (folder, path) = place();
    let store = sqlite::open(&path).unwrap();
    store.maintenance().sweep(NOW).await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    assert!(names.iter().any(|name| name == "gatehouse.db-wal"), "{names:?}");
}

#[test]
fn a_newer_database_is_refused_by_name_and_left_alone() {
    let (_folder, path) = place();
    drop(sqlite::open(&path).unwrap());
    alter(&path, "INSERT INTO schema_migrations (number, name, checksum) VALUES (7, 'devices', 'ff')");
    let error = refusal(&path);
    let expected = MigrationError::Newer { number: 7, name: "devices".into(), known: 2 };
    assert!(matches!(&error, StoreError::Migration(found) if *found == expected), "{error}");
    alter(&path, "DELETE FROM schema_migrations WHERE number = 7");
    drop(sqlite::open(&path).unwrap());
}

#[test]
fn a_changed_migration_is_refused_by_name() {
    let (_folder, path) = place();
    drop(sqlite::open(&path).unwrap());
    alter(&path, "UPDATE schema_migrations SET checksum = 'beef'");
    let error = refusal(&path);
    assert!(
        matches!(&error, StoreError::Migration(MigrationError::Changed { number: 1, found, .. }) if found == "beef"),
        "{error}"
    );
    assert!(error.to_string().contains("`foundation`"), "{error}");
}

#[test]
fn a_failed_migration_leaves_nothing_behind() {
    let (_folder, path) = place();
    alter(&path, "CREATE TABLE sessions (something TEXT)");
    let error = refusal(&path);
    assert!(
        matches!(&error, StoreError::Migration(MigrationError::Failed { number: 1, reason, .. })
            if reason.contains("sessions")),
        "{error}"
    );
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    let left: i64 = Connection::open(&path).unwrap().query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1);
}

#[test]
fn what_is_no_database_is_refused() {
    let (folder, path) = place();
    fs::write(&path, "listen: 0.0.0.0:9420\n".repeat(500)).unwrap();
    assert!(refusal(&path).to_string().contains("not a database"));
    let absent = folder.path().join("absent/gatehouse.db");
    let error = refusal(&absent);
    assert!(
        matches!(&error, StoreError::Open { store, .. } if store.ends_with("absent/gatehouse.db")),
        "{error}"
    );
}

#[tokio::test]
async fn an_unreadable_row_is_named_and_never_taken_for_absent() {
    let (_folder, path) = place();
    let store = sqlite::open(&path).unwrap();
    let scene = Scene { store: &store, other_node: &store, rng: &KernelRng, now: NOW };
    let redeemable = scene.redeemable("client", "ada").await.unwrap();
    alter(&path, "UPDATE grants SET body = '{\"stage\":\"active\"}'");
    let error = store.grants().find(&redeemable.active.id, NOW).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt { what: "grant", id, .. } if id == redeemable.active.id.as_str()),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_that_another_process_locks_is_unavailable() {
    let (_folder, path) = place();
    let store = sqlite::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.maintenance().sweep(NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    store.maintenance().sweep(NOW).await.unwrap();
}
