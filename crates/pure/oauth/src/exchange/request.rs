//! The parameters of a token exchange (RFC 8693 §2.1).

use std::time::Duration;

use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;

use crate::error::{OAuthError, invalid_request};
use crate::form::Form;
use crate::target::{self, RequestedTargets};

/// A well-formed exchange request; its tokens are not verified.
pub struct ExchangeRequest {
    /// `subject_token`.
    pub subject_token: Secret,
    /// `subject_token_type`.
    pub subject_token_type: DeclaredType,
    /// `actor_token` with its type.
    pub actor_token: Option<(Secret, DeclaredType)>,
    /// `requested_token_type`; always an access token, echoed as asked for.
    pub issued_type: IssuedType,
    /// `resource` and `audience`.
    pub targets: RequestedTargets,
    /// `scope`, when sent.
    pub scope: Option<ScopeSet>,
    /// `expires_in`: a shorter life than the rules allow.
    pub lifetime: Option<Duration>,
}

/// The type that a client declares for a token it presents (RFC 8693 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredType {
    /// `urn:ietf:params:oauth:token-type:access_token`.
    AccessToken,
    /// `urn:ietf:params:oauth:token-type:jwt`: here an access token, too.
    Jwt,
    /// `urn:ietf:params:oauth:token-type:id_token`.
    IdToken,
}

/// The type that is issued (RFC 8693 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedType {
    /// `urn:ietf:params:oauth:token-type:access_token`.
    AccessToken,
    /// `urn:ietf:params:oauth:token-type:jwt`: the same token under its other name.
    Jwt,
}

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

impl ExchangeRequest {
    /// Parses the parameters.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        let actor_token = match (form.one("actor_token"), form.one("actor_token_type")) {
            (None, None) => None,
            (Some(token), Some(kind)) => {
                Some((Secret::new(token.to_owned()), DeclaredType::parse("actor_token_type", kind)?))
            }
            _ => return Err(invalid_request("actor_token and actor_token_type must be sent together")),
        };
        Ok(Self {
            subject_token: Secret::new(form.required("subject_token")?.to_owned()),
            subject_token_type: DeclaredType::parse(
                "subject_token_type",
                form.required("subject_token_type")?,
            )?,
            actor_token,
            issued_type: IssuedType::parse(form.one("requested_token_type"))?,
            targets: target::requested(form)?,
            scope: form.scope()?,
            lifetime: form.lifetime()?,
        })
    }
}

impl DeclaredType {
    fn parse(parameter: &str, urn: &str) -> Result<Self, OAuthError> {
        match urn {
            ACCESS_TOKEN => Ok(Self::AccessToken),
            JWT => Ok(Self::Jwt),
            ID_TOKEN => Ok(Self::IdToken),
            other => Err(invalid_request(format!(
                "{parameter} {other} is not taken here; taken are {ACCESS_TOKEN}, {JWT} and {ID_TOKEN}"
            ))),
        }
    }
}

impl IssuedType {
    fn parse(urn: Option<&str>) -> Result<Self, OAuthError> {
        match urn {
            None | Some(ACCESS_TOKEN) => Ok(Self::AccessToken),
            Some(JWT) => Ok(Self::Jwt),
            Some(other) => Err(invalid_request(format!(
                "requested_token_type {other} is not issued here; issued are {ACCESS_TOKEN} and {JWT}"
            ))),
        }
    }

    /// `issued_token_type` of the answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => ACCESS_TOKEN,
            Self::Jwt => JWT,
        }
    }
}
