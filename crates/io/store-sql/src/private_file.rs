//! New files that only one user may read, and who that is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

/// The user who may give files away.
const ROOT: u32 = 0;

/// Makes the file at `path`, where none may be, readable by its owner only.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// As [`create`], and the file belongs to the user and group of what is at `former`. When nothing is there, it is the
/// caller's own, except root's: that belongs to whom the folder of `former` belongs to.
pub fn create_in_place_of(path: &Path, former: &Path) -> io::Result<File> {
    let owned = match owner(former) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        found => Some(found?),
    };
    let file = create(path)?;
    let given = match owned {
        Some(owner) => give(&file, owner, former),
        None => leave_to_folder(&file, parent(former)),
    };
    if given.is_err() {
        // What is wrong is being told already.
        drop(fs::remove_file(path));
    }
    given.map(|()| file)
}

/// The user and group of what is at `path`.
fn owner(path: &Path) -> io::Result<(u32, u32)> {
    let found = fs::metadata(path)?;
    Ok((found.uid(), found.gid()))
}

fn leave_to_folder(file: &File, folder: &Path) -> io::Result<()> {
    if file.metadata()?.uid() == ROOT { give(file, owner(folder)?, folder) } else { Ok(()) }
}

/// Lets `file` belong to `user` and `group`, to whom `name` belongs.
fn give(file: &File, (user, group): (u32, u32), name: &Path) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) == (user, group) {
        return Ok(());
    }
    fchown(file, Some(user), Some(group)).map_err(|error| {
        let name = name.display();
        let said = format!(
            "it has to belong to user {user} and group {group}, as {name} does, and cannot be given to them ({error}): \
             run this as that user"
        );
        io::Error::new(error.kind(), said)
    })
}

/// The folder that `path` is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests;
