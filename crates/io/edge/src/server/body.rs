//! Bodies in and out.

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::rejection::{Rejection, RejectionKind};

/// What can go wrong inside a body after its head was sent.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A response body: whole bytes or a stream of frames.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

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
/// sees 415 instead of a decompression bomb reaching a parser.
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
        Rejection::new(RejectionKind::TooLarge, "body_too_large", format!("The request body exceeds {limit} bytes."))
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Rejection::malformed("body_cut", "The request body ended early.").because(error.to_string())),
    }
}
