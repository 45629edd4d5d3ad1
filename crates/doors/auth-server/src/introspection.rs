//! The introspection endpoint (RFC 7662).

use std::sync::Arc;

use http::{Response, StatusCode};
use hyper::body::Incoming;

use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::server::body::Body;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_identity::jose::verify::TokenType;
use gatehouse_oauth::exchange::Standing;
use gatehouse_oauth::introspection as rules;
use gatehouse_oauth::refresh::RefreshToken;

use crate::client_request::ClientRequest;
use crate::issued_token::{behind, verify};
use crate::refusal::{self, Refusal};
use crate::server::AuthServer;

/// `POST` of the introspection endpoint.
pub(crate) async fn introspect(door: Arc<AuthServer>, body: Incoming, context: Context<Public>) -> Outcome {
    let result = look(&door, body, &context).await;
    refusal::answer(result, &context).await
}

async fn look(
    door: &AuthServer,
    body: Incoming,
    context: &Context<Public>,
) -> Result<Response<Body>, Refusal> {
    let asked = ClientRequest::receive(door, body, context).await?;
    let caller = asked.authenticate(context)?;
    let token = asked.token()?;
    if let Ok(token) = RefreshToken::parse(token) {
        notice(door, &token, context).await?;
    }
    let verified = verify(door, token, TokenType::AccessTokenStrict, context);
    let standing = match &verified {
        Some(verified) => behind(door, verified.claims(), context).await?.standing,
        None => Standing::Good,
    };
    let answer = rules::introspect(&caller, verified.as_ref(), standing)?;
    Ok(refusal::json(StatusCode::OK, &answer))
}

/// Nobody is told about refresh tokens. That somebody has the current one says all the same that it has arrived.
async fn notice(door: &AuthServer, token: &RefreshToken, context: &Context<Public>) -> Result<(), Refusal> {
    let family = door.store.refresh_families().find(token.family(), context.now).await?;
    if let Some(family) = family.filter(|family| family.is_current(token)) {
        door.issuer.revocations().token_use().note_generation(&family.grant, family.generation);
    }
    Ok(())
}
