//! Files that are read whole, as far as they may be.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// The bytes of a regular file; [`ErrorKind::FileTooLarge`] when there are more than `limit`.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let bytes = read_beginning(path, limit)?;
    if bytes.len() > limit {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("the file is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The bytes of a regular file, of which no more is read than `limit` and one more, which tells whoever looks that there
/// are too many. What says how long a file is may be wrong, or change meanwhile.
pub fn read_beginning(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    open(path)?.take(more).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As [`read`], for text.
pub fn read_text(path: &Path, limit: usize) -> Result<String> {
    let bytes = read(path, limit)?;
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "the file is not UTF-8 text"))
}

/// Opens a regular file; a device or a pipe may have no end, or make whoever opens it wait for one.
pub fn open(path: &Path) -> Result<File> {
    // Nothing to regular files; a pipe is opened without a writer, and refused.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(Error::other("expected a regular file")) }
}

#[cfg(test)]
mod tests;
