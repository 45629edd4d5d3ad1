//! Answers of our own, refusals above all, in the Messages API's words.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Refused;
use gatehouse_llm::anthropic::error::{ErrorType, SHOULD_RETRY, envelope};

use crate::unserved;

/// An error envelope with the request id and advice on retrying.
pub fn render(rejection: &Rejection, refused: &Refused<'_>) -> Response<Body> {
    let status = rejection.kind.status();
    let unserved = match rejection.kind {
        RejectionKind::NotFound | RejectionKind::MethodNotAllowed(_) => unserved::sentence(refused.path),
        _ => None,
    };
    let public = unserved.unwrap_or(&rejection.public);
    let mut response = error(status, ErrorType::of_status(status.as_u16()), public, refused.request_id);
    if is_lasting(&rejection.kind) {
        response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if rejection.kind == RejectionKind::Unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Whether the same request would only fail again. Clients take every 5xx for a passing one and try for minutes: that
/// leaves them waiting for what only operators can mend.
fn is_lasting(kind: &RejectionKind) -> bool {
    matches!(kind, RejectionKind::Internal | RejectionKind::NotImplemented | RejectionKind::UpstreamFailed)
}

/// An error of `kind` under `status`, which need not be the kind's usual one.
pub(crate) fn error(status: StatusCode, kind: ErrorType, message: &str, request_id: &str) -> Response<Body> {
    let mut response = json(status, envelope(kind, message, request_id));
    if let Some(advice) = kind.retry_advice().header_value() {
        response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static(advice));
    }
    response
}

/// What caches are told: answers are for one caller.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// JSON that nobody keeps.
pub(crate) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}
