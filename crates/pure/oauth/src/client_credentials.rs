//! Tokens for the client itself (RFC 6749 §4.4).

use std::time::Duration;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::SubjectId;
use gatehouse_identity::scope::ScopeSet;

use crate::client::{AuthenticatedClient, ClientKind};
use crate::error::{ErrorCode, OAuthError};
use crate::token_request::ClientCredentialsRequest;

/// What a client may have for itself. There is never a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentialsGrant {
    /// `sub`: the client's id.
    pub subject: SubjectId,
    /// The scopes.
    pub scopes: ScopeSet,
    /// The audiences.
    pub audiences: Vec<Audience>,
    /// How long the token lives.
    pub lifetime: Duration,
}

/// Decides about a request; `own` are the resources that this server itself protects, `known` every scope that exists
/// here.
pub fn grant(
    request: &ClientCredentialsRequest,
    client: &AuthenticatedClient<'_>,
    own: &[Audience],
    known: &ScopeSet,
) -> Result<ClientCredentialsGrant, OAuthError> {
    let registered = client.client();
    if registered.kind == ClientKind::Public {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "client_credentials is for clients that authenticate with a secret",
        ));
    }
    let lifetime = registered.access_token.lifetime;
    Ok(ClientCredentialsGrant {
        subject: SubjectId::new(registered.id.as_str()),
        scopes: scopes(request.scope.as_ref(), client, known)?,
        audiences: request.targets.resolve(registered, own)?,
        lifetime: request.lifetime.map_or(lifetime, |wanted| wanted.min(lifetime)),
    })
}

/// What of the scopes that were asked for the client may have; without a question, the defaults that make sense
/// without a user. As at the authorization endpoint, scopes that exist here but not for this client or not
/// without a user are left out, since there are clients that always ask for all of `scopes_supported`; scopes that do
/// not exist are an error.
fn scopes(
    requested: Option<&ScopeSet>,
    client: &AuthenticatedClient<'_>,
    known: &ScopeSet,
) -> Result<ScopeSet, OAuthError> {
    let allowed = client.client().scopes.without_sign_in();
    let Some(requested) = requested else {
        return Ok(client.client().default_scopes.as_ref().unwrap_or(&allowed).intersection(&allowed));
    };
    let unknown = requested.difference(known).difference(&client.client().scopes);
    if !unknown.is_empty() {
        let error = OAuthError::new(ErrorCode::InvalidScope, format!("unknown scope: {unknown}"));
        return Err(error.because(client.client().scopes_instead_of(requested)));
    }
    Ok(requested.intersection(&allowed))
}

#[cfg(test)]
mod tests;
