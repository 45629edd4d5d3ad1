//! The codings of answers (RFC 9110 §8.4).
//!
//! Whatever is asked for from here is asked for as it is, since it is read here: counted, searched, rewritten. What is
//! coded nevertheless, as some servers and many things in front of them do, is decoded before anybody reads it, piece
//! by piece, so that whoever reads it counts what it has become. What a decoder remembers is counted for the
//! upstream. An answer in a coding that is not known here has a status and no body that can be read: whoever passes
//! bodies on asks for that before the first byte.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use bytes::{Bytes, BytesMut};
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{BrotliDecoder, DecodeV2, GzipDecoder, ZstdDecoder};
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue,
};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::memory::{Held, Holder, Memory, OverBudget};
use crate::rejection::{Rejection, RejectionKind};

/// How much is decoded at once.
const PIECE: usize = 16 * 1024;
/// The largest window of Zstandard, as a power of two; those who send more to strangers ask for trouble (RFC 9659 §3).
const ZSTD_WINDOW: u32 = 23;

/// Fields that speak of the bytes as they were coded.
static OF_CODED_BYTES: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    ETAG,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("digest"),
];

/// The body of an answer, as it was before it was coded for the way.
pub struct Received {
    body: Incoming,
    /// `None` where it came as it is.
    decoding: Result<Option<Box<Decoding>>, Unreadable>,
}

/// Why a body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It broke off on the way.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// It is not coded as it says, or the coded bytes have no end.
    #[error("the body cannot be decoded: {0}")]
    Coding(#[from] io::Error),
    /// It is not read at all.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Why a body is not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is coded in a way that is not known here.
    #[error("the answer is coded as {0:?} although it was asked for as it is")]
    Coding(String),
    /// There is no room for its decoder.
    #[error("no room for a decoder: {0}")]
    Room(#[from] OverBudget),
}

/// A coded body on its way.
struct Decoding {
    decoder: Decoder,
    /// Coded bytes that have arrived.
    input: Bytes,
    /// The decoder may hold more than it could put out.
    full: bool,
    stage: Stage,
    _held: Held,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has come.
    Before,
    Within,
    /// The coded bytes have ended, and others may begin behind them where the coding has such.
    Behind,
}

struct Decoder {
    coding: Coding,
    /// Of a type without a name: those of decoders are so deep that the compiler gives up on futures around them.
    state: Box<dyn DecodeV2 + Send + Sync>,
}

/// A coding that is read here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

/// Asks for an answer as it is.
pub(crate) fn ask_for_identity(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

impl Received {
    /// The body behind a head with `headers`, of which it takes what no longer holds. Its decoder is counted in `memory`
    /// for `holder`.
    pub(crate) fn begin(headers: &mut HeaderMap, body: Incoming, memory: &Memory, holder: &str) -> Self {
        // Where nothing follows there is nothing to decode.
        let decoding = if body.is_end_stream() { Ok(None) } else { Decoding::of(headers, memory, holder) };
        if matches!(decoding, Ok(Some(_))) {
            for name in &OF_CODED_BYTES {
                headers.remove(name);
            }
        }
        Self { body, decoding }
    }

    fn is_plain(&self) -> bool {
        matches!(self.decoding, Ok(None))
    }

    /// Whether the body can be read.
    pub fn check(&self) -> Result<(), Unreadable> {
        self.decoding.as_ref().map(|_| ()).map_err(Unreadable::clone)
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Received").field("coded", &!self.is_plain()).finish_non_exhaustive()
    }
}

/// The one coding that `headers` name, if any.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Unreadable> {
    let mut found = None;
    for line in headers.get_all(CONTENT_ENCODING) {
        for name in String::from_utf8_lossy(line.as_bytes()).split(',').map(str::trim) {
            let coding = match name.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Some(Coding::Gzip),
                "br" => Some(Coding::Brotli),
                "zstd" => Some(Coding::Zstd),
                _ => None,
            };
            // One on top of another is nothing that servers do, but for bombs.
            let known = coding.filter(|_| found.is_none());
            found = Some(known.ok_or_else(|| Unreadable::Coding(name.to_owned()))?);
        }
    }
    Ok(found)
}

impl Coding {
    /// The most that its decoder allocates: the window, and what is put out next.
    const fn remembers(self) -> usize {
        match self {
            Self::Gzip => 64 * 1024 + PIECE,
            Self::Brotli => 17 * 1024 * 1024 + PIECE,
            Self::Zstd => (1 << ZSTD_WINDOW) + 512 * 1024 + PIECE,
        }
    }
}

impl Decoder {
    fn of(coding: Coding) -> Self {
        let zstd = || ZstdDecoder::new_with_params(&[DParameter::window_log_max(ZSTD_WINDOW)]);
        let state: Box<dyn DecodeV2 + Send + Sync> = match coding {
            Coding::Gzip => Box::new(GzipDecoder::new()),
            Coding::Brotli => Box::new(BrotliDecoder::new()),
            Coding::Zstd => Box::new(zstd()),
        };
        Self { coding, state }
    }

