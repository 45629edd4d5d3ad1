//! The errors that OAuth clients see.

use std::fmt;

use serde_json::{Value, json};

/// A refusal in the words of RFC 6749 §5.2: a registered code and a sentence for the client's developer. What only
/// operators may read is kept beside them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthError {
    code: ErrorCode,
    description: String,
    internal: Option<Box<str>>,
}

impl OAuthError {
    /// A refusal; characters that `error_description` may not hold (RFC 6749 §5.2) are replaced.
    pub fn new(code: ErrorCode, description: impl AsRef<str>) -> Self {
        let allowed = |c: char| matches!(c, '\x20'..='\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E');
        let plain = |c: char| match c {
            '"' => '\'',
            c if allowed(c) => c,
            _ => '?',
        };
        Self { code, description: description.as_ref().chars().map(plain).collect(), internal: None }
    }

    /// Adds what only operators read: what was asked for, and what could have been.
    #[must_use]
    pub fn because(self, internal: impl Into<String>) -> Self {
        Self { internal: Some(internal.into().into_boxed_str()), ..self }
    }

    /// The registered code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What was expected and what was found, in printable ASCII without quotes or backslashes.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What operators read: the whole story where there is more than the client is told.
    pub fn detail(&self) -> &str {
        self.internal.as_deref().unwrap_or(&self.description)
    }

    /// The HTTP status of a direct (not redirected) answer.
    pub fn http_status(&self) -> u16 {
        self.code.http_status()
    }

    /// The JSON body of a direct answer.
    pub fn to_json(&self) -> Value {
        json!({ "error": self.code.as_str(), "error_description": self.description })
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal;)+) => {
        /// The error codes that we answer with, as registered with IANA.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// Every code, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it stands in answers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The HTTP status of a direct answer.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }
        }
    };
}

error_codes! {
    /// A parameter is missing, repeated or malformed (RFC 6749 §5.2).
    InvalidRequest = "invalid_request", 400;
    /// Client authentication failed (RFC 6749 §5.2).
    InvalidClient = "invalid_client", 401;
    /// The code, refresh token or assertion is not valid for this client (RFC 6749 §5.2).
    InvalidGrant = "invalid_grant", 400;
    /// The client may not use this grant (RFC 6749 §5.2).
    UnauthorizedClient = "unauthorized_client", 400;
    /// The server does not know or not offer this grant (RFC 6749 §5.2).
    UnsupportedGrantType = "unsupported_grant_type", 400;
    /// The server does not offer this response type (RFC 6749 §4.1.2.1).
    UnsupportedResponseType = "unsupported_response_type", 400;
    /// The server does not offer this token type (RFC 7009 §2.2.1).
    UnsupportedTokenType = "unsupported_token_type", 400;
    /// A scope is unknown, malformed or not allowed (RFC 6749 §5.2).
    InvalidScope = "invalid_scope", 400;
    /// A resource or audience is unknown or not allowed (RFC 8707 §2).
    InvalidTarget = "invalid_target", 400;
    /// A person or a policy said no (RFC 6749 §4.1.2.1).
    AccessDenied = "access_denied", 400;
    /// `prompt=none`, but nobody is signed in (OpenID Connect Core §3.1.2.6).
    LoginRequired = "login_required", 400;
    /// `prompt=none`, but consent is needed (OpenID Connect Core §3.1.2.6).
    ConsentRequired = "consent_required", 400;
    /// `prompt=none`, but some page has to be shown (OpenID Connect Core §3.1.2.6).
    InteractionRequired = "interaction_required", 400;
    /// Request objects are not offered (OpenID Connect Core §3.1.2.6).
    RequestNotSupported = "request_not_supported", 400;
    /// Request objects by reference are not offered (OpenID Connect Core §3.1.2.6).
    RequestUriNotSupported = "request_uri_not_supported", 400;
    /// A client metadata document or registration is refused (RFC 7591 §3.2.2).
    InvalidClientMetadata = "invalid_client_metadata", 400;
    /// A registered redirect URI is refused (RFC 7591 §3.2.2).
    InvalidRedirectUri = "invalid_redirect_uri", 400;
    /// The bearer token is absent, expired, revoked or malformed (RFC 6750 §3.1).
    InvalidToken = "invalid_token", 401;
    /// The bearer token lacks a scope (RFC 6750 §3.1).
    InsufficientScope = "insufficient_scope", 403;
    /// Something broke on our side (RFC 6749 §4.1.2.1).
    ServerError = "server_error", 500;
    /// Overload or maintenance (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable = "temporarily_unavailable", 503;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `invalid_request` with a sentence.
pub(crate) fn invalid_request(description: impl AsRef<str>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests;
