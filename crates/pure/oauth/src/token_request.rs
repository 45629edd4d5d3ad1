//! Token requests (RFC 6749 §3.2): one variant per grant, parsed once.

use std::time::Duration;

use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;

use crate::client::{AuthenticatedClient, ClientKind, GrantType};
use crate::error::{ErrorCode, OAuthError, invalid_request};
use crate::exchange::ExchangeRequest;
use crate::form::Form;
use crate::pkce::Verifier;
use crate::refresh::RefreshToken;
use crate::target::{self, RequestedTargets};

/// A well-formed token request.
pub enum TokenRequest {
    /// Redeems an authorization code.
    AuthorizationCode(CodeRequest),
    /// Redeems a refresh token.
    RefreshToken(RefreshRequest),
    /// Asks for a token for the client itself.
    ClientCredentials(ClientCredentialsRequest),
    /// Asks for a token in exchange for another one.
    TokenExchange(ExchangeRequest),
}

/// RFC 6749 §4.1.3.
pub struct CodeRequest {
    /// `code`.
    pub code: Secret,
    /// `redirect_uri`, when sent.
    pub redirect_uri: Option<String>,
    /// `code_verifier`, when sent.
    pub verifier: Option<Verifier>,
    /// The part of the authorized targets that the token is for.
    pub targets: RequestedTargets,
}

/// RFC 6749 §6.
pub struct RefreshRequest {
    /// `refresh_token`.
    pub token: RefreshToken,
    /// `scope`, when sent.
    pub scope: Option<ScopeSet>,
    /// The part of the authorized targets that the token is for.
    pub targets: RequestedTargets,
}

/// RFC 6749 §4.4.
pub struct ClientCredentialsRequest {
    /// `scope`, when sent.
    pub scope: Option<ScopeSet>,
    /// The targets.
    pub targets: RequestedTargets,
    /// A shorter life than the client's usual one.
    pub lifetime: Option<Duration>,
}

impl TokenRequest {
    /// Parses the body of a token request.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        match grant_type(form)? {
            GrantType::AuthorizationCode => code_request(form).map(Self::AuthorizationCode),
            GrantType::RefreshToken => refresh_request(form).map(Self::RefreshToken),
            GrantType::ClientCredentials => client_credentials_request(form).map(Self::ClientCredentials),
            GrantType::TokenExchange => ExchangeRequest::parse(form).map(Self::TokenExchange),
            other @ (GrantType::DeviceCode | GrantType::JwtBearer) => Err(unsupported(other.as_str())),
        }
    }

    /// The grant in use.
    pub fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
            Self::RefreshToken(_) => GrantType::RefreshToken,
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::TokenExchange(_) => GrantType::TokenExchange,
        }
    }

    /// Whether the client may use this grant: it is registered, and the grants that act on the client's own
    /// word alone are for clients that can prove who they are (RFC 6749 §4.4).
    pub fn check_allowed(&self, client: &AuthenticatedClient<'_>) -> Result<(), OAuthError> {
        let grant = self.grant_type();
        let refused = |why: &str| Err(OAuthError::new(ErrorCode::UnauthorizedClient, why));
        if !client.client().may_use(grant) {
            return Err(client.client().may_not_use(grant));
        }
        let needs_proof = matches!(grant, GrantType::ClientCredentials | GrantType::TokenExchange);
        if needs_proof && client.client().kind == ClientKind::Public {
            return refused(&format!("{grant} is for clients that authenticate with a secret"));
        }
        Ok(())
    }
}

/// Reads `grant_type`; an unknown one is refused by name.
fn grant_type(form: &Form) -> Result<GrantType, OAuthError> {
    let text = form.one("grant_type").ok_or_else(|| invalid_request("grant_type is missing"))?;
    GrantType::parse(text).map_err(|_| unsupported(text))
}

fn code_request(form: &Form) -> Result<CodeRequest, OAuthError> {
    let verifier = form.one("code_verifier").map(Verifier::parse).transpose();
    Ok(CodeRequest {
        code: Secret::new(form.required("code")?.to_owned()),
        redirect_uri: form.one("redirect_uri").map(str::to_owned),
        verifier: verifier
            .map_err(|error| OAuthError::new(ErrorCode::InvalidGrant, format!("code_verifier: {error}")))?,
        targets: target::requested(form)?,
    })
}

fn refresh_request(form: &Form) -> Result<RefreshRequest, OAuthError> {
    let token = RefreshToken::parse(form.required("refresh_token")?)
        .map_err(|error| OAuthError::new(ErrorCode::InvalidGrant, error.to_string()))?;
    Ok(RefreshRequest { token, scope: form.scope()?, targets: target::requested(form)? })
}

fn client_credentials_request(form: &Form) -> Result<ClientCredentialsRequest, OAuthError> {
    Ok(ClientCredentialsRequest {
        scope: form.scope()?,
        targets: target::requested(form)?,
        lifetime: form.lifetime()?,
    })
}

fn unsupported(grant: &str) -> OAuthError {
    OAuthError::new(
        ErrorCode::UnsupportedGrantType,
        format!(
            "{grant} is not served here; served are authorization_code, refresh_token, client_credentials and token-exchange"
        ),
    )
}

#[cfg(test)]
mod tests;
