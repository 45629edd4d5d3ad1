//! Bytes that arrive piece by piece.

use bytes::Bytes;

use super::{Account, Held, OverBudget};

/// The least that is allocated for bytes whose number nobody knows.
const LEAST: usize = 4 * 1024;

/// Bytes of one message, counted by what is allocated for them, not by what has arrived.
pub struct Buffer {
    bytes: Vec<u8>,
    held: Held,
}

/// What [`Buffer::freeze`] hands out; every slice of it keeps it.
struct Frozen {
    bytes: Vec<u8>,
    _held: Held,
}

impl Buffer {
    /// Room for `expected` bytes and for more as they come. The account has it all at once, so that of many messages
    /// that begin together some arrive whole, rather than none.
    pub fn with_capacity(account: Account, expected: usize) -> Result<Self, OverBudget> {
        let held = account.hold(expected)?;
        Ok(Self { bytes: Vec::with_capacity(expected), held })
    }

    /// Adds what has arrived.
    pub fn extend(&mut self, data: &[u8]) -> Result<(), OverBudget> {
        let (capacity, needed) = (self.bytes.capacity(), self.bytes.len().saturating_add(data.len()));
        if needed > capacity {
            let larger = needed.max(capacity.saturating_add(capacity / 2)).max(LEAST);
            // Until the bytes have moved there are both.
            self.held.grow(larger)?;
            self.bytes.reserve_exact(larger - self.bytes.len());
            self.held.shrink_to(self.bytes.capacity());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// How many bytes have arrived.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether none have.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes; they stay counted until the last slice of them is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(Frozen { bytes: self.bytes, _held: self.held })
    }
}

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
