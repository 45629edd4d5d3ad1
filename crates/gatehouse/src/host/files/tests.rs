use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::{CWD, Mode, mkfifoat};

use super::{read, read_text};

#[test]
fn a_file_is_read_up_to_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "12345").unwrap();
    assert_eq!(read(&path, 5).unwrap(), b"12345");
    let refused = read(&path, 4).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string().as_str()),
        (ErrorKind::FileTooLarge, "the file is larger than 4 bytes")
    );
    // As long as anybody likes, and nothing of it on disk.
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(read(&path, 4096).unwrap_err().kind(), ErrorKind::FileTooLarge);
}

#[test]
fn what_may_have_no_end_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    for path in [Path::new("/dev/zero"), Path::new("/dev/urandom"), &pipe, folder.path()] {
        let refused = read(path, 1 << 20).unwrap_err();
        assert_eq!(refused.to_string(), "expected a regular file", "{}", path.display());
    }
}

#[test]
fn a_link_is_what_it_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, [b'a', 0xFF]).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(read(&link, 2).unwrap(), [b'a', 0xFF]);
    assert_eq!(read_text(&link, 2).unwrap_err().to_string(), "the file is not UTF-8 text");
}
