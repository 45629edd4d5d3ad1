//! Small documents and form posts: discovery, key sets, client metadata, token endpoints.
//!
//! No redirects, no ambient proxy, no cookies; the address that was checked is the address that
//! is connected to (RFC 9728 §7.7, Client ID Metadata Documents §6).

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use http::request::Builder;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Origin, Url};

use gatehouse_config::snapshot::discovery::Discovery;

use crate::memory::Memory;
use crate::outbound::coding::{Received, Unreadable, ask_for_identity};
use crate::outbound::guard::{AddressGuard, Blocked};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a whole exchange may take.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How much is read beyond what is taken, and so of a head without end.
const READ_AHEAD: usize = 64 * 1024;

/// On whose word a URL is fetched.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The operator's: these origins stand in the configuration. Internal addresses and plain HTTP are fine there;
    /// any other origin is treated as [`Trust::Public`].
    Configured(Vec<Origin>),
    /// Anybody's: https and public addresses only.
    Public,
}

impl Trust {
    /// Trust in the origin of a metadata document, and in those that the operator lets it name.
    pub fn configured(discovery: &Discovery) -> Self {
        Self::Configured(discovery.allowed.iter().cloned().chain([discovery.url.origin()]).collect())
    }

    fn covers(&self, url: &Url) -> bool {
        matches!(self, Self::Configured(origins) if origins.contains(&url.origin()))
    }

    /// An internal address that a metadata document names is the operator's business, and says how to allow it.
    fn refuse(&self, url: &Url, blocked: Blocked) -> FetchError {
        match self {
            Self::Public => FetchError::Blocked(blocked),
            Self::Configured(_) => {
                FetchError::Undeclared { origin: url.origin().ascii_serialization(), blocked }
            }
        }
    }
}

/// Fetches documents.
#[derive(Clone)]
pub struct Fetcher {
    guard: AddressGuard,
    names: Names,
    tls: TlsConnector,
    memory: Memory,
}

/// Who knows the addresses of names.
#[derive(Clone)]
enum Names {
    /// The system's resolver.
    System,
    /// A script, one answer after the other.
    #[cfg(test)]
    Scripted(Arc<tests::Script>),
}

/// A fetched document.
#[derive(Debug)]
pub struct Document {
    /// The body.
    pub bytes: Bytes,
    /// How long it may be kept, from `Cache-Control: max-age`.
    pub max_age: Option<Duration>,
}

/// A document that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is not https where it must be, carries credentials or has no host.
    #[error(
        "{0} cannot be fetched: only https URLs with a host and without user information, and http ones of loopback \
         hosts that the configuration names"
    )]
    Url(Box<Url>),
    /// The address guard said no.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The address guard said no to what a metadata document of the configuration names.
    #[error(
        "a metadata document names {origin}, but {blocked}; if that host is meant, write it under `allowedHosts`, beside \
         the URL of the document"
    )]
    Undeclared {
        /// What the document names.
        origin: String,
        /// What the guard said.
        blocked: Blocked,
    },
    /// Connecting or talking failed.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// The host.
        host: String,
        /// What failed.
        why: String,
    },
    /// It took too long.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// Another status than 200; redirects are not followed.
    #[error("{url} answered {status}")]
    Status {
        /// The URL.
        url: Box<Url>,
        /// The status.
        status: StatusCode,
    },
    /// Not JSON by its media type.
    #[error("{url} answered with media type {found:?} instead of JSON")]
    NotJson {
        /// The URL.
        url: Box<Url>,
        /// Its `Content-Type`.
        found: String,
    },
    /// The body is longer than the limit or was cut.
    #[error("{0} answered with a body that is too long or was cut")]
    Body(Box<Url>),
    /// The body is coded, and not in a way that is known here.
    #[error("{url} cannot be read: {why}")]
    Coded {
        /// The URL.
        url: Box<Url>,
        /// What is wrong.
        why: Unreadable,
    },
}

impl Fetcher {
    /// A fetcher that trusts the certificate authorities of `tls`, and counts in `memory` what decoders of coded answers
    /// take.
    pub fn new(tls: Arc<rustls::ClientConfig>, memory: Memory) -> Self {
        Self { guard: AddressGuard::new(), names: Names::System, tls: TlsConnector::from(tls), memory }
    }

    /// Gets a JSON document of at most `limit` bytes.
    pub async fn get_json(&self, url: &Url, trust: &Trust, limit: usize) -> Result<Document, FetchError> {
        self.get(url, trust, None, limit).await
    }

    /// Gets a JSON document of at most `limit` bytes that is shown to whoever has the bearer token of `authorization`.
    pub async fn get_json_as(
        &self,
        url: &Url,
        trust: &Trust,
        authorization: HeaderValue,
        limit: usize,
    ) -> Result<Document, FetchError> {
        self.get(url, trust, Some(authorization), limit).await
    }

    async fn get(
        &self,
        url: &Url,
        trust: &Trust,
        authorization: Option<HeaderValue>,
        limit: usize,
    ) -> Result<Document, FetchError> {
        let request = Request::get(path_and_query(url)).header(ACCEPT, "application/json");
        let request = with_authorization(request, authorization).body(Full::default());
        let (head, bytes) = Box::pin(self.exchange(url, trust, request, limit)).await?;
        if head.status() != StatusCode::OK {
            return Err(FetchError::Status { url: Box::new(url.clone()), status: head.status() });
        }
        let media_type = head.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        if !gatehouse_wire::media_type::is_json(media_type) {
            return Err(FetchError::NotJson { url: Box::new(url.clone()), found: media_type.to_owned() });
        }
        Ok(Document { bytes, max_age: max_age(&head) })
    }

