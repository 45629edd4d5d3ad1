//! Tokens for the client itself (RFC 6749 §4.4), check T15.

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

/// Scopes that speak about a signed-in user and mean nothing here.
const USER_SCOPES: &str = "openid profile email address phone offline_access groups";

/// Decides about a request; `own` are the resources that this server itself protects.
pub fn grant(
    request: &ClientCredentialsRequest,
    client: &AuthenticatedClient<'_>,
    own: &[Audience],
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
        scopes: scopes(request.scope.as_ref(), client)?,
        audiences: request.targets.resolve(registered, own)?,
        lifetime: request.lifetime.map_or(lifetime, |wanted| wanted.min(lifetime)),
    })
}

/// What was asked for, all of it allowed; without a question, the defaults that make sense without a user.
fn scopes(requested: Option<&ScopeSet>, client: &AuthenticatedClient<'_>) -> Result<ScopeSet, OAuthError> {
    let invalid = |text: String| OAuthError::new(ErrorCode::InvalidScope, text);
    let about_users = ScopeSet::parse(USER_SCOPES).map_err(|error| invalid(error.to_string()))?;
    let allowed = client.client().scopes.difference(&about_users);
    let Some(requested) = requested else {
        return Ok(client.client().default_scopes.as_ref().unwrap_or(&allowed).intersection(&allowed));
    };
    let refused = requested.difference(&allowed);
    if refused.is_empty() {
        Ok(requested.clone())
    } else {
        Err(invalid(format!("this client may not have for itself: {refused}")))
    }
}

#[cfg(test)]
mod tests;
