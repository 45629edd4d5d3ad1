//! What another authorization server's token endpoint answers (RFC 6749 §5, RFC 8693 §2.2).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Deserialize;

use gatehouse_identity::id::TokenId;
use gatehouse_identity::secret::Secret;

use crate::rejection::Rejection;

/// A token as it was given.
pub(super) struct Given {
    pub(super) token: Secret,
    pub(super) lifetime: Duration,
    pub(super) scope: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<u64>,
    scope: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    jti: Option<String>,
}

impl Given {
    /// Reads an answer: a bearer token, or why there is none.
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Self, Rejection> {
        let answer: Answer = serde_json::from_slice(body).map_err(|_| {
            Rejection::unavailable("exchange_unavailable", format!("{status} without a JSON object"))
        })?;
        let bearer =
            answer.token_type.as_deref().is_none_or(|token_type| token_type.eq_ignore_ascii_case("bearer"));
        match answer {
            Answer { access_token: Some(token), expires_in, scope, error: None, .. }
                if status.is_success() && bearer =>
            {
                Ok(Self {
                    token: Secret::new(token),
                    lifetime: Duration::from_secs(expires_in.unwrap_or(0)),
                    scope,
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

    /// The token's `jti`, when it is a JWT that has a sound one. Nothing is decided by it.
    pub(super) fn token_id(&self) -> Option<TokenId> {
        let payload = self.token.expose().split('.').nth(1)?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        claims
            .jti
            .filter(|id| id.len() <= 256 && id.bytes().all(|byte| byte.is_ascii_graphic()))
            .map(TokenId::new)
    }
}

#[cfg(test)]
mod tests;