    /// Decodes some of `input`; whether the coded bytes have ended.
    fn decode(&mut self, input: &mut PartialBuffer<&[u8]>, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        self.state.decode(input, output)
    }

    /// Puts out more of what it has read already; whether the coded bytes have ended.
    fn drain(&mut self, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        match self.coding {
            // Its bytes end with a checksum, which is read and not put out.
            Coding::Gzip => self.state.flush(output).map(|_| false),
            Coding::Brotli | Coding::Zstd => self.decode(&mut PartialBuffer::new(&[]), output),
        }
    }

    /// Makes ready for what is coded behind the end, of which gzip and Zstandard know (RFC 1952 §2.2, RFC 8878 §3.1).
    fn begin_anew(&mut self) -> io::Result<()> {
        match self.coding {
            Coding::Gzip | Coding::Zstd => self.state.reinit(),
            Coding::Brotli => Err(io::Error::other("there are bytes behind the end")),
        }
    }

    /// Brotli has a form with windows of up to a gibibyte, which begins with bits that RFC 7932 §9.1 calls invalid.
    fn check_beginning(&self, input: &[u8]) -> io::Result<()> {
        let large = self.coding == Coding::Brotli && input.first().is_some_and(|byte| byte & 0x7f == 0x11);
        if large { Err(io::Error::other("its window is too large")) } else { Ok(()) }
    }
}

impl Decoding {
    /// Of a body behind `headers`; `None` where it is not coded.
    fn of(headers: &HeaderMap, memory: &Memory, holder: &str) -> Result<Option<Box<Self>>, Unreadable> {
        let Some(coding) = coding(headers)? else { return Ok(None) };
        let held = memory.account(&Holder::Upstream(Arc::from(holder))).hold(coding.remembers())?;
        Ok(Some(Box::new(Self::new(coding, held))))
    }

    fn new(coding: Coding, held: Held) -> Self {
        let decoder = Decoder::of(coding);
        Self { decoder, input: Bytes::new(), full: false, stage: Stage::Before, _held: held }
    }

    /// The next piece of what has arrived.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.input.is_empty() && !self.full {
            return Ok(None);
        }
        let mut piece = BytesMut::zeroed(PIECE);
        let mut output = WriteBuffer::new_initialized(&mut piece);
        let mut input = PartialBuffer::new(self.input.as_ref());
        if std::mem::take(&mut self.full)
            && input.unwritten().is_empty()
            && self.decoder.drain(&mut output)?
        {
            self.stage = Stage::Behind;
        }
        while !input.unwritten().is_empty() && !output.has_no_spare_space() {
            match self.stage {
                Stage::Before => self.decoder.check_beginning(input.unwritten())?,
                Stage::Within => {}
                Stage::Behind => self.decoder.begin_anew()?,
            }
            let before = (input.written_len(), output.written_len());
            let ended = self.decoder.decode(&mut input, &mut output)?;
            self.stage = if ended { Stage::Behind } else { Stage::Within };
            if !ended && before == (input.written_len(), output.written_len()) {
                return Err(io::Error::other("it leads nowhere"));
            }
        }
        self.full = output.has_no_spare_space();
        let (read, written) = (input.written_len(), output.written_len());
        drop(self.input.split_to(read));
        // Whoever keeps what is decoded keeps no more than that: a piece that is nearly empty would hold all its room.
        let decoded = piece.get(..written).unwrap_or_default();
        Ok(match written {
            0 => None,
            few if few < PIECE / 2 => Some(Bytes::copy_from_slice(decoded)),
            _ => {
                piece.truncate(written);
                Some(piece.freeze())
            }
        })
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = ReceiveError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        let Self { body, decoding } = &mut *self;
        let decoding = match decoding {
            Ok(Some(decoding)) => decoding,
            Ok(None) => return Pin::new(body).poll_frame(task).map_err(ReceiveError::Http),
            Err(why) => return Poll::Ready(Some(Err(why.clone().into()))),
        };
        loop {
            match decoding.next() {
                Ok(None) => {}
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            match ready!(Pin::new(&mut *body).poll_frame(task)?) {
                Some(frame) => decoding.input = frame.into_data().unwrap_or_default(),
                None if decoding.stage == Stage::Within => {
                    return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())));
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // What is coded has an end of its own, which is only known when it was read.
        self.is_plain() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_plain() { self.body.size_hint() } else { SizeHint::default() }
    }
}

impl From<Unreadable> for Rejection {
    fn from(unreadable: Unreadable) -> Self {
        let why = unreadable.to_string();
        match unreadable {
            Unreadable::Coding(_) => Self::new(
                RejectionKind::UpstreamFailed,
                "upstream_encoded",
                "The upstream compressed its answer in a way that cannot be read here.",
            )
            .because(why),
            Unreadable::Room(over) => over.of_upstream("the upstream"),
        }
    }
}

#[cfg(test)]
mod tests;
