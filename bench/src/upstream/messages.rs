//! `POST /v1/messages`.

use bytes::Bytes;
use http::{Response, StatusCode};
use memchr::memmem;

use super::Pace;
use super::reply::{Reply, events, json};
use super::stream::EventStream;
use crate::payload::PACED_MODEL;

/// A reply of about 3 KB; made once, when the program is built.
const MESSAGE: &str = include_str!("message.json");

/// A streamed reply has as many text events as the request allows tokens.
///
/// The body is searched and not parsed: what is asked here is always one of our own payloads, and reading 48 KB of
/// JSON would cost more than the proxies that are measured.
pub(super) fn answer(body: &[u8], pace: Pace) -> Response<Reply> {
    if memmem::find(body, b"\"stream\":true").is_none() {
        return json(StatusCode::OK, Bytes::from_static(MESSAGE.as_bytes()));
    }
    let Some(tokens) = max_tokens(body) else {
        let error = r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}}"#;
        return json(StatusCode::BAD_REQUEST, error);
    };
    let is_paced = memmem::find(body, PACED_MODEL.as_bytes()).is_some();
    events(EventStream::new(tokens, is_paced.then_some(pace)))
}

fn max_tokens(body: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"\"max_tokens\":";
    let value = body.get(memmem::find(body, KEY)? + KEY.len()..)?;
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}
