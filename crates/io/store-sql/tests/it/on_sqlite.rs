//! SQLite: the suite, the file, refused databases.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_store::Store;
use gatehouse_store::conformance::{self, Backend, Scene};
use gatehouse_store::error::{MigrationError, StoreError};
use gatehouse_store::fingerprint::Fingerprint;
use gatehouse_store_sql::schema::Migrate;
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
fn a_newer_database_that_asks_for_newer_programs_is_refused_by_name_and_left_alone() {
    let (_folder, path) = place();
    drop(sqlite::open(&path).unwrap());
    // A register that says what it needs, and one from before programs wrote it down.
    for reader in ["7", "NULL"] {
        alter(
            &path,
            &format!(
                "INSERT INTO schema_migrations (number, name, checksum, min_reader)
                 VALUES (7, 'devices', 'ff', {reader})"
            ),
        );
        let error = refusal(&path);
        assert!(
            matches!(&error, StoreError::Migration(MigrationError::Newer { number: 7, name, .. })
                if name == "devices"),
            "{error}"
        );
        alter(&path, "DELETE FROM schema_migrations WHERE number = 7");
    }
    drop(sqlite::open(&path).unwrap());
}

#[tokio::test]
async fn a_newer_database_that_allows_this_program_conforms_and_keeps_what_is_not_ours() {
    let (_folder, path) = place();
    drop(sqlite::open(&path).unwrap());
    alter(
        &path,
        "INSERT INTO schema_migrations (number, name, checksum, min_reader) VALUES (7, 'devices', 'ff', 2);
         CREATE TABLE devices (id TEXT NOT NULL PRIMARY KEY) STRICT;
         ALTER TABLE grants ADD COLUMN device TEXT;
         ALTER TABLE refresh_families ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;",
    );
    conformance::run(&FileBackend(path.clone()), &KernelRng, NOW).await.unwrap();

    let store = sqlite::open(&path).unwrap();
    let scene = Scene { store: &store, other_node: &store, rng: &KernelRng, now: NOW };
    let redeemable = scene.redeemable("client", "ada").await.unwrap();
    let id = redeemable.active.id.as_str();
    // A newer program has written a column and a member that this one does not know.
    alter(
        &path,
        &format!(
            "UPDATE grants SET device = 'phone', body = json_set(body, '$.device', 'x') WHERE id = '{id}'"
        ),
    );
    assert!(store.grants().redeem(&redeemable.active, None, NOW).await.unwrap().is_won());
    let kept = format!("SELECT device FROM grants WHERE id = '{id}'");
    let device: String = Connection::open(&path).unwrap().query_row(&kept, [], |row| row.get(0)).unwrap();
    assert_eq!(device, "phone");
}

#[test]
fn a_register_from_before_programs_shared_a_database_is_extended() {
    let (_folder, path) = place();
    let first = sqlite::plan(&path).unwrap().missing.remove(0);
    let checksum = Fingerprint::of([first.sql]);
    alter(
        &path,
        &format!(
            "CREATE TABLE schema_migrations (number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,
                 checksum TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT (datetime('now'))) STRICT;
             INSERT INTO schema_migrations (number, name, checksum) VALUES (1, 'foundation', '{checksum}');
             {}",
            first.sql
        ),
    );
    let plan = sqlite::plan(&path).unwrap();
    assert_eq!(plan.missing.first().map(|step| (step.number, step.name)), Some((2, "epochs")));
    drop(sqlite::open(&path).unwrap());
    assert!(sqlite::plan(&path).unwrap().missing.is_empty());
    let reader = "SELECT min_reader FROM schema_migrations WHERE number = 2";
    let reader: i64 = Connection::open(&path).unwrap().query_row(reader, [], |row| row.get(0)).unwrap();
    assert_eq!(reader, 2);
}

#[test]
fn whoever_migrates_by_hand_is_told_what_is_missing() {
    let (_folder, path) = place();
    assert_eq!(sqlite::plan(&path).unwrap().missing.first().map(|step| step.number), Some(1));
    assert!(!path.exists(), "looking made a file");
    let error = sqlite::open_with(&path, Migrate::Manual).err().expect("it has no tables");
    assert!(matches!(&error, StoreError::Migration(MigrationError::Pending { number: 1, .. })), "{error}");
    assert!(error.to_string().contains("gatehouse migrate --run"), "{error}");
    drop(sqlite::open(&path).unwrap());
    drop(sqlite::open_with(&path, Migrate::Manual).unwrap());
}

#[test]
fn a_database_that_lacks_nothing_is_not_migrated_again() {
    let (_folder, path) = place();
    drop(sqlite::open(&path).unwrap());
    let register = "SELECT group_concat(number || applied_at) FROM schema_migrations";
    let read =
        || -> String { Connection::open(&path).unwrap().query_row(register, [], |row| row.get(0)).unwrap() };
    let before = read();
    drop(sqlite::open(&path).unwrap());
    assert_eq!(read(), before);
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
