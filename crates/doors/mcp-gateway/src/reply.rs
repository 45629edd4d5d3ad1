//! Answers on the wire: one JSON message, or an event stream of progress that ends in one.

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::time::{Duration, timeout};

use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::memory::Held;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::{self, Body, BodyError};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_mcp::sse::{Event, KEEP_ALIVE};

use crate::upstream_call::{CallEvent, UpstreamCall};

/// How long a stream may be quiet before a comment shows that it is alive.
const QUIET: Duration = Duration::from_secs(15);
/// Messages beyond this are counted for the caller while they wait to be sent.
const SMALL: usize = 16 * 1024;

/// What a request is answered with.
pub(crate) enum Reply {
    /// One message.
    Message(Message),
    /// Progress first, the message at the end.
    Stream {
        /// The progress that decided for a stream.
        first: String,
        /// What more there is to come.
        upstream_call: Box<UpstreamCall>,
    },
    /// Nothing of it is served now, in the words of HTTP: the client is to come back later.
    Refused(Rejection),
}

/// One JSON-RPC response and the HTTP status that goes with it.
pub(crate) struct Message {
    pub(crate) json: String,
    pub(crate) status: u16,
    held: Option<Held>,
}

/// Text that stays counted until the last of it is sent.
struct Counted {
    text: String,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Message {
    pub(crate) fn ok(json: String) -> Self {
        Self::with_status(json, 200)
    }

    pub(crate) fn with_status(json: String, status: u16) -> Self {
        Self { json, status, held: None }
    }

    /// The same, counted for the caller unless it is small.
    pub(crate) fn counted(mut self, context: &Context<Verified>) -> Result<Self, Rejection> {
        if self.json.len() > SMALL {
            self.held = Some(context.account().hold(self.json.capacity())?);
        }
        Ok(self)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(body::full(sendable(self.json, self.held)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        dress(&mut response, "application/json");
        response
    }
}

impl Reply {
    pub(crate) fn into_outcome(self) -> Outcome {
        Ok(match self {
            Self::Refused(rejection) => return Err(rejection),
            Self::Message(message) => message.into_response(),
            Self::Stream { first, upstream_call } => {
                let mut response = Response::new(relay(first, upstream_call));
                dress(&mut response, "text/event-stream");
                let buffering = HeaderName::from_static("x-accel-buffering");
                response.headers_mut().insert(buffering, HeaderValue::from_static("no"));
                response
            }
        })
    }
}

/// Accepted, nothing to say.
pub(crate) fn accepted() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn dress(response: &mut Response<Body>, media_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Where a stream stands.
enum Pump {
    First(String, Box<UpstreamCall>),
    Running(Box<UpstreamCall>),
    Done,
}

fn relay(first: String, upstream_call: Box<UpstreamCall>) -> Body {
    let frames = stream::unfold(Pump::First(first, upstream_call), |pump| async move {
        let (text, next) = match pump {
            Pump::First(first, upstream_call) => (event(first), Pump::Running(upstream_call)),
            Pump::Running(mut upstream_call) => match timeout(QUIET, upstream_call.next()).await {
                Err(_) => (KEEP_ALIVE.to_owned(), Pump::Running(upstream_call)),
                Ok(CallEvent::Progress(progress)) => (event(progress), Pump::Running(upstream_call)),
                Ok(CallEvent::Answer(Message { json, held, .. })) => {
                    let last = sendable(event(json), held);
                    return Some((Ok(Frame::data(last)), Pump::Done));
                }
            },
            Pump::Done => return None,
        };
        Some((Ok::<_, BodyError>(Frame::data(Bytes::from(text))), next))
    });
    StreamBody::new(frames).boxed_unsync()
}

fn sendable(text: String, held: Option<Held>) -> Bytes {
    match held {
        Some(held) => Bytes::from_owner(Counted { text, _held: held }),
        None => Bytes::from(text),
    }
}

fn event(json: String) -> String {
    // Only `event` and `id` fields can be refused, and there are none.
    Event::data(json).encode().unwrap_or_default()
}
