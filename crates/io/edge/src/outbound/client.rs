//! The pooled client that carries calls to upstreams.
//!
//! It follows no redirect, reads no proxy from the environment, and sends only what it is given. A call goes where a
//! permit leads: code that skipped policy cannot reach an upstream.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CONNECTION, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{self, PathAndQuery};
use http::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use gatehouse_config::snapshot::mcp::Connection;

use crate::memory::Memory;
use crate::outbound::coding::{Received, ask_for_identity};
use crate::permit::Destination;
use crate::rejection::{Rejection, RejectionKind};
use crate::server::body::Body;

/// How connections are made and kept where nothing is configured.
pub(super) const USUAL: Connection = Connection {
    dial_timeout: Duration::from_secs(5),
    keep_alive: Duration::from_secs(15),
    max_idle: MOST_IDLE,
};
/// How long an idle connection is kept; shorter than what common servers do, so that they do not close it first.
const IDLE: Duration = Duration::from_secs(50);
/// How many are kept for one host: those of a steady stream of requests, not one for each of a burst that is over.
const MOST_IDLE: u32 = 100;
/// How much of an answer is read before its reader has taken the last piece: what a slow client can make us hold. No more
/// than what the allocator keeps at hand for each thread, or streams spend a twelfth of their time on getting it anew.
const READ_AHEAD: usize = 32 * 1024;

/// Headers that belong to one connection and never travel on (RFC 9110 §7.6.1).
static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A request to an upstream, which the permitted act names.
pub struct OutboundRequest {
    /// The method.
    pub method: Method,
    /// What is asked for there.
    pub path: PathAndQuery,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// Sends requests to upstreams.
///
/// Nothing goes out without a permit, nor elsewhere than it says:
///
/// ```compile_fail,E0308
/// use gatehouse_edge::outbound::client::{OutboundRequest, UpstreamClient};
///
/// async fn elsewhere(client: &UpstreamClient, request: OutboundRequest) {
///     let url: url::Url = "https://elsewhere.example".parse().unwrap();
///     let _ = client.send(&url, request, std::time::Duration::from_secs(1)).await;
/// }
/// ```
#[derive(Clone)]
pub struct UpstreamClient {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    memory: Memory,
}

impl UpstreamClient {
    /// A client with an empty pool, whose decoders of coded answers are counted in `memory`.
    #[expect(clippy::disallowed_types, reason = "this is the one place that builds the data-plane client")]
    pub fn new(tls: &Arc<rustls::ClientConfig>, connection: &Connection, memory: Memory) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connection.dial_timeout));
        http.set_keepalive(Some(connection.keep_alive));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.as_ref().clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let mut builder: hyper_util::client::legacy::Builder = Client::builder(TokioExecutor::new());
        builder
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(usize::try_from(connection.max_idle).unwrap_or(usize::MAX))
            .pool_timer(TokioTimer::new())
            .retry_canceled_requests(true)
            .http1_max_buf_size(READ_AHEAD);
        Self { client: builder.build(https), memory }
    }

    /// Sends `request` to where a permitted act leads, and waits at most `first_byte` for the head of the answer. The
    /// body is streamed.
    ///
    /// Hop-by-hop headers are removed from the request and from the answer. The answer is asked for without any coding,
    /// and has none when it is given back. Dropping the returned future or body
    /// cancels the upstream call.
    pub async fn send(
        &self,
        to: &Destination,
        request: OutboundRequest,
        first_byte: Duration,
    ) -> Result<Response<Received>, Rejection> {
        let host = to.authority().as_str();
        match tokio::time::timeout(first_byte, self.client.request(request.into_http(to)?)).await {
            Ok(Ok(response)) => {
                let (mut head, body) = response.into_parts();
                // The coding first: an answer that calls it a matter of this hop is coded all the same.
                let body = Received::begin(&mut head.headers, body, &self.memory, host);
                strip_hop_by_hop(&mut head.headers);
                Ok(Response::from_parts(head, body))
            }
            Ok(Err(error)) => Err(Rejection::new(
                RejectionKind::UpstreamFailed,
                "upstream_unreachable",
                "The upstream could not be reached.",
            )
            .because(format!("{host}: {}", chain(&error)))),
            Err(_) => Err(Rejection::new(
                RejectionKind::UpstreamTimeout,
                "upstream_timeout",
                "The upstream did not answer in time.",
            )
            .because(format!("{host}: no answer within {first_byte:?}"))),
        }
    }
}

impl OutboundRequest {
    fn into_http(self, to: &Destination) -> Result<Request<Body>, Rejection> {
        let mut parts = uri::Parts::default();
        (parts.scheme, parts.authority) = (Some(to.scheme().clone()), Some(to.authority().clone()));
        parts.path_and_query = Some(self.path);
        let uri = Uri::from_parts(parts)
            .map_err(|error| Rejection::internal("upstream_request", error.to_string()))?;
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        strip_hop_by_hop(request.headers_mut());
        ask_for_identity(request.headers_mut());
        Ok(request)
    }
}

/// Removes the headers that end at this hop, including those that `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
