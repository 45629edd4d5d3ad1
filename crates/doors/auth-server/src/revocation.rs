//! The revocation endpoint (RFC 7009), and what revoking a grant takes.

use std::sync::Arc;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use gatehouse_audit::event::{Exchange, Outcome as Verdict};
use gatehouse_edge::context::{Context, Named, Public};
use gatehouse_edge::issuer::revocations::{LONGEST_SKEW, Revocations};
use gatehouse_edge::server::body::Body;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{GrantId, TokenId};
use gatehouse_identity::jose::verify::TokenType;
use gatehouse_oauth::client::AuthenticatedClient;
use gatehouse_oauth::refresh::{RefreshDecision, RefreshRules, RefreshToken, decide};
use gatehouse_store::error::StoreError;

use crate::client_request::ClientRequest;
use crate::evidence::note_user;
use crate::issued_token::verify;
use crate::refusal::{self, Refusal};
use crate::server::AuthServer;

/// `POST` of the revocation endpoint: 200 whatever the token was (§2.2), because the client does not care and nobody
/// else may learn.
pub(crate) async fn revoke(door: Arc<AuthServer>, body: Incoming, context: Context<Public>) -> Outcome {
    let result = take_back(&door, body, &context).await;
    refusal::answer(result, &context).await
}

async fn take_back(
    door: &AuthServer,
    body: Incoming,
    context: &Context<Public>,
) -> Result<Response<Body>, Refusal> {
    let asked = ClientRequest::receive(door, body, context).await?;
    let client = asked.authenticate(context)?;
    let token = asked.token()?;
    let done = match RefreshToken::parse(token) {
        Ok(token) => refresh_token(door, &token, &client, context).await?,
        Err(_) => access_token(door, token, &client, context).await?,
    };
    if !done {
        not_of_client(context);
    }
    Ok(refusal::json(StatusCode::OK, &json!({})))
}

/// The client is told nothing, so operators have to be.
fn not_of_client(context: &Context<Public>) {
    if let Some(row) = &context.audit {
        row.conclude(Verdict::Deny, "token_not_of_client");
    }
    let Named { client, user, grant, .. } = context.named();
    let (client, user, grant) = (client.as_deref(), user.as_deref(), grant.as_deref());
    tracing::info!(
        request.id = %context.request_id, source.ip = %context.source.ip, client.id = client, user, grant,
        reason = "token_not_of_client", "nothing was revoked"
    );
}

/// Revokes the grant behind a refresh token that the client proves to hold.
async fn refresh_token(
    door: &AuthServer,
    token: &RefreshToken,
    client: &AuthenticatedClient<'_>,
    context: &Context<Public>,
) -> Result<bool, Refusal> {
    let Some(profile) = &client.client().refresh else { return Ok(false) };
    let Some(family) = door.store.refresh_families().find(token.family(), context.now).await? else {
        return Ok(false);
    };
    let decision =
        decide(&family, token, client, context.now, &RefreshRules::of(profile, client.client().kind));
    if matches!(decision, RefreshDecision::Invalid(_)) {
        return Ok(false);
    }
    revoke_grant(door, &family.grant, context.now).await?;
    note_user(&family.user, client.client(), context)?;
    context.note(|event| {
        event.with_exchange(Exchange { grant: Some(family.grant.clone()), ..Exchange::default() })
    });
    Ok(true)
}

/// Denies one access token of the client until no gate takes it any more.
async fn access_token(
    door: &AuthServer,
    token: &str,
    client: &AuthenticatedClient<'_>,
    context: &Context<Public>,
) -> Result<bool, Refusal> {
    let Some(verified) = verify(door, token, TokenType::AccessTokenStrict, context) else { return Ok(false) };
    let text = |name: &str| verified.claims().get(name).and_then(Value::as_str);
    if text("client_id") != Some(client.id().as_str()) {
        return Ok(false);
    }
    let Some(id) = text("jti").map(TokenId::new) else { return Ok(false) };
    let revocations = door.issuer.revocations();
    revocations.revoke(door.store.as_ref(), &id, verified.expires_at().plus(LONGEST_SKEW)).await?;
    context.note(|event| event.with_exchange(Exchange { issued: Some(id), ..Exchange::default() }));
    Ok(true)
}

/// Revokes a grant: its families in the store, its access tokens by one entry that every node reads. That the grant
/// was revoked before changes nothing; the entry is written again, because the one before it may have failed.
pub(crate) async fn revoke_grant(
    door: &AuthServer,
    grant: &GrantId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let _first: gatehouse_store::transition::Transition = door.store.grants().revoke(grant, now).await?;
    let entry = Revocations::entry_of_grant(grant);
    door.issuer.revocations().revoke(door.store.as_ref(), &entry, Revocations::until(now)).await
}
