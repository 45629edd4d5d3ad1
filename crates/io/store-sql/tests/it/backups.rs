//! SQLite: a copy of a store in use, and the way back.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use gatehouse_store::Store as _;
use gatehouse_store::conformance::{Redeemable, Scene};
use gatehouse_store::epoch::Epoch;
use gatehouse_store_sql::sqlite::backup::{BackupError, Restored, backup, require, restore};
use gatehouse_store_sql::sqlite::{self, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::random::{KernelRng, NOW, Still};

struct Place {
    folder: TempDir,
    store: PathBuf,
    copy: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, copy) = (folder.path().join("gatehouse.db"), folder.path().join("copy.db"));
        Self { folder, store, copy }
    }

    fn open(&self) -> SqliteStore {
        sqlite::open(&self.store).unwrap()
    }

    fn restore(&self) -> Result<Restored, BackupError> {
        restore(&self.copy, &self.store, &issuer(), &LATER)
    }

    /// The names of all files, in order.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn issuer() -> Issuer {
    Issuer::new("https://gw.example.com")
}

/// When all restores are made.
const LATER: Still = Still(Timestamp::from_unix_seconds(NOW.unix_seconds() + 60));

fn epoch() -> Epoch {
    Epoch::written_at(LATER.0, &issuer())
}

/// A code that waits.
async fn grant(store: &SqliteStore) -> Redeemable {
    let scene = Scene { store, other_node: store, rng: &KernelRng, now: NOW };
    scene.redeemable("client", "ada").await.unwrap()
}

async fn knows(store: &SqliteStore, grant: &Redeemable) -> bool {
    store.grants().find(&grant.active.id, NOW).await.unwrap().is_some()
}

/// Why `file` was refused: as the store if it is one.
#[track_caller]
fn reason<T, E: ToString>(refused: Result<T, E>, file: &Path) -> String {
    let said = refused.err().expect("it should have been refused").to_string();
    let kind = if file.ends_with("gatehouse.db") { "cannot open the store " } else { "" };
    said.strip_prefix(&format!("{kind}{}: ", file.display())).expect(&said).to_owned()
}

#[tokio::test]
async fn a_copy_is_of_one_moment_while_the_store_goes_on() {
    let place = Place::new();
    let store = place.open();
    let before = grant(&store).await;
    backup(&place.store, &place.copy).unwrap();
    assert_eq!(fs::metadata(&place.copy).unwrap().permissions().mode() & 0o777, 0o600);
    let after = grant(&store).await;
    let copied = sqlite::open(&place.copy).unwrap();
    assert!(knows(&copied, &before).await);
    assert!(!knows(&copied, &after).await);
    assert!(knows(&store, &after).await);
}

#[tokio::test]
async fn a_copy_of_a_store_that_nobody_uses_needs_no_server() {
    let place = Place::new();
    let before = grant(&place.open()).await;
    backup(&place.store, &place.copy).unwrap();
    assert!(knows(&sqlite::open(&place.copy).unwrap(), &before).await);
}

#[tokio::test]
async fn a_copy_overwrites_nothing_and_leaves_no_half() {
    let place = Place::new();
    assert!(reason(backup(&place.store, &place.copy), &place.store).contains("unable to open"));
    assert!(place.files().is_empty(), "{:?}", place.files());
    fs::write(&place.copy, "mine").unwrap();
    drop(place.open());
    assert!(reason(backup(&place.store, &place.copy), &place.copy).contains("not overwritten"));
    assert_eq!(fs::read_to_string(&place.copy).unwrap(), "mine");
    let elsewhere = place.folder.path().join("absent/copy.db");
    reason(backup(&place.store, &elsewhere), &elsewhere);
    fs::write(&place.store, "listen: 0.0.0.0:9420\n".repeat(500)).unwrap();
    let other = place.folder.path().join("other.db");
    assert!(reason(backup(&place.store, &other), &place.store).contains("not a database"));
    assert!(!other.exists());
}

#[tokio::test]
async fn what_is_put_back_is_the_copy_in_a_new_epoch() {
    let place = Place::new();
    let store = place.open();
    let before = grant(&store).await;
    backup(&place.store, &place.copy).unwrap();
    let after = grant(&store).await;
    drop(store);
    let bytes = fs::read(&place.copy).unwrap();
    let restored = place.restore().unwrap();
    assert_eq!((restored.begun.ended.grants, restored.begun.ended.families), (1, 0));
    assert_eq!(restored.begun.epoch, epoch());
    assert_eq!(fs::read(&place.copy).unwrap(), bytes, "the copy stays as it was");
    assert_eq!(fs::metadata(&place.store).unwrap().permissions().mode() & 0o777, 0o600);
    let [replaced] = &restored.replaced[..] else { panic!("{restored:?}") };
    let name = replaced.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(place.files(), ["copy.db", "gatehouse.db", &name]);

    let store = place.open();
    assert!(!knows(&store, &before).await && !knows(&store, &after).await);
    assert_eq!(store.epochs().current().await.unwrap(), [epoch()]);
    grant(&store).await;
    let kept = sqlite::open(replaced).unwrap();
    assert!(knows(&kept, &before).await && knows(&kept, &after).await, "nothing of the old store is lost");
}

