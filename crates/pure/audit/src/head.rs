//! Where a chain ends.

use std::fmt;
use std::str::FromStr;

use crate::hex::{Hex, split_hash};

/// The end of a chain: all that is needed to go on, or to compare with a copy kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// `seq` of the last record; 0 when there is none.
    pub seq: u64,
    /// `hash` of the last record; zeros when there is none.
    pub hash: [u8; 32],
}

/// A text that names no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected SEQ:HASH, the number of a record and the 64 hexadecimal digits of its hash")]
pub struct NotAHead;

impl Head {
    /// The head of an empty log.
    pub const START: Self = Self { seq: 0, hash: [0; 32] };
}

/// `SEQ:HASH`, as it is printed and remembered.
impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (seq, digits) = text.split_once(':').ok_or(NotAHead)?;
        let hash = split_hash(digits).filter(|(rest, _)| rest.is_empty()).ok_or(NotAHead)?.1;
        Ok(Self { seq: seq.parse().map_err(|_| NotAHead)?, hash })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, Hex(&self.hash))
    }
}
