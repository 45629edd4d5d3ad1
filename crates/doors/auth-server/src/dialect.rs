//! Refusals in the words of this door: OAuth's JSON for programs, a page for people.

use http::Response;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use serde_json::json;

use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Refused;
use gatehouse_oauth::error::ErrorCode;

use crate::page::{self, Message};
use crate::refusal;

/// A refusal as RFC 6749 §5.2 writes it.
pub fn json(rejection: &Rejection, refused: &Refused<'_>) -> Response<Body> {
    let code = match &rejection.kind {
        RejectionKind::Unauthenticated => ErrorCode::InvalidClient,
        RejectionKind::Forbidden | RejectionKind::InsufficientScope(_) => ErrorCode::AccessDenied,
        RejectionKind::Unavailable | RejectionKind::RateLimited => ErrorCode::TemporarilyUnavailable,
        kind if kind.is_failure() => ErrorCode::ServerError,
        _ => ErrorCode::InvalidRequest,
    };
    let body = json!({
        "error": code.as_str(),
        "error_description": rejection.public,
        "request_id": refused.request_id,
    });
    let mut response = refusal::json(rejection.kind.status(), &body);
    if rejection.kind == RejectionKind::Unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    }
    response
}

/// A refusal as a page.
pub(crate) fn page(rejection: &Rejection, refused: &Refused<'_>) -> Response<Body> {
    let title = match &rejection.kind {
        RejectionKind::NotFound => "Nothing here",
        RejectionKind::RateLimited => "Too many attempts",
        RejectionKind::UpstreamFailed | RejectionKind::UpstreamTimeout => "Sign-in is not available",
        kind if kind.is_failure() => "Something went wrong",
        _ => "This does not work",
    };
    let message = Message {
        nonce: refused.request_id,
        title,
        sentences: &[rejection.public.as_str()],
        link: None,
        request_id: Some(refused.request_id),
    };
    let status = rejection.kind.status();
    page::show(&message, status, refused.request_id, &[]).unwrap_or_else(|_| {
        let mut bare = Response::new(body::full(rejection.public.clone()));
        *bare.status_mut() = status;
        bare
    })
}
