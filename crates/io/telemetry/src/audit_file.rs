//! The audit log as a file: one JSON object a line, one writer thread, one chain over all restarts.
//!
//! - [`AuditSink::append`] returns after `fdatasync`; all appends that wait at the same time share one. A medium that
//!   hangs is waited for as long as the options say.
//! - [`AuditSink::submit`] only queues. The writer takes what has gathered every [`LINGER`], so a process that is
//!   killed can lose that much of it; a machine that loses power, [`SYNC_EVERY`].
//! - A write that fails (disk full) is undone and tried again every [`RETRY`]. Until it succeeds appends fail and
//!   the spool fills. A sync that fails leaves unknown what is on disk: the log then takes nothing more until it is
//!   opened again.
//! - What strangers are refused is told apart only for a handful a second; the rest is counted, and the counts are
//!   written every [`COUNT_EVERY`] and when the log is closed. A process that is killed can lose that much of them.
//! - Checkpoints are made by the writer, which signs behind the doors' backs: nobody waits for a signature.

mod checkpoints;
mod find;
mod spool;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_audit::chain::{Chain, Record, Why};
use gatehouse_audit::event::{Event, EventKind, Recovery};
use gatehouse_audit::head::Head;
use gatehouse_audit::sink::{AuditError, AuditSink};
use gatehouse_audit::tally::{Handful, Verdict};
use tokio::time::timeout;

use self::checkpoints::Checkpoints;
pub use self::checkpoints::{CheckpointOptions, Heads};
use self::spool::Spool;
use self::writer::{LogFile, Medium as _, Writer};

/// How long the writer lets submitted events gather.
pub const LINGER: Duration = Duration::from_millis(2);

/// How long submitted events may wait for `fdatasync`.
pub const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How long refusals are counted before the counts are written.
pub const COUNT_EVERY: Duration = Duration::from_secs(1);

/// How long the writer waits after a failed write.
pub const RETRY: Duration = Duration::from_secs(1);

/// Longest line that is read back when a log is opened, in bytes.
const MAX_LINE: u64 = 1024 * 1024;

/// Where and how to keep the log.
#[derive(Clone, Debug)]
pub struct AuditFileOptions {
    /// The file; made when it is missing, readable by its owner only.
    pub path: PathBuf,
    /// Name of this node, written into every record.
    pub node: String,
    /// Bytes of events that may wait for the writer.
    pub spool_bytes: usize,
    /// How long an append waits for its record to be durable.
    pub patience: Duration,
    /// How many refusals of strangers are written whole every [`COUNT_EVERY`].
    pub refusals: Handful,
    /// When and with what the log is signed.
    pub checkpoints: CheckpointOptions,
}

/// An open audit log. Closed, with everything written and synced, when dropped.
#[derive(Debug)]
pub struct FileAudit {
    path: PathBuf,
    found: Head,
    heads: Arc<Mutex<Heads>>,
    spool: Arc<Spool>,
    patience: Duration,
    writer: Option<JoinHandle<()>>,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened, read or cut.
    #[error("audit log {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another process has it open.
    #[error("audit log {0}: another process is writing to it; give every node a file of its own")]
    InUse(PathBuf),
    /// The last record is not as it was written.
    #[error(
        "audit log {path}: the last record is damaged ({why}); keep the file as evidence under another name, \
         and look at it with `gatehouse audit verify`"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the record.
        why: Why,
    },
    /// The event that records the opening could not be written.
    #[error("audit log {path}: {error}")]
    First {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        error: AuditError,
    },
}

/// Opens the log and records that in it, with what had to be mended. When the log is closed, the record of that is its
/// last: a log without one was not closed, or has lost its end. `event` makes the records that the log has about itself.
///
/// A last line without its line feed was being written when the process or the machine died. Nobody was told that
/// it is durable, so it is cut off, and the record of the opening says how long it was.
pub fn open(
    options: AuditFileOptions,
    event: impl Fn(EventKind) -> Event + Send + 'static,
) -> Result<FileAudit, OpenError> {
    let AuditFileOptions { path, node, spool_bytes, patience, refusals, checkpoints } = options;
    let (medium, found, cut_bytes) = match take_over(&path) {
        Ok(taken) => taken,
        Err(TakeOver::Io(error)) => return Err(OpenError::Io { path, error }),
        Err(TakeOver::InUse) => return Err(OpenError::InUse(path)),
        Err(TakeOver::Damaged(why)) => return Err(OpenError::Damaged { path, why }),
    };
    let opened = event(EventKind::AuditOpened);
    let opened = if cut_bytes > 0 { opened.with_recovery(Recovery { cut_bytes }) } else { opened };
    let checkpoints = Checkpoints::new(checkpoints, Box::new(event), found);
    let heads = checkpoints.heads();
    let mut writer = Writer::new(medium, Chain::after(found, &node), checkpoints);
    if let Err(error) = writer.begin(&opened) {
        return Err(OpenError::First { path, error });
    }
    let spool = Arc::new(Spool::new(spool_bytes, refusals));
    let shared = Arc::clone(&spool);
    let thread = std::thread::Builder::new().name("audit-writer".into()).spawn(move || writer.run(&shared));
    match thread {
        Ok(thread) => Ok(FileAudit { path, found, heads, spool, patience, writer: Some(thread) }),
        Err(error) => Err(OpenError::Io { path, error }),
    }
}

