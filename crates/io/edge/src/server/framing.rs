//! Requests that say twice where their body ends, by `Content-Length` and by chunks.
//!
//! hyper goes by the chunks, drops the length and leaves no trace of it (RFC 9112 §6.3 allows that). But a proxy before
//! us may have gone by the length, and then the two of us see different requests on one connection. So the bytes of
//! HTTP/1 are followed here on their way to hyper: heads with the parser that hyper uses, bodies by skipping them.
//!
//! What hyper refuses to read ends both its reading and the following, and so does a request that is refused for its
//! framing: its connection closes. Whoever follows can therefore not be misled about a request that is answered.
//!
//! What heads take in memory is known here as well, before hyper has built anything of it; of HTTP/2, [`super::http2`]
//! knows.

mod chunks;
mod followed;

use std::mem::{MaybeUninit, take};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use self::chunks::Chunks;
pub(super) use self::followed::Followed;
use super::head_limits::{MAX_HEADER_FIELDS, READ_BUFFER};
use super::http2::{Excessive, PREFACE, Streams};
use crate::rejection::excerpt;

/// The most that a head may hold: far more than hyper, which gives up at [`READ_BUFFER`], needs.
const LONGEST_HEAD: usize = 2 * READ_BUFFER;

/// What a field takes in memory beside its text.
const FIELD: usize = 128;

/// How a request says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// In one way, or it has no body.
    Single,
    /// By its length and by chunks.
    Contradictory,
}

/// The requests of a connection: counted where their heads are read, and again where they are answered.
pub(super) struct Requests {
    begun: AtomicU64,
    /// The number of the first that is [`Framing::Contradictory`]; the last number there is when none was.
    contradictory: AtomicU64,
    /// How many came to their end.
    whole: AtomicU64,
    /// What was too large of a head that hyper answers by itself.
    too_large: OnceLock<String>,
    streamed: AtomicBool,
}

impl Requests {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: AtomicU64::new(0),
            contradictory: AtomicU64::new(u64::MAX),
            whole: AtomicU64::new(0),
            too_large: OnceLock::new(),
            streamed: AtomicBool::new(false),
        })
    }

    /// Counts a request that is to be answered, and returns its number. Those behind a contradictory one are none the
    /// better for it.
    pub(super) fn begin(&self) -> (u64, Framing) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let contradictory = self.contradictory.load(Ordering::Relaxed);
        (number, if number < contradictory { Framing::Single } else { Framing::Contradictory })
    }

    /// Whether request `number` of HTTP/1 has come to its end. While it has not, the rest of it stands where the next
    /// request would be.
    pub(super) fn came_whole(&self, number: u64) -> bool {
        number < self.whole.load(Ordering::Relaxed)
    }

    /// What was too large of a head that nobody here got to see.
    pub(super) fn too_large(&self) -> Option<&str> {
        self.too_large.get().map(String::as_str)
    }

    /// Takes note of an answer with an event stream.
    pub(super) fn note_stream(&self) {
        self.streamed.store(true, Ordering::Relaxed);
    }

    /// Whether there was such an answer.
    pub(super) fn has_streamed(&self) -> bool {
        self.streamed.load(Ordering::Relaxed)
    }

    /// Whether there was any request.
    pub(super) fn any(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 0
    }
}

/// Follows the bytes of one connection from request to request.
struct Follower {
    at: Place,
    /// The beginning of a head that came in pieces.
    head: Vec<u8>,
    heads: u64,
    /// What the head before takes.
    last: usize,
    requests: Arc<Requests>,
}

enum Place {
    Head,
    /// Behind the preface of HTTP/2.
    Http2(Box<Streams>),
    /// So many bytes before the end of a body; never none.
    Body(u64),
    Chunks(Chunks),
    /// Behind what is no request any more, or of no interest.
    Beyond,
}

/// What follows a head.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunks,
    /// Both are said.
    Contradictory,
    /// Nobody will answer it and read on.
    Refused,
}

impl Follower {
    fn new(requests: Arc<Requests>) -> Self {
        Self { at: Place::Head, head: Vec::new(), heads: 0, last: 0, requests }
    }

    /// Whether a head has begun and not ended.
    fn is_within_head(&self) -> bool {
        match &self.at {
            Place::Http2(streams) => streams.is_within_head(),
            _ => !self.head.is_empty(),
        }
    }

    /// Whether more may come of a request of HTTP/1 that has begun, or of what is none.
    fn is_within_request(&self) -> bool {
        match &self.at {
            Place::Http2(_) => false,
            Place::Head => !self.head.is_empty(),
            Place::Body(_) | Place::Chunks(_) | Place::Beyond => true,
        }
    }

    /// Nobody will read the head that has begun.
    fn give_up_head(&mut self) {
        if matches!(self.at, Place::Head) && !self.head.is_empty() {
            if self.head.len() >= READ_BUFFER {
                let _ = self.requests.too_large.set(widest_line(&self.head));
            }
            self.head = Vec::new();
            self.at = Place::Beyond;
        }
    }

    /// Takes note of the end of a request.
    fn end_request(&mut self) {
        self.at = Place::Head;
        self.requests.whole.store(self.heads, Ordering::Relaxed);
    }

    /// How many heads have ended.
    fn heads(&self) -> u64 {
        if let Place::Http2(streams) = &self.at { streams.heads() } else { self.heads }
    }

    /// What heads take in memory. A piece of one is kept here and by hyper.
    fn held(&self) -> usize {
        match &self.at {
            Place::Http2(streams) => streams.held(),
            _ if self.head.is_empty() => self.last,
            _ => 2 * self.head.len(),
        }
    }

