//! `audit`: check an audit log, read its end, make the key that signs it.

mod new_key;
mod verify;

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use self::new_key::NewKey;
use self::verify::Verify;
use super::output::Failure;
use crate::gateway::load::{Loaded, load};
use crate::host::files;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How much of the end of a log is read at a time, in bytes.
const BLOCK: u64 = 64 * 1024;

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Check every record of a log: name the first that is not as it was written, and say what is proven
    Verify(Verify),
    /// Print the last records of a log
    Tail(Tail),
    /// Make a key that signs checkpoints: write the private key to a file, print the public key
    NewKey(NewKey),
}

#[derive(Args)]
pub(super) struct Tail {
    /// The log [default: the one of the configuration]
    file: Option<PathBuf>,
    /// How many records
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Go on with every record that is written from now on
    #[arg(short, long)]
    follow: bool,
}

pub(super) fn run(command: AuditCommand, config: Option<PathBuf>) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(verify) => verify::run(verify, config),
        AuditCommand::NewKey(new_key) => new_key::run(&new_key),
        AuditCommand::Tail(tail) => {
            let path = path(tail.file, config)?;
            let done = show_tail(&path, tail.lines, tail.follow);
            done.or_else(|error| match error.kind() {
                // The reader has seen enough.
                io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(unreadable(&path, &error)),
            })
        }
    }
}

/// The named log, or the one of the configuration.
fn path(named: Option<PathBuf>, config: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match named {
        Some(named) => Ok(named),
        None => configured(config).map(|loaded| log_of(&loaded)),
    }
}

/// The configuration, when no log is named.
fn configured(config: Option<PathBuf>) -> Result<Loaded, Failure> {
    load(config).map_err(|failure| match Failure::from(failure) {
        Failure::Configuration(mut lines) => {
            lines.push(
                "gatehouse: the configuration would say where the log is; or name the log itself".to_owned(),
            );
            Failure::Configuration(lines)
        }
        failed @ Failure::Failed(_) => failed,
    })
}

fn log_of(loaded: &Loaded) -> PathBuf {
    loaded.folder().join(&loaded.snapshot.audit.path)
}

/// A log that cannot be read.
fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let name = path.display().to_string();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::Failed(format!("{name}: there is no such log; `serve` begins it"))
        }
        _ => Failure::new(&name, error),
    }
}

fn show_tail(path: &Path, lines: usize, follow: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut file = files::open(path)?;
    let (text, mut position) = last_lines(&mut file, lines)?;
    out.write_all(&text)?;
    out.flush()?;
    if !follow {
        return Ok(());
    }
    loop {
        std::thread::sleep(LOOK_EVERY);
        // Only a log that was cut after a crash gets shorter; what is written then stands at its new end.
        position = position.min(file.metadata()?.len());
        file.seek(SeekFrom::Start(position))?;
        let mut fresh = Vec::new();
        file.read_to_end(&mut fresh)?;
        let whole = fresh.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        fresh.truncate(whole);
        out.write_all(&fresh)?;
        out.flush()?;
        position += u64::try_from(whole).unwrap_or(0);
        if whole == 0 && moved_away(path, &file)? {
            file = files::open(path)?;
            position = 0;
        }
    }
}

/// Whether another file has taken the log's place.
fn moved_away(path: &Path, file: &File) -> io::Result<bool> {
    let old = file.metadata()?;
    match path.metadata() {
        Ok(new) => Ok((new.dev(), new.ino()) != (old.dev(), old.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The last `count` finished lines, and where they end.
fn last_lines(file: &mut File, count: usize) -> io::Result<(Vec<u8>, u64)> {
    let size = file.metadata()?.len();
    let mut start = size;
    let mut text: Vec<u8> = Vec::new();
    let mut ends = 0;
    // The end of the line before the first of them is looked for too.
    while start > 0 && ends <= count {
        let block = BLOCK.min(start);
        start -= block;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        Read::by_ref(file).take(block).read_to_end(&mut bytes)?;
        ends += bytes.split(|byte| *byte == b'\n').count() - 1;
        bytes.append(&mut text);
        text = bytes;
    }
    let finished = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let whole = text.get(..finished).unwrap_or_default();
    let breaks: Vec<usize> = (0..whole.len()).filter(|at| whole.get(*at) == Some(&b'\n')).collect();
    let first = breaks.len().checked_sub(count + 1).and_then(|at| breaks.get(at)).map_or(0, |at| at + 1);
    let end = start + u64::try_from(finished).unwrap_or(0);
    Ok((whole.get(first..).unwrap_or_default().to_vec(), end))
}
