//! How refusals look to operators.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Refused;

/// Refusals as problem details (RFC 9457).
pub fn render(rejection: &Rejection, refused: &Refused<'_>) -> Response<Body> {
    problem(rejection.kind.status(), &rejection.public, refused.request_id)
}

/// Problem details: `detail` says what is wrong, `instance` is the id of the request.
pub(crate) fn problem(status: StatusCode, detail: &str, instance: &str) -> Response<Body> {
    let document = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "instance": instance,
    });
    let mut response = Response::new(body::full(document.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