#[tokio::test]
async fn a_store_can_be_put_back_where_there_is_none() {
    let place = Place::new();
    drop(place.open());
    fs::rename(&place.store, &place.copy).unwrap();
    assert!(place.restore().unwrap().replaced.is_empty());
    assert_eq!(place.open().epochs().current().await.unwrap(), [epoch()]);
}

/// A process died, and somebody moved the store away, but not what lies beside it.
#[tokio::test]
async fn the_log_of_a_store_that_is_gone_is_not_taken_for_one_of_the_new_store() {
    let (place, crashed) = (Place::new(), Place::new());
    let store = place.open();
    let before = grant(&store).await;
    backup(&place.store, &place.copy).unwrap();
    let last = grant(&store).await;
    let log = crashed.folder.path().join("gatehouse.db-wal");
    fs::copy(place.folder.path().join("gatehouse.db-wal"), &log).unwrap();
    fs::write(crashed.folder.path().join("gatehouse.db-shm"), "").unwrap();
    fs::write(crashed.folder.path().join("gatehouse.db-journal"), "").unwrap();
    let written = fs::read(&log).unwrap();
    assert!(!written.is_empty());

    let restored = restore(&place.copy, &crashed.store, &issuer(), &LATER).unwrap();
    let name = format!("gatehouse.db.replaced-{}", LATER.0.unix_seconds());
    let kept =
        ["-wal", "-shm", "-journal"].map(|ending| crashed.folder.path().join(format!("{name}{ending}")));
    assert_eq!(restored.replaced, kept);
    assert_eq!(fs::read(&kept[0]).unwrap(), written, "nothing of the old store is lost");
    let store = crashed.open();
    assert!(!knows(&store, &before).await && !knows(&store, &last).await);
    assert_eq!(store.epochs().current().await.unwrap(), [epoch()]);
    grant(&store).await;
}

#[tokio::test]
async fn what_a_killed_restore_left_is_in_nobodys_way() {
    let place = Place::new();
    drop(place.open());
    backup(&place.store, &place.copy).unwrap();
    for ending in ["", "-wal", "-journal"] {
        fs::write(place.folder.path().join(format!("gatehouse.db.restoring{ending}")), "half").unwrap();
    }
    let restored = place.restore().unwrap();
    let name = restored.replaced[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(place.files(), ["copy.db", "gatehouse.db", &name]);
}

#[tokio::test]
async fn writes_that_a_dead_process_left_in_its_log_are_kept_with_the_old_store() {
    let place = Place::new();
    let store = place.open();
    backup(&place.store, &place.copy).unwrap();
    let last = grant(&store).await;
    // As after a crash: the log lies there, and nobody has it open.
    let crashed = Place::new();
    for ending in ["", "-wal"] {
        let name = format!("gatehouse.db{ending}");
        fs::copy(place.folder.path().join(&name), crashed.folder.path().join(&name)).unwrap();
    }
    let restored = restore(&place.copy, &crashed.store, &issuer(), &LATER).unwrap();
    assert!(knows(&sqlite::open(&restored.replaced[0]).unwrap(), &last).await);
    assert!(!knows(&crashed.open(), &last).await);
}

#[tokio::test]
async fn a_store_in_use_is_not_replaced() {
    let place = Place::new();
    let store = place.open();
    backup(&place.store, &place.copy).unwrap();
    let held = grant(&store).await;
    assert!(reason(place.restore(), &place.store).contains("stop the gateway first"));
    assert!(knows(&store, &held).await);
    grant(&store).await;
    assert!(!place.files().iter().any(|name| name.contains("restoring") || name.contains("replaced")));
}

#[tokio::test]
async fn what_is_no_sound_copy_of_a_store_is_refused_and_nothing_is_touched() {
    let place = Place::new();
    let held = grant(&place.open()).await;
    let refused = |prepare: &dyn Fn(&Path), why: &str| {
        drop(fs::remove_file(&place.copy));
        prepare(&place.copy);
        let said = reason(place.restore(), &place.copy);
        assert!(said.contains(why), "expected {why:?} in {said:?}");
    };
    let alter = |path: &Path, sql: &str| Connection::open(path).unwrap().execute_batch(sql).unwrap();
    refused(&|_| (), "No such file");
    refused(&|copy| fs::write(copy, "apps: []\n".repeat(500)).unwrap(), "not a database");
    refused(&|copy| fs::write(copy, "").unwrap(), "the file is empty");
    refused(&|copy| alter(copy, "CREATE TABLE notes (text)"), "no store of Gatehouse");
    refused(&|copy| fs::hard_link(&place.store, copy).unwrap(), "the store itself");
    // Without an end, or with nobody at the other one.
    refused(&|copy| symlink("/dev/zero", copy).unwrap(), "expected a regular file");
    refused(&|copy| drop(UnixListener::bind(copy).unwrap()), "expected a regular file");
    let newer = "INSERT INTO schema_migrations (number, name, checksum) VALUES (9, 'devices', 'ff')";
    refused(
        &|copy| {
            backup(&place.store, copy).unwrap();
            alter(copy, newer);
        },
        "migration 9 `devices`",
    );
    refused(
        &|copy| {
            backup(&place.store, copy).unwrap();
            let mut bytes = fs::read(copy).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle..middle + 4096].fill(0x5a);
            fs::write(copy, bytes).unwrap();
        },
        "",
    );
    assert_eq!(place.files(), ["copy.db", "gatehouse.db"]);
    assert!(knows(&place.open(), &held).await);
}

