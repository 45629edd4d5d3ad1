//! The bodies of replies.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::stream::EventStream;

/// Whole, or event by event.
pub(super) enum Reply {
    /// `None` once it is sent.
    Whole(Option<Bytes>),
    Stream(EventStream),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(events) => {
                events.poll_next(context).map(|event| event.map(|event| Ok(Frame::data(event))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Reply> {
    reply(status, "application/json", Reply::Whole(Some(body.into())))
}

pub(super) fn text(status: StatusCode, body: &'static str) -> Response<Reply> {
    reply(status, "text/plain", Reply::Whole(Some(Bytes::from_static(body.as_bytes()))))
}

pub(super) fn events(stream: EventStream) -> Response<Reply> {
    reply(StatusCode::OK, "text/event-stream; charset=utf-8", Reply::Stream(stream))
}

fn reply(status: StatusCode, content_type: &'static str, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("request-id", HeaderValue::from_static("req_011CSHoEeqs5C35K2UUqR7Fy"));
    response
}
