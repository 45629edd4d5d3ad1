//! One record of a log, looked for from its end.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use gatehouse_audit::head::Head;

/// How much is read at a time, in bytes.
const BLOCK: u64 = 256 * 1024;

/// The record number `seq` of the log at `path`; `None` when no such record is there, or not as it was written.
pub(super) fn find(path: &Path, seq: u64) -> io::Result<Option<Head>> {
    let mut file = File::open(path)?;
    let mut start = file.metadata()?.len();
    // The end of a line that begins in an earlier block.
    let mut rest = Vec::new();
    while start > 0 {
        let block = BLOCK.min(start);
        start -= block;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        io::Read::by_ref(&mut file).take(block).read_to_end(&mut bytes)?;
        bytes.append(&mut rest);
        let whole = if start == 0 { Some(0) } else { bytes.iter().position(|byte| *byte == b'\n') };
        let Some(whole) = whole else {
            rest = bytes;
            continue;
        };
        let (begun, lines) = bytes.split_at_checked(whole).unwrap_or_default();
        for line in lines.rsplit(|byte| *byte == b'\n') {
            let found = std::str::from_utf8(line).ok().and_then(|line| Some((number(line)?, line)));
            match found {
                Some((found, line)) if found == seq => return Ok(Head::of_line(line).ok()),
                Some((found, _)) if found < seq => return Ok(None),
                _ => {}
            }
        }
        rest = begun.to_vec();
    }
    Ok(None)
}

fn number(line: &str) -> Option<u64> {
    line.strip_prefix("{\"seq\":")?.split_once(',')?.0.parse().ok()
}
