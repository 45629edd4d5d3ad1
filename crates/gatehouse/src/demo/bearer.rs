//! How the demo's upstreams check access tokens: as any resource server would, against the published keys.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONNECTION, HOST};
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use futures_util::future::join;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::{KeySet, MAX_SET_BYTES};
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, TokenType};
use gatehouse_identity::scope::ScopeSet;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use url::Url;

const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const REFETCH_PAUSE: Duration = Duration::from_secs(5);

/// Verifies the access tokens of one issuer for one audience.
pub(crate) struct TokenVerifier {
    expected: Expectations,
    jwks_url: Url,
    clock: Arc<dyn Clock>,
    keys: Mutex<Option<Fetched>>,
}

struct Fetched {
    keys: Arc<KeySet>,
    at: Timestamp,
}

/// A caller whose access token holds.
pub(crate) struct Caller {
    claims: Arc<Map<String, Value>>,
    scopes: ScopeSet,
}

/// Why a request is not authenticated.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No bearer token at all.
    #[error("send an access token as `Authorization: Bearer`")]
    NoToken,
    /// A token that does not hold; the text is the verifier's stable code.
    #[error("the access token is refused: {0}")]
    InvalidToken(&'static str),
    /// The issuer's keys cannot be had now.
    #[error("the issuer's keys cannot be fetched: {0}")]
    NoKeys(String),
}

impl TokenVerifier {
    /// Takes tokens of `issuer` for `audience`, signed with a key published at `jwks_url` (plain http).
    pub(crate) fn new(issuer: Issuer, audience: Audience, jwks_url: Url, clock: Arc<dyn Clock>) -> Self {
        let expected = Expectations {
            issuer,
            audiences: vec![audience],
            algorithms: Algorithm::ALL.to_vec(),
            token_type: TokenType::AccessTokenStrict,
            leeway: Duration::from_secs(5),
            max_lifetime: Duration::from_hours(24),
        };
        Self { expected, jwks_url, clock, keys: Mutex::new(None) }
    }

    /// The issuer whose tokens are taken.
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.expected.issuer
    }

    /// Who sends a request with these headers.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let mut credentials = headers.get_all(AUTHORIZATION).iter();
        let (Some(credential), None) = (credentials.next(), credentials.next()) else {
            return Err(Refusal::NoToken);
        };
        let credential = credential.to_str().map_err(|_| Refusal::NoToken)?;
        let (scheme, token) = credential.split_once(' ').ok_or(Refusal::NoToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::NoToken);
        }
        let token = UnverifiedToken::parse(token).map_err(|error| Refusal::InvalidToken(error.code()))?;
        let keys = self.keys_with(token.kid()).await?;
        let verified = token
            .verify(&keys, &self.expected, self.clock.now())
            .map_err(|error| Refusal::InvalidToken(error.code()))?;
        let scope = verified.claims().get("scope").and_then(Value::as_str).unwrap_or_default();
        let scopes = ScopeSet::parse(scope).map_err(|_| Refusal::InvalidToken("scope"))?;
        Ok(Caller { claims: Arc::clone(verified.shared_claims()), scopes })
    }

    /// The issuer's keys; fetched again when `kid` is not among them, but not more often than the pause allows.
    async fn keys_with(&self, kid: Option<&str>) -> Result<Arc<KeySet>, Refusal> {
        let mut fetched = self.keys.lock().await; // held over the fetch: one fetch at a time
        let now = self.clock.now();
        if let Some(known) = &*fetched {
            let missing = kid.is_some_and(|kid| !known.keys.contains(kid));
            if !missing || now.since(known.at) < REFETCH_PAUSE {
                return Ok(Arc::clone(&known.keys));
            }
        }
        let document = tokio::time::timeout(FETCH_TIMEOUT, fetch(&self.jwks_url))
            .await
            .map_err(|_| Refusal::NoKeys("no answer in time".into()))?
            .map_err(|error| Refusal::NoKeys(error.to_string()))?;
        let keys = KeySet::parse(&document).map_err(|error| Refusal::NoKeys(error.to_string()))?;
        let keys = Arc::new(keys);
        *fetched = Some(Fetched { keys: Arc::clone(&keys), at: now });
        Ok(keys)
    }
}

impl Caller {
    /// Every claim of the token.
    pub(crate) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The claim `name` as text.
    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// Whether the token has the scope `token`.
    pub(crate) fn has_scope(&self, token: &str) -> bool {
        self.scopes.contains(token)
    }
}

impl Refusal {
    /// The HTTP status that answers it (RFC 6750 §3.1).
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::NoKeys(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `error` parameter of the challenge; a request without any token gets none.
    pub(crate) fn challenge_error(&self) -> Option<&'static str> {
        match self {
            Self::InvalidToken(_) => Some("invalid_token"),
            Self::NoToken | Self::NoKeys(_) => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0} is no http URL with a host")]
    Url(Url),
    #[error(transparent)]
    Connect(#[from] std::io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error(transparent)]
    Request(#[from] axum::http::Error),
    #[error("expected status 200; found {0}")]
    Status(StatusCode),
    #[error("the key set cannot be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

async fn fetch(url: &Url) -> Result<Bytes, FetchError> {
    let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme()) else {
        return Err(FetchError::Url(url.clone()));
    };
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(url.path())
        .header(HOST, format!("{host}:{port}"))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body =
            Limited::new(response.into_body(), MAX_SET_BYTES).collect().await.map_err(FetchError::Body)?;
        Ok(body.to_bytes())
    };
    let (document, _closed) = join(exchange, connection).await;
    document
}

#[cfg(test)]
pub(crate) mod tests;
