//! One request to an upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use tokio::time::Instant;
use url::{Position, Url};

use gatehouse_edge::memory::{Holder, Memory};
use gatehouse_edge::outbound::client::{OutboundRequest, UpstreamClient};
use gatehouse_edge::outbound::delegate::OutboundCredential;
use gatehouse_edge::permit::Destination;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body;
use gatehouse_mcp::mirror::SESSION_ID;
use gatehouse_mcp::upstream::UpstreamRequest;

use super::answer_reader::AnswerReader;
use super::{Timeouts, failed};

const AGENT: &str = concat!("gatehouse/", env!("CARGO_PKG_VERSION"));

/// How to reach one MCP server on one occasion, and until when.
pub(crate) struct Wire {
    pub(crate) line: Arc<Line>,
    pub(crate) deadline: Deadline,
}

/// How to reach one MCP server on one occasion.
pub(crate) struct Line {
    pub(crate) client: UpstreamClient,
    /// Where the permitted act leads.
    pub(crate) to: Destination,
    pub(crate) url: Url,
    pub(crate) path: PathAndQuery,
    pub(crate) credential: OutboundCredential,
    pub(crate) traceparent: String,
    pub(crate) refusal: Refusal,
    pub(crate) room: Room,
}

/// What answers may take.
pub(crate) struct Room {
    pub(crate) memory: Memory,
    /// The app that it is counted for.
    pub(crate) holder: Holder,
    /// The largest answer in bytes, all its events together.
    pub(crate) largest: usize,
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

impl Refusal {
    /// The server may have done what it was asked to, whatever it says next.
    pub(crate) fn doubt(&self) {
        self.doubtful.store(true, Ordering::Relaxed);
    }

    /// What was taken for a refusal was about a session.
    pub(crate) fn withdraw(&self) {
        self.heard.store(false, Ordering::Relaxed);
    }

    /// Whether the credential was refused and nothing else came of the request, so that it can be sent again.
    pub(crate) fn is_all(&self) -> bool {
        self.heard.load(Ordering::Relaxed) && !self.doubtful.load(Ordering::Relaxed)
    }
}

impl Deadline {
    pub(crate) fn of_call(timeouts: Timeouts) -> Self {
        Self::new(timeouts.silence, timeouts.call)
    }

    pub(crate) fn of_listing(timeouts: Timeouts) -> Self {
        Self::new(timeouts.listing, timeouts.listing)
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

impl Wire {
    /// Posts one message, in `session` if there is one.
    pub(crate) async fn post(
        &self,
        message: UpstreamRequest,
        session: Option<&str>,
    ) -> Result<AnswerReader, Rejection> {
        self.line.post(message, session, self.deadline.left()).await
    }
}

impl Line {
    /// Posts one message, in `session` if there is one, and waits for the head of the answer.
    pub(crate) async fn post(
        &self,
        message: UpstreamRequest,
        session: Option<&str>,
        wait: Duration,
    ) -> Result<AnswerReader, Rejection> {
        let mut headers = HeaderMap::with_capacity(message.headers.len() + 6);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        for (name, value) in &message.headers {
            headers.append(header_name(name)?, header_value(value)?);
        }
        if let Some(session) = session {
            headers.insert(HeaderName::from_static(SESSION_ID), header_value(session)?);
        }
        dress(&mut headers, &self.credential, &self.traceparent)?;
        let (path, body) = (self.path.clone(), body::full(message.body));
        let request = OutboundRequest { method: Method::POST, path, headers, body };
        let response = self.client.send(&self.to, request, wait).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.refusal.heard.store(true, Ordering::Relaxed);
        }
        if response.status().is_success() {
            response.body().check()?;
        }
        let Room { memory, holder, largest } = &self.room;
        AnswerReader::begin(response, memory.account(holder), *largest)
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
    headers.insert(HeaderName::from_static("traceparent"), header_value(traceparent)?);
    let (name, mut value) = match credential {
        OutboundCredential::None => return Ok(()),
        OutboundCredential::Bearer(token) => {
            (AUTHORIZATION, header_value(&["Bearer ", token.token.expose()].concat())?)
        }
        OutboundCredential::Header { name, value } => (header_name(name)?, header_value(value.expose())?),
    };
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Path and query of a URL.
pub(crate) fn path_of(url: &Url) -> Result<PathAndQuery, Rejection> {
    let text = &url[Position::BeforePath..Position::AfterQuery];
    text.parse()
        .map_err(|_| Rejection::internal("upstream_request", format!("no request can ask for {text:?}")))
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
