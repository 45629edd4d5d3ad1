//! Errors as Messages API clients understand them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The closed list of error types. `not_supported` is what Anthropic's own gateway answers for an
/// operation that the upstream does not have; the others are the public API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// The request is wrong in itself.
    InvalidRequest,
    /// No credential, or one that does not hold.
    Authentication,
    /// The account cannot pay.
    Billing,
    /// Authenticated, but not allowed.
    Permission,
    /// No such path or object. Never used for models: clients answer 404 with a second, non-streaming try.
    NotFound,
    /// The object is in another state than the request supposes.
    Conflict,
    /// The body is larger than the limit.
    RequestTooLarge,
    /// Too many requests or tokens for now.
    RateLimit,
    /// Something failed on our side or behind us.
    Api,
    /// The upstream has no such operation.
    NotSupported,
    /// The upstream took too long.
    Timeout,
    /// The upstream, or this gateway, has no capacity for now.
    Overloaded,
}

/// What to tell a client about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// The same request will fail again: send `x-should-retry: false`.
    Pointless,
    /// Leave it to the client's own rules: send no header.
    ClientDecides,
}

/// The name of the header that carries [`RetryAdvice`].
pub const SHOULD_RETRY: &str = "x-should-retry";

impl ErrorType {
    /// Every type, in the order of their HTTP status.
    pub const ALL: [Self; 12] = [
        Self::InvalidRequest,
        Self::Authentication,
        Self::Billing,
        Self::Permission,
        Self::NotFound,
        Self::Conflict,
        Self::RequestTooLarge,
        Self::RateLimit,
        Self::Api,
        Self::NotSupported,
        Self::Timeout,
        Self::Overloaded,
    ];

    /// The value of `error.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::Billing => "billing_error",
            Self::Permission => "permission_error",
            Self::NotFound => "not_found_error",
            Self::Conflict => "conflict_error",
            Self::RequestTooLarge => "request_too_large",
            Self::RateLimit => "rate_limit_error",
            Self::Api => "api_error",
            Self::NotSupported => "not_supported",
            Self::Timeout => "timeout_error",
            Self::Overloaded => "overloaded_error",
        }
    }

    /// The HTTP status that belongs to the type.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Authentication => 401,
            Self::Billing => 402,
            Self::Permission => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::RequestTooLarge => 413,
            Self::RateLimit => 429,
            Self::Api => 500,
            Self::NotSupported => 501,
            Self::Timeout => 504,
            Self::Overloaded => 529,
        }
    }

    /// The type to show with an HTTP status that something other than this list decided.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::RequestTooLarge,
            429 => Self::RateLimit,
            501 => Self::NotSupported,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Api,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn retry_advice(self) -> RetryAdvice {
        match self {
            Self::RateLimit | Self::Api | Self::Timeout | Self::Overloaded | Self::Conflict => {
                RetryAdvice::ClientDecides
            }
            Self::InvalidRequest
            | Self::Authentication
            | Self::Billing
            | Self::Permission
            | Self::NotFound
            | Self::RequestTooLarge
            | Self::NotSupported => RetryAdvice::Pointless,
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RetryAdvice {
    /// The value for [`SHOULD_RETRY`], or nothing to send.
    pub const fn header_value(self) -> Option<&'static str> {
        match self {
            Self::Pointless => Some("false"),
            Self::ClientDecides => None,
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Body<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    message: &'a str,
}

/// The JSON error envelope. `request_id` must be the value of the `request-id` response header.
pub fn envelope(error: ErrorType, message: &str, request_id: &str) -> String {
    let envelope = Envelope { r#type: "error", error: Body { r#type: error.as_str(), message }, request_id };
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// A provider's error under our own request id, which the `request-id` header has too: only the value of the
/// envelope's `request_id` changes, every other byte stays. Nothing when the body has no such member, once.
pub fn with_request_id(body: &str, request_id: &str) -> Option<String> {
    let member = serde_json::from_str::<Identified<'_>>(body).ok()?.request_id.get();
    let start = member.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let (before, rest) = body.split_at_checked(start)?;
    let (_, after) = rest.split_at_checked(member.len())?;
    Some([before, &Value::from(request_id).to_string(), after].concat())
}

/// Whether `body` is an error envelope of the API with this type.
pub fn is_of_type(body: &str, kind: ErrorType) -> bool {
    let parsed = serde_json::from_str::<Value>(body).unwrap_or_default();
    parsed.get("type").and_then(Value::as_str) == Some("error")
        && parsed.pointer("/error/type").and_then(Value::as_str) == Some(kind.as_str())
}

#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow)]
    request_id: &'a RawValue,
}

#[cfg(test)]
mod tests;
