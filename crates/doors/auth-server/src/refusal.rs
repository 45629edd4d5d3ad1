//! Refusals of the endpoints for programs, and the JSON answers of this door.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::Value;

use gatehouse_audit::event::Outcome as Verdict;
use gatehouse_edge::context::{Context, Named, Public};
use gatehouse_edge::issuer::IssueError;
use gatehouse_edge::rejection::{Rejection, excerpt, loggable};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_store::error::StoreError;

use crate::settings::store_failed;

/// A request that is refused, in OAuth's words or before OAuth had a word in it.
pub(crate) enum Refusal {
    /// The client is told `error`.
    OAuth {
        /// What the client reads.
        error: OAuthError,
        /// The stable code for audit and logs.
        reason: &'static str,
        /// What only operators read.
        internal: Option<String>,
    },
    /// The request never got that far.
    Rejected(Box<Rejection>),
}

impl Refusal {
    /// `error`, with a reason of its own for audit.
    pub(crate) fn because(
        error: OAuthError,
        reason: &'static str,
        internal: impl Into<Option<String>>,
    ) -> Self {
        Self::OAuth { error, reason, internal: internal.into() }
    }
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        let reason = error.code().as_str();
        Self::because(error, reason, None)
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        store_failed(error).into()
    }
}

impl From<IssueError> for Refusal {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Refused(error, rejection) => {
                Self::OAuth { error, reason: rejection.reason, internal: rejection.internal }
            }
            IssueError::Failed(rejection) => Self::Rejected(rejection),
        }
    }
}

/// One line of the log: who was refused what, and what could have been asked for.
fn tell(error: &OAuthError, reason: &'static str, internal: Option<&str>, context: &Context<Public>) {
    let detail = internal.filter(|internal| !internal.is_empty()).unwrap_or_else(|| error.detail());
    let detail = loggable(excerpt(detail));
    let Named { client, user, grant, .. } = context.named();
    let (client, user, grant) = (client.as_deref(), user.as_deref(), grant.as_deref());
    let (request_id, ip, code) = (&context.request_id, context.source.ip, error.code());
    if reason == "refresh_theft" {
        tracing::warn!(
            request.id = %request_id, source.ip = %ip, error.code = %code, client.id = client, user, grant, reason,
            detail = %detail, "refresh family revoked"
        );
    } else {
        tracing::info!(
            request.id = %request_id, source.ip = %ip, error.code = %code, client.id = client, user, grant, reason,
            detail = %detail, "token request refused"
        );
    }
}

/// The answer of a handler, after its audit record is durable: granted or refused, nothing is acknowledged before.
pub(crate) async fn answer(result: Result<Response<Body>, Refusal>, context: &Context<Public>) -> Outcome {
    let (response, refused) = match result {
        Ok(response) => (response, None),
        Err(Refusal::Rejected(rejection)) => return Err(*rejection),
        Err(Refusal::OAuth { error, reason, internal }) => {
            tell(&error, reason, internal.as_deref(), context);
            (refused(&error, context.request_id.as_str()), Some(reason))
        }
    };
    if let Some(row) = &context.audit {
        if let Some(reason) = refused {
            row.conclude(Verdict::Deny, reason);
        }
        row.commit().await?;
    }
    Ok(response)
}

/// An error as RFC 6749 §5.2 writes it; a 401 names the scheme that would be accepted (RFC 9110 §15.5.2).
///
/// It names the request id, by which an operator finds the rest. Programs show people `error_description` and little
/// else, so of what was decided against them, that has it too.
fn refused(error: &OAuthError, request_id: &str) -> Response<Body> {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut answer = error.to_json();
    if let Some(members) = answer.as_object_mut() {
        members.insert("request_id".to_owned(), request_id.into());
        if error.code() == ErrorCode::AccessDenied {
            let told = format!("{} (request {request_id})", error.description());
            members.insert("error_description".to_owned(), told.into());
        }
    }
    let mut response = json(status, &answer);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
    }
    response
}

/// A JSON answer that nobody may keep.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    // A value of JSON always has a text.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
