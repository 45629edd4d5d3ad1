//! What another authorization server's token endpoint answers (RFC 6749 §5, RFC 8693 §2.2).

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::TokenId;
use gatehouse_identity::secret::Secret;

use self::checks::{Expected, Readable};
use crate::rejection::Rejection;

pub(super) mod checks;

/// A token that is what was asked for, as far as it can be read.
pub(super) struct TokenReply {
    pub(super) token: Secret,
    /// When it ends, at the latest.
    pub(super) expires_at: Timestamp,
    pub(super) scope: Option<String>,
    /// Its `jti`, when it is a JWT that has a sound one.
    pub(super) id: Option<TokenId>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    issued_token_type: Option<String>,
    expires_in: Option<u64>,
    scope: Option<String>,
    refresh_token: Option<String>,
    id_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl TokenReply {
    /// Reads an answer: a bearer token of the kind that is `expected`, or why there is none.
    pub(super) fn read(status: StatusCode, body: &[u8], expected: &Expected<'_>) -> Result<Self, Rejection> {
        let answer: Answer = serde_json::from_slice(body).map_err(|_| {
            Rejection::unavailable("exchange_unavailable", format!("{status} without a JSON object"))
        })?;
        let bearer =
            answer.token_type.as_deref().is_none_or(|token_type| token_type.eq_ignore_ascii_case("bearer"));
        match answer {
            Answer { access_token: Some(token), error: None, .. } if status.is_success() && bearer => {
                let beside = [answer.refresh_token, answer.id_token];
                checks::kind_of_answer(&token, answer.issued_token_type.as_deref(), &beside)?;
                let readable = Readable::read(&token);
                checks::not_returned(&token, readable.as_ref(), expected)?;
                if let Some(readable) = &readable {
                    checks::meant_for_this(readable, expected)?;
                }
                let stated = answer.expires_in.map(|seconds| expected.now.plus(Duration::from_secs(seconds)));
                let asked = expected.lifetime.map(|asked| expected.now.plus(asked));
                let read = readable.as_ref().and_then(Readable::expires_at);
                // A token that does not say how long it lasts is good for the call that it was asked for.
                let ends = stated.into_iter().chain(read).min().unwrap_or(expected.now);
                Ok(Self {
                    expires_at: asked.map_or(ends, |asked| asked.min(ends)),
                    scope: answer.scope,
                    id: readable.as_ref().and_then(Readable::token_id),
                    token: Secret::new(token),
                })
            }
            Answer { error, error_description, .. } => {
                let code = error.as_deref().unwrap_or("no error code");
                let why = format!("{status} {code}: {}", error_description.as_deref().unwrap_or(""));
                Err(match code {
                    // The gateway's own registration is wrong; nothing that the caller can do about it.
                    "invalid_client" | "unauthorized_client" => {
                        Rejection::internal("exchange_misconfigured", why)
                    }
                    _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                        Rejection::unavailable("exchange_unavailable", why)
                    }
                    _ if status.is_success() => {
                        Rejection::unavailable("exchange_unavailable", format!("{why} (no bearer token)"))
                    }
                    _ => super::refused(why),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
