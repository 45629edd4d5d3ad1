//! One request to an upstream and the messages that come back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, USER_AGENT,
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use url::Url;

use gatehouse_edge::authorize::Permit;
use gatehouse_edge::outbound::client::UpstreamClient;
use gatehouse_edge::outbound::delegate::OutboundCredential;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body;
use gatehouse_mcp::mirror::SESSION_ID;
use gatehouse_mcp::sse::Decoder;
use gatehouse_mcp::upstream::UpstreamRequest;

use super::{failed, unusable};
use crate::Patience;

/// The most that one answer may hold, all its events together.
pub(crate) const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
const AGENT: &str = concat!("gatehouse/", env!("CARGO_PKG_VERSION"));

/// How to reach one MCP server on one occasion, and until when.
pub(crate) struct Wire<P> {
    pub(crate) line: Arc<Line<P>>,
    pub(crate) deadline: Deadline,
}

/// How to reach one MCP server on one occasion.
pub(crate) struct Line<P> {
    pub(crate) client: UpstreamClient,
    pub(crate) permit: Arc<Permit<P>>,
    pub(crate) url: Url,
    pub(crate) credential: OutboundCredential,
    pub(crate) traceparent: String,
    pub(crate) refusal: Refusal,
}

/// Whether the server has turned our credential down.
#[derive(Default)]
pub(crate) struct Refusal {
    heard: AtomicBool,
    /// Something else was answered before that may have been more than a refusal.
    doubtful: AtomicBool,
}

/// Until when an upstream is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    silence: Duration,
    silent_until: Instant,
    end: Instant,
}

/// An answer under way.
pub(crate) struct Hearing {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `Mcp-Session-Id`, when there is a usable one.
    pub(crate) session: Option<String>,
    body: Incoming,
    form: Form,
    bytes: usize,
    /// Messages that were received and not yet taken.
    ready: VecDeque<Vec<u8>>,
}

enum Form {
    /// One JSON text.
    Whole(Vec<u8>),
    /// Server-sent events.
    Events(Box<Decoder>),
    /// Everything was received.
    Over,
}

impl Refusal {
    /// The server may have done what it was asked to, whatever it says next.
    pub(crate) fn doubt(&self) {
        self.doubtful.store(true, Ordering::Relaxed);
    }

    /// Whether the credential was refused and nothing else came of the request, so that it can be sent again.
    pub(crate) fn is_all(&self) -> bool {
        self.heard.load(Ordering::Relaxed) && !self.doubtful.load(Ordering::Relaxed)
    }
}

impl Deadline {
    pub(crate) fn of_call(patience: Patience) -> Self {
        Self::new(patience.silence, patience.call)
    }

    pub(crate) fn of_listing(patience: Patience) -> Self {
        Self::new(patience.listing, patience.listing)
    }

    fn new(silence: Duration, whole: Duration) -> Self {
        let now = Instant::now();
        Self { silence, silent_until: now + silence, end: now + whole }
    }

    /// When to give up if nothing is heard.
    pub(crate) fn next(&self) -> Instant {
        self.silent_until.min(self.end)
    }

    /// The upstream gave a sign of life.
    pub(crate) fn heard(&mut self) {
        self.silent_until = Instant::now() + self.silence;
    }

    pub(crate) fn left(&self) -> Duration {
        self.next().saturating_duration_since(Instant::now())
    }
}

impl<P> Wire<P> {
    /// Posts one message, in `session` if there is one.
    pub(crate) async fn post(
        &self,
        message: UpstreamRequest,
        session: Option<&str>,
    ) -> Result<Hearing, Rejection> {
        self.line.post(message, session, self.deadline.left()).await
    }
}

impl<P> Line<P> {
    /// Posts one message, in `session` if there is one, and waits for the head of the answer.
    pub(crate) async fn post(
        &self,
        message: UpstreamRequest,
        session: Option<&str>,
        wait: Duration,
    ) -> Result<Hearing, Rejection> {
        let unsendable = |error: http::Error| Rejection::internal("upstream_request", error.to_string());
        let mut request =
            Request::post(self.url.as_str()).body(body::full(message.body)).map_err(unsendable)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        for (name, value) in &message.headers {
            headers.append(header_name(name)?, header_value(value)?);
        }
        if let Some(session) = session {
            headers.insert(HeaderName::from_static(SESSION_ID), header_value(session)?);
        }
        dress(headers, &self.credential, &self.traceparent)?;
        let response = self.client.send(&self.permit, request, wait).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.refusal.heard.store(true, Ordering::Relaxed);
        }
        Hearing::begin(response)
    }
}

