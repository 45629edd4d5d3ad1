//! Frames of one direction (RFC 9113 §4.1), told apart in bytes that come in pieces.

/// How long the head of a frame is.
const HEAD: usize = 9;

/// A place among frames.
#[derive(Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// How much of the head was read.
    filled: usize,
    /// How much of the payload is still to come.
    left: usize,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Frames {
    /// How much of the payload is still to come.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The next head, once all of it was read.
    pub(super) fn head(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        let wanted = (HEAD - self.filled).min(bytes.len());
        let (some, rest) = bytes.split_at_checked(wanted)?;
        self.head.get_mut(self.filled..self.filled + wanted)?.copy_from_slice(some);
        *bytes = rest;
        self.filled += wanted;
        if self.filled < HEAD {
            return None;
        }
        self.filled = 0;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.head;
        self.left = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        Some(Head { length: self.left, kind, flags, stream })
    }

    /// Up to `most` bytes of the payload.
    pub(super) fn take<'a>(&mut self, bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
        let taken = most.min(self.left).min(bytes.len());
        let (some, rest) = bytes.split_at_checked(taken).unwrap_or_default();
        *bytes = rest;
        self.left -= some.len();
        some
    }

    /// Passes over the rest of the payload, as far as it is there.
    pub(super) fn skip(&mut self, bytes: &mut &[u8]) {
        self.take(bytes, usize::MAX);
    }
}