    /// Takes note of bytes of the other direction.
    fn wrote(&mut self, bytes: &[u8]) {
        if let Place::Http2(streams) = &mut self.at {
            streams.wrote(bytes);
        }
    }

    /// Takes note of the next bytes.
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Excessive> {
        while !bytes.is_empty() {
            bytes = match &mut self.at {
                Place::Beyond => return Ok(()),
                Place::Http2(streams) => return streams.read(bytes),
                Place::Head => match self.follow_preface(bytes) {
                    Some(rest) => rest,
                    None => self.follow_head(bytes),
                },
                Place::Body(left) => {
                    let skipped = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    *left -= skipped as u64;
                    if *left == 0 {
                        self.end_request();
                    }
                    bytes.get(skipped..).unwrap_or_default()
                }
                Place::Chunks(chunks) => match chunks.skip(bytes) {
                    Ok(None) => return Ok(()),
                    Ok(Some(rest)) => {
                        self.end_request();
                        rest
                    }
                    Err(_) => {
                        self.at = Place::Beyond;
                        return Ok(());
                    }
                },
            };
        }
        Ok(())
    }

    /// Takes note of the preface of HTTP/2 or a piece of it, and gives back what is behind it; `None` when the
    /// connection is of HTTP/1, as hyper tells it too.
    fn follow_preface<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.heads > 0 {
            return None;
        }
        let expected = PREFACE.strip_prefix(self.head.as_slice()).filter(|expected| !expected.is_empty())?;
        let (piece, rest) = bytes.split_at_checked(expected.len()).unwrap_or((bytes, &[]));
        if !expected.starts_with(piece) {
            return None;
        }
        if piece.len() == expected.len() {
            self.head = Vec::new();
            self.at = Place::Http2(Box::default());
        } else {
            self.head.extend_from_slice(piece);
        }
        Some(rest)
    }

    /// Takes note of a head or a piece of one, and gives back what is behind it.
    fn follow_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let before = self.head.len();
        let read = if before == 0 {
            read_head(bytes)
        } else {
            self.head.extend_from_slice(bytes);
            if may_end(&self.head, before) { read_head(&self.head) } else { Ok(None) }
        };
        let Seen { length, fields, body } = match read {
            Ok(Some(seen)) => seen,
            Ok(None) if before + bytes.len() <= LONGEST_HEAD => {
                if before == 0 {
                    self.head.extend_from_slice(bytes);
                }
                return &[];
            }
            Ok(None) | Err(_) => {
                if matches!(read, Err(httparse::Error::TooManyHeaders)) {
                    let detail = format!("more than {MAX_HEADER_FIELDS} fields");
                    let _ = self.requests.too_large.set(detail);
                }
                self.head = Vec::new();
                self.at = Place::Beyond;
                return &[];
            }
        };
        let number = self.heads;
        self.heads += 1;
        self.at = match body {
            Body::Length(0) => {
                self.end_request();
                Place::Head
            }
            Body::Length(length) => Place::Body(length),
            Body::Chunks => Place::Chunks(Chunks::default()),
            Body::Refused => Place::Beyond,
            Body::Contradictory => {
                self.requests.contradictory.store(number, Ordering::Relaxed);
                Place::Beyond
            }
        };
        self.last = length + fields * FIELD;
        drop(take(&mut self.head));
        bytes.get(length.saturating_sub(before)..).unwrap_or_default()
    }
}

/// The name and size of the widest line of a head that may not have ended; never a value, which may be a secret.
fn widest_line(head: &[u8]) -> String {
    let lines = head.split(|byte| *byte == b'\n').enumerate();
    let (number, line) = lines.max_by_key(|(_, line)| line.len()).unwrap_or_default();
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let name = if number == 0 { "the request line" } else { excerpt(&name) };
    format!("{name} has {} bytes, of {} that came", line.len(), head.len())
}

/// A whole head.
struct Seen {
    length: usize,
    fields: usize,
    body: Body,
}

/// The head at the beginning of `bytes`; `None` when it is not complete.
fn read_head(bytes: &[u8]) -> Result<Option<Seen>, httparse::Error> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADER_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let status = parser.parse_request_with_uninit_headers(&mut request, bytes, &mut fields)?;
    let httparse::Status::Complete(length) = status else { return Ok(None) };
    let fields = request.headers.len();
    Ok(Some(Seen { length, fields, body: body(request.headers) }))
}

/// What follows a head of these fields, as hyper reads it and [`super::admission`] lets it in.
fn body(fields: &[httparse::Header<'_>]) -> Body {
    let (mut lengths, mut codings, mut length, mut refused) = (0, 0, 0, false);
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            match digits(field.value) {
                Some(said) if lengths == 0 || said == length => length = said,
                _ => refused = true,
            }
            lengths += 1;
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            refused |= codings > 0 || !field.value.eq_ignore_ascii_case(b"chunked");
            codings += 1;
        }
    }
    match (lengths, codings) {
        (1.., 1..) => Body::Contradictory,
        _ if refused => Body::Refused,
        (_, 1..) => Body::Chunks,
        _ => Body::Length(length),
    }
}

/// A number without sign (RFC 9110 §8.6).
fn digits(value: &[u8]) -> Option<u64> {
    let number = value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    number.filter(|_| !value.is_empty())
}

/// Whether a head may end in `head`, if it did not in the first `before` bytes: with an empty line. This spares parsing
/// it again for every byte of a slow client.
fn may_end(head: &[u8], before: usize) -> bool {
    let news = head.get(before.saturating_sub(3)..).unwrap_or_default();
    news.windows(2).any(|pair| pair == b"\n\n") || news.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests;
