//! A refusal with two audiences: a sentence for the caller, the full story for operators.
//!
//! Rooms return a [`Rejection`]; each door's `dialect.rs` renders it in its protocol's words.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use gatehouse_identity::principal::RefusedPrincipal;
use gatehouse_identity::scope::ScopeSet;

/// Most of a text that goes into one field of a log line, in bytes.
const EXCERPT: usize = 1024;
/// The most bytes of what only operators may read. Peers have a say in it, and it is logged and remembered.
const LONGEST_INTERNAL: usize = 2_000;

/// A request that is not going to be served.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// What kind of refusal; decides the status code.
    pub kind: RejectionKind,
    /// A stable code for audit and logs, such as `token_expired`.
    pub reason: &'static str,
    /// The sentence that the caller may read.
    pub public: String,
    /// What operators need to know beyond that; never sent to the caller.
    pub internal: Option<String>,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
    /// Whose credential was refused, where it says so and is proven.
    pub refused: Option<Arc<RefusedPrincipal>>,
}

/// The closed list of ways to be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectionKind {
    /// The request breaks the rules of HTTP or of the protocol (400).
    Malformed,
    /// No credential, or one that proves nothing (401).
    Unauthenticated,
    /// The caller is known and may not do this (403).
    Forbidden,
    /// The caller's credential lacks scopes; these are all that the operation needs (403).
    InsufficientScope(ScopeSet),
    /// Nothing here, or nothing that this caller may know of (404).
    NotFound,
    /// The path exists, the method does not (405); holds the `Allow` value.
    MethodNotAllowed(String),
    /// The client accepts none of the representations we have (406).
    NotAcceptable,
    /// The body is larger than the limit (413).
    TooLarge,
    /// The body is not of a media type we read (415).
    UnsupportedMediaType,
    /// The request was meant for another host (421).
    Misdirected,
    /// Too many header fields or bytes (431).
    HeadersTooLarge,
    /// Too many requests (429).
    RateLimited,
    /// Our own fault (500).
    Internal,
    /// Not offered by this deployment (501).
    NotImplemented,
    /// The upstream answered nonsense or not at all (502).
    UpstreamFailed,
    /// Something that we depend on is unavailable (503).
    Unavailable,
    /// The upstream did not answer in time (504).
    UpstreamTimeout,
}

impl RejectionKind {
    /// The HTTP status that says this.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::UpstreamFailed => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Whether we or something behind us failed, rather than the caller being refused.
    pub fn is_failure(&self) -> bool {
        self.status().is_server_error()
    }
}

impl Rejection {
    /// A refusal whose public sentence says all there is to say.
    pub fn new(kind: RejectionKind, reason: &'static str, public: impl Into<String>) -> Self {
        Self { kind, reason, public: public.into(), internal: None, retry_after: None, refused: None }
    }

    /// The caller broke a rule of the protocol.
    pub fn malformed(reason: &'static str, public: impl Into<String>) -> Self {
        Self::new(RejectionKind::Malformed, reason, public)
    }

    /// The caller's credential is missing or proves nothing. The public sentence never says which check failed.
    pub fn unauthenticated(reason: &'static str, internal: impl Into<String>) -> Self {
        Self::new(RejectionKind::Unauthenticated, reason, "A valid credential is required.").because(internal)
    }

    /// Something went wrong on our side.
    pub fn internal(reason: &'static str, internal: impl Into<String>) -> Self {
        Self::new(
            RejectionKind::Internal,
            reason,
            "Something went wrong here; the request id leads operators to it.",
        )
        .because(internal)
    }

    /// Something that we depend on cannot be reached now.
    pub fn unavailable(reason: &'static str, internal: impl Into<String>) -> Self {
        let mut rejection =
            Self::new(RejectionKind::Unavailable, reason, "Temporarily unavailable; try again shortly.");
        rejection.retry_after = Some(Duration::from_secs(1));
        rejection.because(internal)
    }

    /// What operators read, as far as it fits into a log line: the whole story, or what the caller was told where that is
    /// all there is.
    pub fn detail(&self) -> Cow<'_, str> {
        match self.internal.as_deref() {
            Some(internal) if !internal.is_empty() => Cow::Borrowed(excerpt(internal)),
            _ => loggable(excerpt(&self.public)),
        }
    }

    /// Adds what only operators may read, the beginning of it if it is long. It goes into the log, so URLs in it lose
    /// what must not.
    #[must_use]
    pub fn because(mut self, internal: impl Into<String>) -> Self {
        let mut internal = internal.into();
        if internal.len() > LONGEST_INTERNAL {
            internal.truncate(internal.floor_char_boundary(LONGEST_INTERNAL));
            internal.push('…');
            internal.shrink_to_fit();
        }
        self.internal = Some(match loggable(&internal) {
            Cow::Borrowed(_) => internal,
            Cow::Owned(cut) => cut,
        });
        self
    }
}

/// The beginning of a text in which strangers have a say, short enough for a log line.
pub fn excerpt(text: &str) -> &str {
    text.get(..text.floor_char_boundary(EXCERPT)).unwrap_or_default()
}

/// `text` as it may stand in the log: URLs in it without query, fragment and user information, in which codes, tokens
/// and passwords travel.
pub fn loggable(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        kept.push_str(before);
        kept.push_str("://");
        let end = after.find(ends_url).unwrap_or(after.len());
        let (url, behind) = after.split_at_checked(end).unwrap_or((after, ""));
        let address = url.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = match address.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (address, None),
        };
        kept.push_str(authority.rsplit('@').next().unwrap_or_default());
        if let Some(path) = path {
            kept.push('/');
            kept.push_str(path);
        }
        rest = behind;
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Whether `letter` ends a URL within a sentence.
fn ends_url(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '"' | '`' | '<' | '>' | '{' | '}' | '|' | '^' | '\\')
}

#[cfg(test)]
mod tests;