impl Hearing {
    fn begin(response: Response<Incoming>) -> Result<Self, Rejection> {
        let (head, body) = response.into_parts();
        check_encoding(&head.headers)?;
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let events = text(CONTENT_TYPE.as_str())
            .and_then(|kind| kind.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"));
        let form = if events { Form::Events(Box::default()) } else { Form::Whole(Vec::new()) };
        let visible =
            |id: &&str| (1..=1024).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        let session = text(SESSION_ID).filter(visible).map(str::to_owned);
        Ok(Self { status: head.status.as_u16(), session, body, form, bytes: 0, ready: VecDeque::new() })
    }

    /// The next message, `None` after the last. Giving up waiting loses nothing.
    pub(crate) async fn next(&mut self, give_up: Instant) -> Result<Option<Vec<u8>>, Rejection> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            if matches!(self.form, Form::Over) {
                return Ok(None);
            }
            match timeout_at(give_up, self.body.frame()).await {
                Err(_) => return Err(too_slow()),
                Ok(Some(Err(error))) => {
                    return Err(unusable("upstream_cut", "broke off its answer").because(error.to_string()));
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.take(&data)?;
                    }
                }
                Ok(None) => {
                    if let Form::Whole(whole) = std::mem::replace(&mut self.form, Form::Over)
                        && !whole.is_empty()
                    {
                        self.ready.push_back(whole);
                    }
                }
            }
        }
    }

    /// Whether there is a message that was received and not taken.
    pub(crate) fn is_heard(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Puts a message back to be taken next.
    pub(crate) fn put_back(&mut self, message: Vec<u8>) {
        self.ready.push_front(message);
    }

    fn take(&mut self, data: &Bytes) -> Result<(), Rejection> {
        self.bytes += data.len();
        if self.bytes > LARGEST_ANSWER {
            return Err(unusable(
                "upstream_too_large",
                &format!("answered more than {LARGEST_ANSWER} bytes"),
            ));
        }
        match &mut self.form {
            Form::Whole(whole) => whole.extend_from_slice(data),
            Form::Events(decoder) => {
                let broken = |error: gatehouse_mcp::sse::DecodeError| {
                    unusable("upstream_garbage", "sent an event stream that cannot be read")
                        .because(error.to_string())
                };
                // Events without data open a stream and say nothing.
                let events = decoder.push(data).map_err(broken)?.into_iter();
                self.ready.extend(
                    events.filter(|event| !event.data.is_empty()).map(|event| event.data.into_bytes()),
                );
            }
            Form::Over => {}
        }
        Ok(())
    }
}

/// Reads a whole answer of at most `limit` bytes; a longer one comes back cut to one byte more than that.
pub(crate) async fn read_whole(body: Incoming, limit: usize, give_up: Instant) -> Result<Vec<u8>, Rejection> {
    let mut body = body;
    let mut whole = Vec::new();
    loop {
        match timeout_at(give_up, body.frame()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(whole),
            Ok(Some(Err(error))) => {
                return Err(unusable("upstream_cut", "broke off its answer").because(error.to_string()));
            }
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                whole.extend_from_slice(&data);
                if whole.len() > limit {
                    whole.truncate(limit + 1);
                    return Ok(whole);
                }
            }
        }
    }
}

/// What every request of ours says: who sends it, in which trace, with which credential. Set last, so that nothing
/// else can speak for us.
pub(crate) fn dress(
    headers: &mut HeaderMap,
    credential: &OutboundCredential,
    traceparent: &str,
) -> Result<(), Rejection> {
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(HeaderName::from_static("traceparent"), header_value(traceparent)?);
    let (name, mut value) = match credential {
        OutboundCredential::None => return Ok(()),
        OutboundCredential::Bearer(token) => {
            (AUTHORIZATION, header_value(&format!("Bearer {}", token.token.expose()))?)
        }
        OutboundCredential::Header { name, value } => (header_name(name)?, header_value(value.expose())?),
    };
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Answers must come as they are: nothing here inflates.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Rejection> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            Err(unusable("upstream_encoded", "compressed its answer although it was asked not to"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn header_name(name: &str) -> Result<HeaderName, Rejection> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())
}

pub(crate) fn header_value(value: &str) -> Result<HeaderValue, Rejection> {
    HeaderValue::from_str(value).map_err(|_| unsendable())
}

fn unsendable() -> Rejection {
    failed("upstream_header", "The call holds a value that cannot be sent in a header.")
}

fn too_slow() -> Rejection {
    Rejection::new(
        RejectionKind::UpstreamTimeout,
        "upstream_timeout",
        "The tool's server did not answer in time.",
    )
}
