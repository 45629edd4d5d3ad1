//! Bodies in and out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::context::{Context, List, Proven};
use crate::memory::Buffer;
use crate::rejection::{Rejection, RejectionKind};

/// What can go wrong inside a body after its head was sent.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A response body: whole bytes or a stream of frames.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// The least that must arrive per second, on average over one read timeout.
const LEAST_PER_SECOND: u64 = 1024;

/// The most that is read of a body that nobody needs: as much as the largest body that is served.
const DISCARDED: usize = 32 * 1024 * 1024;
/// How long such a body may take to arrive.
const DISCARD_WITHIN: Duration = Duration::from_secs(5);

/// No content.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// One piece of content with a known length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Pieces of content, one after the other, of a known length together.
pub fn pieces(all: Vec<Bytes>) -> Body {
    let left = all.iter().map(|piece| piece.len() as u64).sum();
    Pieces { all: all.into_iter(), left }.map_err(|never| match never {}).boxed_unsync()
}

struct Pieces {
    all: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.all.find(|piece| !piece.is_empty());
        self.left -= next.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads a whole request body of at most `limit` bytes.
///
/// A declared length over the limit is refused before a byte is read. Compressed bodies are refused: the caller
/// sees 415 instead of a decompression bomb reaching a parser. A body that stalls or crawls, so that within one read
/// timeout of the listener less than 1 KiB per second arrives, is refused.
///
/// The bytes are counted for whoever sends them, from before they arrive until the last slice of them is dropped.
pub async fn read<Who: Proven>(
    context: &Context<Who>,
    body: Incoming,
    limit: usize,
) -> Result<Bytes, Rejection> {
    if context.head.elements(List::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Rejection::new(
            RejectionKind::UnsupportedMediaType,
            "body_encoded",
            "Request bodies must not be compressed.",
        ));
    }
    let too_large = || {
        Rejection::new(
            RejectionKind::TooLarge,
            "body_too_large",
            format!("The request body exceeds {limit} bytes."),
        )
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut body = body;
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(0);
    let mut whole = Buffer::with_capacity(context.account(), declared)?;
    let patience = context.snapshot.public.read_timeout;
    let least = least_within(patience);
    let (mut deadline, mut expected) = (Instant::now() + patience, least);
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(error))) => {
                return Err(Rejection::malformed("body_cut", "The request body ended early.")
                    .because(error.to_string()));
            }
            Err(_) if whole.len() >= expected => {
                (deadline, expected) = (deadline + patience, whole.len() + least);
                continue;
            }
            Err(_) => {
                return Err(Rejection::malformed("body_too_slow", "The request body arrives too slowly."));
            }
        };
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > limit {
                return Err(too_large());
            }
            whole.extend(&data)?;
        }
    }
}

fn least_within(patience: Duration) -> usize {
    usize::try_from(patience.as_secs().max(1).saturating_mul(LEAST_PER_SECOND)).unwrap_or(usize::MAX)
}

/// Takes in a body that nobody will read, for a while. If it comes whole, its connection can go on; else that ends
/// with the answer, and takes in the rest behind it.
///
/// A client that asks first (`Expect`) has sent nothing yet and is not `invited` to.
pub(crate) async fn discard(invited: bool, mut body: Incoming) {
    if body.is_end_stream() || !invited || body.size_hint().lower() > DISCARDED as u64 {
        return;
    }
    let whole = async {
        let mut left = DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DISCARD_WITHIN, whole).await;
}