    /// Posts a form and returns status and body, whatever the status is.
    pub async fn post_form(
        &self,
        url: &Url,
        trust: &Trust,
        form: String,
        authorization: Option<HeaderValue>,
        limit: usize,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let request = Request::post(path_and_query(url))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = with_authorization(request, authorization).body(Full::from(form));
        let (head, bytes) = Box::pin(self.exchange(url, trust, request, limit)).await?;
        Ok((head.status(), bytes))
    }

    async fn exchange(
        &self,
        url: &Url,
        trust: &Trust,
        request: http::Result<Request<Full<Bytes>>>,
        limit: usize,
    ) -> Result<(Response<()>, Bytes), FetchError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreachable = |why: String| FetchError::Unreachable { host: host.clone(), why };
        let mut request = request.map_err(|error| unreachable(error.to_string()))?;
        let authority = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let authority = HeaderValue::from_str(&authority).map_err(|error| unreachable(error.to_string()))?;
        request.headers_mut().insert(HOST, authority);
        ask_for_identity(request.headers_mut());
        let work = async {
            let stream = self.connect(url, trust).await?;
            let talk = if url.scheme() == "https" {
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
                    .map_err(|error| unreachable(error.to_string()))?;
                let stream =
                    self.tls.connect(name, stream).await.map_err(|error| unreachable(error.to_string()))?;
                converse(stream, request, (&self.memory, &host), limit).await
            } else {
                converse(stream, request, (&self.memory, &host), limit).await
            };
            talk.map_err(|failed| match failed {
                Failed::Http(error) => unreachable(error.to_string()),
                Failed::Body => FetchError::Body(Box::new(url.clone())),
                Failed::Coded(why) => FetchError::Coded { url: Box::new(url.clone()), why },
            })
        };
        tokio::time::timeout(TOTAL_TIMEOUT, work).await.map_err(|_| FetchError::Timeout(host.clone()))?
    }

    async fn connect(&self, url: &Url, trust: &Trust) -> Result<TcpStream, FetchError> {
        let refuse = || FetchError::Url(Box::new(url.clone()));
        let configured = trust.covers(url);
        let blocked = |blocked| trust.refuse(url, blocked);
        let scheme_fits = url.scheme() == "https" || (configured && url.scheme() == "http");
        let host =
            url.host().filter(|_| scheme_fits && url.username().is_empty() && url.password().is_none());
        let (host, port) = host.zip(url.port_or_known_default()).ok_or_else(refuse)?;
        let name = host.to_string();
        let unreachable =
            |error: std::io::Error| FetchError::Unreachable { host: name.clone(), why: error.to_string() };
        if !configured {
            self.guard.check_name(&name).map_err(blocked)?;
        }
        let resolved = self.names.resolve(&host, port).await.map_err(unreachable)?;
        if !configured {
            self.guard.check_all(&resolved).map_err(blocked)?;
        }
        let mut failure = FetchError::Blocked(Blocked::NoAddress(name.clone()));
        for address in resolved {
            match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) if configured => return Ok(stream),
                Ok(Ok(stream)) => {
                    self.guard.check(stream.peer_addr().map_err(unreachable)?.ip()).map_err(blocked)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = unreachable(error),
                Err(_) => failure = FetchError::Timeout(name.clone()),
            }
        }
        Err(failure)
    }
}

impl Names {
    /// Every address of `host`, looked up once: what is checked is what is connected to.
    async fn resolve(&self, host: &Host<&str>, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let name = match host {
            Host::Ipv4(ip) => return Ok(vec![SocketAddr::new(IpAddr::V4(*ip), port)]),
            Host::Ipv6(ip) => return Ok(vec![SocketAddr::new(IpAddr::V6(*ip), port)]),
            Host::Domain(name) => *name,
        };
        match self {
            Self::System => Ok(tokio::net::lookup_host((name, port)).await?.collect()),
            #[cfg(test)]
            Self::Scripted(script) => Ok(script.next(port)),
        }
    }
}

enum Failed {
    Http(hyper::Error),
    Body,
    Coded(Unreadable),
}

/// One request on one connection, which ends with it.
async fn converse<IO>(
    stream: IO,
    request: Request<Full<Bytes>>,
    (memory, host): (&Memory, &str),
    limit: usize,
) -> Result<(Response<()>, Bytes), Failed>
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(READ_AHEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Failed::Http)?;
    let talk = async {
        let (mut head, body) = sender.send_request(request).await.map_err(Failed::Http)?.into_parts();
        let body = Received::begin(&mut head.headers, body, memory, host);
        body.check().map_err(Failed::Coded)?;
        let bytes = Limited::new(body, limit).collect().await.map_err(|_| Failed::Body)?.to_bytes();
        Ok((Response::from_parts(head, ()), bytes))
    };
    match select(pin!(talk), pin!(connection)).await {
        Either::Left((talked, _)) => talked,
        Either::Right((_, talk)) => talk.await,
    }
}

fn with_authorization(request: Builder, authorization: Option<HeaderValue>) -> Builder {
    match authorization {
        None => request,
        Some(mut authorization) => {
            authorization.set_sensitive(true);
            request.header(AUTHORIZATION, authorization)
        }
    }
}

fn path_and_query(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

fn max_age(response: &Response<()>) -> Option<Duration> {
    let value = response.headers().get(CACHE_CONTROL)?.to_str().ok()?.to_ascii_lowercase();
    if value.contains("no-store") || value.contains("no-cache") {
        return Some(Duration::ZERO);
    }
    value
        .split(',')
        .find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
        .map(Duration::from_secs)
}

#[cfg(test)]
pub(crate) mod tests;
