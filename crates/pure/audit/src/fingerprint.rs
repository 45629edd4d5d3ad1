//! Keyed hashes that stand for values which must not be in the log.

use std::fmt;

use hmac::digest::KeyInit as _;
use hmac::{Hmac, Mac as _};
use serde::{Serialize, Serializer};
use sha2::Sha256;

use crate::hex::Hex;

/// The key of all fingerprints of one process, which makes it when it starts: whoever holds it can test a suspected value
/// against the log, nobody else can.
#[derive(Clone)]
pub struct FingerprintKey(Hmac<Sha256>);

/// HMAC-SHA-256 of a value, cut to 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl FingerprintKey {
    /// A key from 256 secret bits.
    pub fn new(key: &[u8; 32]) -> Self {
        // RFC 2104 pads short keys with zeros to the block size.
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        Self(Hmac::new(&block.into()))
    }

    /// The fingerprint of `value`.
    pub fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        let mut mac = self.0.clone();
        mac.update(value);
        let tag = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        Fingerprint(short)
    }
}

/// `hmac:` and 32 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hmac:{}", Hex(&self.0))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
