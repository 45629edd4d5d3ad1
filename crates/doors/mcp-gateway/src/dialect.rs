//! Refusals as JSON-RPC errors, with the challenges of RFC 6750 and RFC 9728 in the header.

use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use serde_json::json;

use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Refused;
use gatehouse_mcp::error::{ErrorCode, RpcError};
use gatehouse_mcp::message::compose;
use gatehouse_mcp::protected_resource::{ChallengeReason, challenge};

/// A JSON-RPC error without id, since no message was read, under the refusal's own HTTP status.
pub fn render(rejection: &Rejection, refused: &Refused<'_>) -> Response<Body> {
    let code = match rejection.reason {
        _ if rejection.kind.is_failure() => ErrorCode::Internal,
        // What a header says twice agrees with no body.
        "header_repeated" => ErrorCode::HeaderMismatch,
        _ => ErrorCode::InvalidRequest,
    };
    let error = RpcError::new(code, &rejection.public).with_data(&json!({ "requestId": refused.request_id }));
    let mut response = Response::new(body::full(compose::error(None, &error)));
    *response.status_mut() = rejection.kind.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = challenge_for(rejection, refused)
        && let Ok(value) = HeaderValue::from_str(&challenge)
    {
        headers.insert(WWW_AUTHENTICATE, value);
    }
    response
}

fn challenge_for(rejection: &Rejection, refused: &Refused<'_>) -> Option<String> {
    let metadata = refused.resource_metadata?;
    let split =
        |scopes: &str| scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let (reason, scopes): (_, Vec<String>) = match &rejection.kind {
        RejectionKind::Unauthenticated => {
            let reason = if refused.credential_sent {
                ChallengeReason::Invalid(rejection.public.clone())
            } else {
                ChallengeReason::Missing
            };
            (reason, refused.scopes.map(split).unwrap_or_default())
        }
        RejectionKind::InsufficientScope(scopes) => {
            (ChallengeReason::InsufficientScope(rejection.public.clone()), split(&scopes.to_string()))
        }
        _ => return None,
    };
    Some(challenge(&reason, metadata, &scopes))
}

#[cfg(test)]
mod tests;
