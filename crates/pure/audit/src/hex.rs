//! Hashes as hexadecimal digits.

use std::fmt;

const DIGITS: usize = 64;

/// Lower-case hexadecimal digits of some bytes.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A hash is written as one: a piece for each byte costs as much as making the hash.
        let mut digits = [0; 64];
        for bytes in self.0.chunks(32) {
            let digits = digits.get_mut(..2 * bytes.len()).unwrap_or_default();
            hex::encode_to_slice(bytes, digits).map_err(|_| fmt::Error)?;
            f.write_str(str::from_utf8(digits).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

/// Splits 64 lower-case hexadecimal digits off the end of `text`.
pub(crate) fn split_hash(text: &str) -> Option<(&str, [u8; 32])> {
    let (rest, digits) = text.split_at_checked(text.len().checked_sub(DIGITS)?)?;
    let mut hash = [0_u8; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some((rest, hash))
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}