#[tokio::test]
async fn a_copy_of_an_older_program_is_brought_up_to_date() {
    let place = Place::new();
    drop(place.open());
    backup(&place.store, &place.copy).unwrap();
    let older = "DROP TABLE epochs; DROP TABLE audit_heads; DELETE FROM schema_migrations WHERE number > 1";
    Connection::open(&place.copy).unwrap().execute_batch(older).unwrap();
    place.restore().unwrap();
    assert_eq!(place.open().epochs().current().await.unwrap(), [epoch()]);
}

/// `cp` of a database in use misses what is in its log.
#[tokio::test]
async fn a_database_in_use_is_no_copy() {
    let (place, other) = (Place::new(), Place::new());
    let store = place.open();
    grant(&store).await;
    let said = restore(&place.store, &other.store, &issuer(), &LATER).unwrap_err().to_string();
    assert!(said.contains("in use") && said.contains("gatehouse backup"), "{said}");
    fs::copy(&place.store, &place.copy).unwrap();
    let said = reason(restore(&place.copy, &other.store, &issuer(), &LATER), &place.copy);
    assert!(said.contains("a plain copy of one in use") && said.contains("gatehouse backup"), "{said}");
}

#[tokio::test]
async fn a_store_that_was_closed_is_one_file() {
    let place = Place::new();
    let store = place.open();
    let held = grant(&store).await;
    assert!(knows(&store, &held).await);
    drop(store);
    assert_eq!(place.files(), ["gatehouse.db"]);
    fs::copy(&place.store, &place.copy).unwrap();
    assert_eq!(place.restore().unwrap().begun.ended.grants, 1);
}

#[tokio::test]
async fn what_is_put_back_belongs_to_whom_the_store_belongs_to() {
    let place = Place::new();
    drop(place.open());
    backup(&place.store, &place.copy).unwrap();
    // Only root can give it away; for others all files are their own.
    drop(chown(&place.store, Some(54_321), Some(54_322)));
    let owner = |path: &Path| fs::metadata(path).map(|found| (found.uid(), found.gid())).unwrap();
    let before = owner(&place.store);
    let restored = place.restore().unwrap();
    assert_eq!((owner(&place.store), owner(&restored.replaced[0])), (before, before));
    // So do the files that come and go with it.
    let store = place.open();
    grant(&store).await;
    assert_eq!(owner(&place.folder.path().join("gatehouse.db-wal")), before);
}

#[tokio::test]
async fn what_is_required_is_a_store_of_ours() {
    let place = Place::new();
    assert_eq!(reason(require(&place.store), &place.store), "nothing is there");
    assert!(place.files().is_empty(), "{:?}", place.files());
    fs::write(&place.store, "").unwrap();
    assert!(reason(require(&place.store), &place.store).contains("the file is empty"));
    fs::write(&place.store, "apps: []\n".repeat(500)).unwrap();
    assert!(reason(require(&place.store), &place.store).contains("not a database"));
    fs::remove_file(&place.store).unwrap();
    let store = place.open();
    require(&place.store).unwrap();
    drop(store);
    require(&place.store).unwrap();
}
