//! Answers on the wire: one JSON message, or an event stream of progress that ends in one.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::Response;
use http::header::{HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::time::{Duration, timeout};

use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::{Body, BodyError};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_mcp::sse::{Event, KEEP_ALIVE};

use crate::answer::{Message, dress, sendable};

/// How long a stream may be quiet before a comment shows that it is alive.
const QUIET: Duration = Duration::from_secs(15);
/// One thing that the client is told of a call.
pub(crate) enum CallEvent {
    /// A progress notification.
    Progress(String),
    /// The response, which ends the call.
    Answer(Message),
}

/// What the client is told of a call, up to its answer. Dropping it cancels the call.
pub(crate) type Events = Pin<Box<dyn Stream<Item = CallEvent> + Send>>;

/// What a request is answered with.
pub(crate) enum Reply {
    /// One message.
    Message(Message),
    /// Progress first, the message at the end.
    Stream {
        /// The progress that decided for a stream.
        first: String,
        /// What more there is to come.
        rest: Events,
    },
    /// Nothing of it is served now, in the words of HTTP: the client is to come back later.
    Refused(Rejection),
}

impl Reply {
    pub(crate) fn into_outcome(self) -> Outcome {
        Ok(match self {
            Self::Refused(rejection) => return Err(rejection),
            Self::Message(message) => message.into_response(),
            Self::Stream { first, rest } => {
                let mut response = Response::new(relay(first, rest));
                dress(&mut response, "text/event-stream");
                let buffering = HeaderName::from_static("x-accel-buffering");
                response.headers_mut().insert(buffering, HeaderValue::from_static("no"));
                response
            }
        })
    }
}

/// Where a stream stands.
enum Pump {
    First(String, Events),
    Running(Events),
    Done,
}

fn relay(first: String, rest: Events) -> Body {
    let frames = stream::unfold(Pump::First(first, rest), |pump| async move {
        let (text, next) = match pump {
            Pump::First(first, rest) => (event(first), Pump::Running(rest)),
            Pump::Running(mut rest) => match timeout(QUIET, rest.next()).await {
                Err(_) => (KEEP_ALIVE.to_owned(), Pump::Running(rest)),
                Ok(Some(CallEvent::Progress(progress))) => (event(progress), Pump::Running(rest)),
                Ok(Some(CallEvent::Answer(Message { json, held, .. }))) => {
                    let last = sendable(event(json), held);
                    return Some((Ok(Frame::data(last)), Pump::Done));
                }
                Ok(None) => return None,
            },
            Pump::Done => return None,
        };
        Some((Ok::<_, BodyError>(Frame::data(Bytes::from(text))), next))
    });
    StreamBody::new(frames).boxed_unsync()
}

fn event(json: String) -> String {
    // Only `event` and `id` fields can be refused, and there are none.
    Event::data(json).encode().unwrap_or_default()
}
