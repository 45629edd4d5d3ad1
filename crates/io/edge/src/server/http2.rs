//! What the requests of an HTTP/2 connection hold in memory, known before any of it is decoded.
//!
//! A field of one byte may stand for one that takes a hundred in memory, and a client may keep its requests from being
//! answered. hyper and h2 look at the size of a head only while they build it, and at their number only as streams. So
//! the bytes are followed here on their way to h2, and those of the answers on their way back: what the fields of each
//! head will take counts from the moment that they are read until the end of their stream is written or it is reset.
//!
//! What is followed wrongly must be what h2 refuses: the follower ends with whatever ends a connection there.

mod block;
mod frames;

use self::block::{Block, Malformed};
use self::frames::{Frames, Head};

/// What a client of HTTP/2 sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most fields of a head, far more than are served: up to here, a request is answered that it has too many.
const MOST_FIELDS: usize = 256;
/// Most streams that are followed at once: those that h2 serves, and others that it is about to refuse.
const MOST_STREAMS: usize = 1_024;
/// The longest frame that h2 was told to take.
const LONGEST_FRAME: usize = 16 * 1024;
/// What a field takes beside its text, in a map that grows in steps: measured, 120.
const FIELD: usize = 160;
/// What a stream takes for its task and for what h2 knows of it: measured, 16 KiB with text and a few fields.
const STREAM: usize = 16 * 1024;
/// Text is decoded in buffers of this size, and lives as long as any of them.
const TEXT: usize = 4 * 1024;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// The connection asks for more than any honest one does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excessive(pub(super) &'static str);

/// The requests of one connection, and what they hold.
#[derive(Default)]
pub(super) struct Streams {
    read: Frames,
    written: Frames,
    at: Place,
    open: Vec<Open>,
    newest: u32,
    heads: u64,
    /// What all of `open` take.
    held: usize,
}

struct Open {
    id: u32,
    bytes: usize,
}

/// Where among the frames the reading side is.
#[derive(Default)]
enum Place {
    #[default]
    Between,
    /// In a frame of no interest.
    Within,
    /// In a frame that holds a piece of a head.
    Piece(Piece),
    /// Between the frames of a head.
    BetweenPieces(Begun),
    /// h2 reads no further.
    Beyond,
}

/// A head that has begun and not ended.
struct Begun {
    stream: u32,
    block: Block,
}

struct Piece {
    begun: Begun,
    /// Bytes before the fields that are still to come.
    before: usize,
    /// The first of these is the length of the padding.
    padded: bool,
    padding: usize,
    /// The head ends with this frame.
    is_last: bool,
}

impl Streams {
    /// What is held for all requests, in bytes.
    pub(super) fn held(&self) -> usize {
        let begun = match &self.at {
            Place::Piece(piece) => piece.begun.block.bytes(),
            Place::BetweenPieces(begun) => begun.block.bytes(),
            Place::Between | Place::Within | Place::Beyond => 0,
        };
        self.held + begun
    }

    /// Whether a head has begun and not ended.
    pub(super) fn is_within_head(&self) -> bool {
        matches!(self.at, Place::Piece(_) | Place::BetweenPieces(_))
    }

