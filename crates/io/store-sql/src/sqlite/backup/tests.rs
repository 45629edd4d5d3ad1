use std::path::PathBuf;

use tempfile::TempDir;

use super::super::open;
use super::*;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("gatehouse.db");
    drop(open(&store).unwrap());
    (folder, store)
}

#[test]
fn a_process_that_begins_with_the_store_just_before_it_is_locked_is_noticed() {
    let (_folder, store) = place();
    let ours = lock_out_others(&store).unwrap().unwrap();
    ours.execute_batch("ROLLBACK").unwrap();
    let theirs = open(&store).unwrap();
    let refusal = lock(&ours, &store).unwrap_err().to_string();
    assert!(refusal.contains("stop the gateway first"), "{refusal}");
    drop(theirs);
}

#[test]
fn nobody_begins_with_a_store_that_is_locked() {
    let (_folder, store) = place();
    let ours = lock_out_others(&store).unwrap();
    let refusal = open(&store).err().unwrap().to_string();
    assert!(refusal.contains("locked"), "{refusal}");
    drop(ours);
    drop(open(&store).unwrap());
}
