//! Bodies in and out.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::rejection::{Rejection, RejectionKind};

/// What can go wrong inside a body after its head was sent.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A response body: whole bytes or a stream of frames.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// How long a body may take before it must have kept up with 1 KiB per second.
const PATIENCE: Duration = Duration::from_secs(30);
/// What each KiB that has arrived adds to that.
const SECOND_PER_KIB: Duration = Duration::from_secs(1);

/// No content.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// One piece of content with a known length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Reads a whole request body of at most `limit` bytes.
///
/// A declared length over the limit is refused before a byte is read. Compressed bodies are refused: the caller
/// sees 415 instead of a decompression bomb reaching a parser. A body slower than 1 KiB per second is refused after
/// 30 seconds.
pub async fn read(headers: &http::HeaderMap, body: Incoming, limit: usize) -> Result<Bytes, Rejection> {
    if let Some(encoding) = headers.get(http::header::CONTENT_ENCODING)
        && encoding != "identity"
    {
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
    let mut whole = BytesMut::with_capacity(usize::try_from(body.size_hint().lower()).unwrap_or(0));
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(error))) => {
                return Err(Rejection::malformed("body_cut", "The request body ended early.")
                    .because(error.to_string()));
            }
            Err(_) => {
                return Err(Rejection::malformed("body_too_slow", "The request body arrives too slowly."));
            }
        };
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > limit {
                return Err(too_large());
            }
            deadline += SECOND_PER_KIB * u32::try_from(data.len() / 1024).unwrap_or(u32::MAX);
            whole.extend_from_slice(&data);
        }
    }
}
