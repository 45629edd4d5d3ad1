//! What the operating system provides: time, randomness, environment, files. Everything else takes these as values.

pub mod files;
mod memory;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::{LoadError, Loader, file_path};
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::rng::Rng;

pub(crate) use self::memory::usable as usable_memory;

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock of the process")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// The operating system's random bytes.
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        // A kernel that gives no randomness leaves nothing safe to do.
        if aws_lc_rs::rand::fill(bytes).is_err() {
            std::process::abort();
        }
    }
}

/// Keeps the secrets in this process's memory out of core dumps, and its memory from other processes of the same user
/// (`prctl(2)`, `PR_SET_DUMPABLE`). Programs that it starts are none the less what they were.
pub fn keep_memory_private() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Why a file with secrets is not as private as it should be, if it is not: users other than its owner and its group
/// may get at it, or its group may change it.
pub fn exposure(path: &Path) -> Option<&'static str> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o002 != 0 {
        Some("every user of this machine may write it")
    } else if mode & 0o004 != 0 {
        Some("every user of this machine may read it")
    } else if mode & 0o020 != 0 {
        Some("its whole group may write it")
    } else {
        None
    }
}

/// The environment of the process, read once.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> Environment {
    std::env::vars().collect()
}

/// How many files the process may have open, after asking for as many as it may ask for.
pub fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (Some(soft), hard) = (limit.current, limit.maximum) else { return u64::MAX };
    if hard == Some(soft) {
        return soft;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
    if raised.is_ok() { hard.unwrap_or(u64::MAX) } else { soft }
}

/// Files on disk; relative paths start at the folder of the configuration file.
pub struct DiskLoader {
    folder: PathBuf,
    read: Mutex<Vec<PathBuf>>,
}

impl DiskLoader {
    /// A loader for what `config` refers to.
    pub fn beside(config: &Path) -> Self {
        Self::in_folder(config.parent().map(Path::to_path_buf).unwrap_or_default())
    }

    /// A loader whose relative paths start at `folder`.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder, read: Mutex::default() }
    }

    /// The files that were read, in reading order.
    pub fn files(&self) -> Vec<PathBuf> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Loader for DiskLoader {
    fn read(&self, uri: &str, limit: usize) -> Result<Vec<u8>, LoadError> {
        let path = self.folder.join(file_path(uri)?);
        let uri = path.display().to_string();
        let bytes = files::read(&path, limit).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LoadError::NotFound(uri),
            std::io::ErrorKind::FileTooLarge => LoadError::TooLarge { uri, limit },
            _ => LoadError::Unreadable { uri, reason: error.to_string() },
        })?;
        self.read.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        Ok(bytes)
    }

    fn exposure(&self, uri: &str) -> Option<&'static str> {
        exposure(&self.folder.join(file_path(uri).ok()?))
    }
}

#[cfg(test)]
mod tests;
