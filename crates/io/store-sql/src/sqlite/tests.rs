use super::*;

#[test]
fn a_restore_that_passes_while_a_file_is_opened_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, restored) = (folder.path().join("gatehouse.db"), folder.path().join("restored.db"));
    create_private(&path).unwrap();
    let opened = place(&path).unwrap();
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    wait_for_restore(&connection, &path, opened).unwrap();
    create_private(&restored).unwrap();
    fs::rename(&restored, &path).unwrap();
    let refusal = prepare_file(&connection, &path, opened).unwrap_err().to_string();
    assert!(refusal.contains("was replaced"), "{refusal}");
    drop(connection);
    drop(open(&path).unwrap());
}
