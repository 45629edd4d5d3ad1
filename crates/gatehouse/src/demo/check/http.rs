//! A small HTTP client that keeps cookies and follows nothing by itself.

use axum::http::header::{CONNECTION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use futures_util::future::join;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use url::Url;

use super::story::Mismatch;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// Largest answer, in bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// A client with a cookie jar. Every request has a connection of its own.
#[derive(Default)]
pub(super) struct Client {
    cookies: Vec<(String, String)>,
}

/// A request to be sent.
pub(super) struct Call {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("{0} is not an http URL with a host")]
    Url(Url),
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    #[error("a header cannot be sent: {0}")]
    Header(#[from] axum::http::header::InvalidHeaderValue),
    #[error("the answer broke off: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

impl Call {
    pub(super) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: Bytes::new() }
    }

    pub(super) fn form(url: Url, fields: &[(String, String)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            form.append_pair(name, value);
        }
        let kind = (CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned());
        Self { method: Method::POST, url, headers: vec![kind], body: form.finish().into() }
    }

    pub(super) fn json(url: Url, body: &Value) -> Self {
        let kind = (CONTENT_TYPE, "application/json".to_owned());
        Self { method: Method::POST, url, headers: vec![kind], body: body.to_string().into() }
    }

    /// With one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }
}

impl Client {
    /// Sends `call` and reads the whole answer.
    pub(super) async fn send(&mut self, call: Call) -> Result<Answer, Mismatch> {
        let what = format!("an answer to {} {}", call.method, call.url.path());
        let answer = timeout(PATIENCE, self.exchange(call)).await.unwrap_or(Err(Failure::Late));
        let answer = answer.map_err(|failure| Mismatch::new(what, failure))?;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().unwrap_or_default());
        }
        Ok(answer)
    }

    /// The values of all cookies.
    pub(super) fn cookies(&self) -> impl Iterator<Item = &str> {
        self.cookies.iter().map(|(_, value)| value.as_str())
    }

    async fn exchange(&self, call: Call) -> Result<Answer, Failure> {
        let (Some(host), Some(port), "http") =
            (call.url.host_str(), call.url.port_or_known_default(), call.url.scheme())
        else {
            return Err(Failure::Url(call.url));
        };
        let stream = TcpStream::connect((host, port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let target = call
            .url
            .query()
            .map_or_else(|| call.url.path().to_owned(), |query| format!("{}?{query}", call.url.path()));
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = target.parse().map_err(|_| Failure::Url(call.url.clone()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&format!("{host}:{port}"))?);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if !self.cookies.is_empty() {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.insert(COOKIE, HeaderValue::from_str(&cookies.join("; "))?);
        }
        for (name, value) in call.headers {
            headers.append(name, HeaderValue::from_str(&value)?);
        }
        let exchange = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(Failure::Body)?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let (answer, _closed) = join(exchange, connection).await;
        answer
    }

    /// Puts a `Set-Cookie` value into the jar, or takes the cookie out when it has expired.
    fn keep(&mut self, cookie: &str) {
        let mut parts = cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        self.cookies.retain(|(known, _)| known != name);
        let expired = parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0"));
        if !expired && !value.is_empty() {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

impl Answer {
    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header that is there once.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    /// The answer, when it has this status.
    pub(super) fn with_status(self, expected: u16) -> Result<Self, Mismatch> {
        if self.status.as_u16() == expected {
            return Ok(self);
        }
        Err(Mismatch::new(format!("status {expected}"), format!("{} {}", self.status, self.text())))
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Mismatch> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Mismatch::new("JSON", format!("{} {}", self.status, self.text())))
    }
}

/// Reads `text` as a URL, relative to `base`.
pub(super) fn join_url(base: &Url, text: &str) -> Result<Url, Mismatch> {
    base.join(text).map_err(|error| Mismatch::new("a URL", format!("`{text}`: {error}")))
}

/// Reads `text` as an absolute URL.
pub(super) fn url(text: &str) -> Result<Url, Mismatch> {
    Url::parse(text).map_err(|error| Mismatch::new("a URL", format!("`{text}`: {error}")))
}

#[cfg(test)]
mod tests;
