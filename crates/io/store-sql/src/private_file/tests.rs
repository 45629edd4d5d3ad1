use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

const SOMEBODY: (u32, u32) = (54_321, 54_322);
const FRIEND: (u32, u32) = (54_323, 54_324);

struct Place {
    folder: TempDir,
    former: PathBuf,
    new: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (former, new) = (folder.path().join("former"), folder.path().join("new"));
        Self { folder, former, new }
    }

    /// Gives the folder, and what is in it, to others; only root can.
    fn give_away(&self) -> bool {
        let given = chown(self.folder.path(), Some(SOMEBODY.0), Some(SOMEBODY.1)).is_ok();
        if given && self.former.exists() {
            chown(&self.former, Some(FRIEND.0), Some(FRIEND.1)).unwrap();
        }
        given
    }
}

#[test]
fn a_new_file_is_for_its_owner_only_and_takes_no_place() {
    let place = Place::new();
    create_in_place_of(&place.new, &place.former).unwrap();
    assert_eq!(fs::metadata(&place.new).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&place.new, "mine").unwrap();
    let error = create_in_place_of(&place.new, &place.former).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&place.new).unwrap(), "mine");
}

#[test]
fn what_root_makes_belongs_to_whom_the_former_file_belongs_to() {
    let place = Place::new();
    fs::write(&place.former, "").unwrap();
    let expected = if place.give_away() { FRIEND } else { owner(&place.former).unwrap() };
    create_in_place_of(&place.new, &place.former).unwrap();
    assert_eq!(owner(&place.new).unwrap(), expected);
}

#[test]
fn what_root_makes_where_nothing_was_belongs_to_whom_the_folder_belongs_to() {
    let place = Place::new();
    let expected = if place.give_away() { SOMEBODY } else { owner(place.folder.path()).unwrap() };
    create_in_place_of(&place.new, &place.former).unwrap();
    assert_eq!(owner(&place.new).unwrap(), expected);
}

#[test]
fn a_file_that_cannot_be_given_away_is_refused_with_the_owner_that_was_expected() {
    /// `O_PATH` of Linux: what is opened so can be looked at, and not even root can change it.
    const PATH_ONLY: i32 = 0o10_000_000;
    let place = Place::new();
    create(&place.new).unwrap();
    let file = OpenOptions::new().read(true).custom_flags(PATH_ONLY).open(&place.new).unwrap();
    let error = give(&file, SOMEBODY, Path::new("gatehouse.db")).unwrap_err().to_string();
    assert!(error.contains("user 54321 and group 54322, as gatehouse.db does"), "{error}");
    give(&file, owner(&place.new).unwrap(), Path::new("gatehouse.db")).unwrap();
}
