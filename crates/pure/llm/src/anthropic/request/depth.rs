//! How deep objects and arrays stand within one another.
//!
//! A parser remembers every bracket that is open, and what grows in it is up to twice as much as is written.

use memchr::memchr2;

use super::RequestError;

/// The most levels.
const MAX_DEPTH: usize = 1_000;
/// A shorter body is not looked at: nothing in it could take much memory.
const HARMLESS: usize = 1024 * 1024;

/// Refuses a body, JSON or not, that nests deeper than anybody writes.
pub(super) fn check(body: &[u8]) -> Result<(), RequestError> {
    if body.len() <= HARMLESS {
        return Ok(());
    }
    let (mut rest, mut depth) = (body, 0_usize);
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => rest = after_string(rest),
            b'{' | b'[' if depth == MAX_DEPTH => return Err(RequestError::TooDeep(MAX_DEPTH)),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// What follows the string whose opening quote was just read.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        let escaped = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + 1 + usize::from(escaped)..).unwrap_or_default();
        if !escaped {
            return rest;
        }
    }
    &[]
}
