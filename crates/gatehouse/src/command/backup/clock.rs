//! Whether the clock can be right. An epoch voids what is older: begun by a clock that is behind, it leaves the tokens
//! valid that were issued in the time that the store has forgotten.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use gatehouse_identity::clock::{Clock, Timestamp};

use super::super::output::Failure;

/// How much of the end of the log is read, in bytes: about a thousand records.
const END: u64 = 1024 * 1024;

/// What matters of a record.
#[derive(Deserialize)]
struct Dated<'a> {
    time: &'a str,
}

/// Refuses a clock that shows a time earlier than one of the last records of the audit log at `log`.
///
/// This is for before the log is opened, which writes a record itself.
pub(super) fn refuse_behind(log: &Path, clock: &dyn Clock) -> Result<(), Failure> {
    let name = log.display();
    let latest = latest_record(log).map_err(|error| Failure::new(&format!("restore: {name}"), error))?;
    // A gateway may be writing it.
    let now = clock.now();
    match latest {
        Some(latest) if now < latest => Err(Failure::Failed(format!(
            "restore: it is {now} by the clock, but {name} has a record of {latest}: tokens issued since then would \
             stay valid. Set the clock right; if it is, the record is wrong: move the log away"
        ))),
        _ => Ok(()),
    }
}

/// The latest time among the last records; `None` when there are none.
fn latest_record(log: &Path) -> io::Result<Option<Timestamp>> {
    let mut file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(file.metadata()?.len().saturating_sub(END)))?;
    let mut end = Vec::new();
    file.take(END).read_to_end(&mut end)?;
    // The first may have lost its beginning, and the last its end.
    let records =
        end.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Dated<'_>>(line).ok());
    Ok(records.filter_map(|record| Timestamp::from_rfc3339(record.time)).max())
}

#[cfg(test)]
mod tests;