    /// How many heads have ended.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Takes note of bytes that were read, all behind the preface.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Excessive> {
        loop {
            match std::mem::take(&mut self.at) {
                Place::Beyond => {
                    self.at = Place::Beyond;
                    return Ok(());
                }
                place @ (Place::Between | Place::BetweenPieces(_)) => {
                    let Some(head) = self.read.head(&mut bytes) else {
                        self.at = place;
                        return Ok(());
                    };
                    let begun = match place {
                        Place::BetweenPieces(begun) => Some(begun),
                        _ => None,
                    };
                    self.at = self.begin(head, begun)?;
                }
                Place::Within => {
                    self.read.skip(&mut bytes);
                    if self.read.left() > 0 {
                        self.at = Place::Within;
                        return Ok(());
                    }
                }
                Place::Piece(piece) => {
                    let had = bytes.len();
                    self.at = self.piece(piece, &mut bytes)?;
                    if matches!(self.at, Place::Piece(_)) && (bytes.is_empty() || bytes.len() == had) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes note of bytes that were written.
    pub(super) fn wrote(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.written.skip(&mut bytes);
            let Some(head) = self.written.head(&mut bytes) else { continue };
            let ends = matches!(head.kind, DATA | HEADERS) && head.flags & END_STREAM != 0;
            if ends || head.kind == RST_STREAM {
                self.close(head.stream);
            }
        }
    }

    /// What follows the head of a frame.
    fn begin(&mut self, head: Head, begun: Option<Begun>) -> Result<Place, Excessive> {
        if head.length > LONGEST_FRAME {
            return Ok(Place::Beyond);
        }
        let begun = match (head.kind, begun) {
            (CONTINUATION, Some(begun)) if begun.stream == head.stream => begun,
            (CONTINUATION, _) | (_, Some(_)) => return Ok(Place::Beyond),
            (HEADERS, None) => Begun { stream: head.stream, block: Block::new() },
            (PUSH_PROMISE, None) => return Err(Excessive("a client that pushes")),
            (RST_STREAM, None) => {
                self.close(head.stream);
                return Ok(Place::Within);
            }
            (_, None) => return Ok(Place::Within),
        };
        let flag = |flag| head.kind == HEADERS && head.flags & flag != 0;
        let padded = flag(PADDED);
        let before = usize::from(padded) + if flag(PRIORITY) { 5 } else { 0 };
        if before > head.length {
            return Ok(Place::Beyond);
        }
        let is_last = head.flags & END_HEADERS != 0;
        Ok(Place::Piece(Piece { begun, before, padded, padding: 0, is_last }))
    }

    /// Reads on in a piece of a head.
    fn piece(&mut self, mut piece: Piece, bytes: &mut &[u8]) -> Result<Place, Excessive> {
        while piece.before > 0 {
            let Some(byte) = self.read.take(bytes, 1).first() else { return Ok(Place::Piece(piece)) };
            piece.before -= 1;
            if std::mem::take(&mut piece.padded) {
                piece.padding = usize::from(*byte);
                if piece.padding + piece.before > self.read.left() {
                    return Ok(Place::Beyond);
                }
            }
        }
        let fields = self.read.left().saturating_sub(piece.padding);
        match piece.begun.block.read(self.read.take(bytes, fields)) {
            Ok(()) => {}
            Err(Malformed) => return Ok(Place::Beyond),
        }
        if piece.begun.block.fields() > MOST_FIELDS {
            return Err(Excessive("too many header fields"));
        }
        if self.read.left() <= piece.padding {
            self.read.skip(bytes);
        }
        if self.read.left() > 0 {
            return Ok(Place::Piece(piece));
        }
        if !piece.is_last {
            return Ok(Place::BetweenPieces(piece.begun));
        }
        if !piece.begun.block.is_whole() {
            return Ok(Place::Beyond);
        }
        self.add(&piece.begun)?;
        Ok(Place::Between)
    }

    /// A head has been read: of a new stream, or trailers of one that is open.
    fn add(&mut self, head: &Begun) -> Result<(), Excessive> {
        let bytes = head.block.bytes();
        self.heads += 1;
        if head.stream > self.newest {
            self.newest = head.stream;
            self.open.push(Open { id: head.stream, bytes: STREAM + bytes });
            self.held += STREAM + bytes;
        } else if let Some(open) = self.open.iter_mut().find(|open| open.id == head.stream) {
            open.bytes += bytes;
            self.held += bytes;
        }
        if self.open.len() > MOST_STREAMS { Err(Excessive("too many streams")) } else { Ok(()) }
    }

    fn close(&mut self, stream: u32) {
        if let Some(place) = self.open.iter().position(|open| open.id == stream) {
            self.held -= self.open.swap_remove(place).bytes;
        }
    }
}

#[cfg(test)]
mod tests;
