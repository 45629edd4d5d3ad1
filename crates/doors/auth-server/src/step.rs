//! What the steps of a sign-in share: the request for authorization, the pages, the way back from an identity provider.

use std::time::Duration;

use hyper::body::Incoming;

use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::GrantId;
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, TokenType};
use gatehouse_oauth::authorization::AuthorizationRequest;
use gatehouse_oauth::claims::ClaimSources;
use gatehouse_oauth::client::{Client, GrantType};
use gatehouse_oauth::form::{Form, FormError};
use gatehouse_oauth::grant::AuthenticatedUser;
use gatehouse_oauth::mint::subject_of;

use crate::server::AuthServer;
use crate::settings::configured;

/// The URL of a page of a transaction.
pub(crate) fn step_url(path: &str, transaction: &GrantId) -> String {
    format!("{path}?transaction={transaction}")
}

/// Whether `id_token_hint`, when there is one, is our own and names `user`. It may have expired.
pub(crate) fn hint_allows(
    door: &AuthServer,
    request: &AuthorizationRequest,
    client: &Client,
    user: &AuthenticatedUser,
    server: &AuthorizationServer,
    context: &Context<Public>,
) -> bool {
    const ANY_AGE: Duration = Duration::from_hours(24 * 365 * 10);
    let Some(hint) = &request.id_token_hint else { return true };
    let expected = Expectations {
        issuer: server.issuer.clone(),
        audiences: vec![Audience::new(client.id.as_str())],
        algorithms: door.issuer.keys().algorithms(),
        token_type: TokenType::IdToken,
        leeway: ANY_AGE,
        max_lifetime: ANY_AGE,
    };
    let keys = door.issuer.keys().verification_keys();
    let Ok(token) = UnverifiedToken::parse(hint).and_then(|token| token.verify(keys, &expected, context.now))
    else {
        return false;
    };
    let sources = ClaimSources {
        user: Some(user),
        client,
        scopes: &request.scopes,
        audiences: &request.audiences,
        grant_type: GrantType::AuthorizationCode,
    };
    let Ok(subject) = subject_of(&sources, user, |_| None) else { return false };
    let hinted = token.claims().get("sub").and_then(serde_json::Value::as_str).unwrap_or_default();
    request.honours_hint(hinted, subject.as_str()).is_ok()
}

/// The form in the body of a request.
pub(crate) async fn posted(body: Incoming, context: &Context<Public>) -> Result<Form, Rejection> {
    let longest = configured(context)?.form_limit;
    let read = body::read(context, body, longest).await;
    let bytes = context.limits.counted(Limit::OidcForm, read)?;
    Form::parse_within(&bytes, longest).map_err(|error| bad_form(&error))
}

pub(crate) fn bad_form(error: &FormError) -> Rejection {
    Rejection::malformed(
        "parameters_malformed",
        format!("The parameters of this request cannot be read: {error}."),
    )
}