impl FileAudit {
    #[cfg(test)]
    fn without_writer(patience: Duration) -> Self {
        let heads = Heads { last: Head::START, checkpoint: Head::START };
        let spool = Arc::new(Spool::new(1 << 20, Handful { per_network: 5, in_all: 100 }));
        Self {
            path: PathBuf::new(),
            found: Head::START,
            heads: Arc::new(Mutex::new(heads)),
            spool,
            patience,
            writer: None,
        }
    }

    /// The end of the log as it was found when it was opened.
    pub fn found(&self) -> Head {
        self.found
    }

    /// How far the log is on disk.
    pub fn heads(&self) -> Heads {
        *self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Record `seq` as it stands in the file; `None` when no such record is there, or not as it was written. Reads the
    /// file from its end to that record.
    pub fn standing(&self, seq: u64) -> io::Result<Option<Head>> {
        find::find(&self.path, seq)
    }
}

#[async_trait]
impl AuditSink for FileAudit {
    async fn append(&self, event: Event) -> Result<(), AuditError> {
        if self.spool.judge(&event)? == Verdict::Counted {
            return Ok(());
        }
        let written = self.spool.append(Record::encode(&event)?)?;
        match timeout(self.patience, written).await {
            Ok(written) => written.unwrap_or(Err(AuditError::Closed)),
            Err(_) => Err(AuditError::Slow { waited: self.patience }),
        }
    }

    fn submit(&self, event: Event) -> Result<(), AuditError> {
        match self.spool.judge(&event)? {
            Verdict::Counted => Ok(()),
            Verdict::Whole => self.spool.submit(Record::encode(&event)?),
        }
    }

    fn has_room(&self) -> bool {
        self.spool.has_room()
    }
}

impl Drop for FileAudit {
    fn drop(&mut self) {
        self.spool.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("audit writer panicked");
        }
    }
}

enum TakeOver {
    Io(io::Error),
    InUse,
    Damaged(Why),
}

impl From<io::Error> for TakeOver {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Locks the file, cuts off an unfinished last line and finds the head of the chain.
fn take_over(path: &Path) -> Result<(LogFile, Head, u64), TakeOver> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a regular file").into());
    }
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => TakeOver::InUse,
        TryLockError::Error(error) => TakeOver::Io(error),
    })?;
    if is_new {
        sync_folder_of(path)?;
    }
    let size = file.seek(SeekFrom::End(0))?;
    let tail = read_tail(&mut file, size)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (whole, torn) = tail.split_at_checked(whole).unwrap_or_default();
    let cut_bytes = torn.len() as u64;
    if whole.is_empty() && cut_bytes < size {
        // No line feed in reach: this is not an unfinished record of ours.
        return Err(TakeOver::Damaged(Why::Malformed));
    }
    let head = match whole.split_last() {
        None => Head::START,
        Some((_, lines)) => {
            let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let last = std::str::from_utf8(last).map_err(|_| TakeOver::Damaged(Why::Malformed))?;
            Head::of_line(last).map_err(TakeOver::Damaged)?
        }
    };
    let mut medium = LogFile::new(file, size - cut_bytes);
    if cut_bytes > 0 {
        medium.cut()?;
    }
    Ok((medium, head, cut_bytes))
}

/// The end of the file, long enough to hold the last record and an unfinished one.
fn read_tail(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(size.saturating_sub(2 * MAX_LINE)))?;
    let mut tail = Vec::new();
    file.take(2 * MAX_LINE).read_to_end(&mut tail)?;
    Ok(tail)
}

/// A new file is only there after a crash when its folder is on disk too.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
