//! The authorization endpoint (RFC 6749 §3.1): from a checked request to the sign-in or consent page.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use hyper::body::Incoming;

use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::issuer::standing;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_identity::id::ClientId;
use gatehouse_oauth::authorization::{
    AuthorizationError, AuthorizationRequest, PkceDemand, Prompt, ServerRules, SignIn,
};
use gatehouse_oauth::client::Client;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::form::Form;
use gatehouse_oauth::grant::{AuthenticatedUser, Grant, Stage};
use gatehouse_store::transition::Transition;

use crate::error_response::{refuse, unregistered};
use crate::evidence::{note_claimed, note_client};
use crate::page;
use crate::server::AuthServer;
use crate::settings::{configured, store_failed};
use crate::signin_limit::UnderWay;
use crate::step::{bad_form, hint_allows, posted, step_url};
use crate::transaction::Begun;
use crate::{session, transaction};

/// `GET` and `POST` of the authorization endpoint.
pub(crate) async fn authorize(door: Arc<AuthServer>, body: Incoming, context: Context<Public>) -> Outcome {
    let server = configured(&context)?;
    let form = parameters(body, &context).await?;
    let id = form.one("client_id").map(ClientId::new).ok_or_else(no_client)?;
    note_claimed(&id, &context);
    let registered = door.clients.find(&id, &context).await.map_err(as_bad_request)?;
    let client = &registered.client;
    note_client(client, &context);
    let mut request = match AuthorizationRequest::parse(&form, client, &rules(server)) {
        Ok(request) => request,
        Err(AuthorizationError::Show { mismatch: Some(mismatch), .. }) => {
            return unregistered(&mismatch, client, &context);
        }
        Err(error) => return refuse(&error, &context),
    };
    if session::is_signed_out(&context)? {
        request.prompt.insert(Prompt::SelectAccount);
    }
    let session = session::current(&door, &context).await?;
    let session = session.and_then(|user| still_welcome(&user, client, &context));
    let session = match session {
        Some(user) => hint_allows(&door, &request, client, &user, server, &context).then_some(user),
        None => None,
    };
    let step = request.sign_in(session.as_ref().map(|user| user.auth_time), context.now);
    if step == SignIn::Refused {
        let error = OAuthError::new(ErrorCode::LoginRequired, "nobody is signed in, and prompt is none");
        return refuse(&request.refuse(client, error), &context);
    }
    let (begun, under_way) = begin(&door, request, &context).await?;
    context.note(|event| event.with_grant(&begun.grant.id));
    let grants = door.store.grants();
    let id = begun.grant.id.clone();
    let path = match session.filter(|_| step == SignIn::UseSession) {
        None => &server.endpoints.login,
        Some(user) => {
            let grant = begun
                .grant
                .authenticate(user, context.now)
                .map_err(|error| Rejection::internal("grant_stuck", error.to_string()))?;
            let grant = Grant::Authenticated(grant);
            let moved = grants.advance(Stage::Pending, &grant, context.now).await.map_err(store_failed)?;
            if !moved.is_won() {
                return Err(transaction::over());
            }
            // Whoever ends all that a person has ends the sessions first and the grants then: either the grant was seen
            // there, or it is seen here that the session is over.
            if session::current(&door, &context).await?.is_none() {
                let _ended: Transition = grants.abandon(&id).await.map_err(store_failed)?;
                return Err(transaction::over());
            }
            &server.endpoints.consent
        }
    };
    drop(under_way);
    page::redirect(&step_url(path, &id), begun.cookies)
}

/// Begins a sign-in for a checked request: there is a grant for it in the store, and a place for it among others.
async fn begin<'d>(
    door: &'d AuthServer,
    request: AuthorizationRequest,
    context: &Context<Public>,
) -> Result<(Begun, UnderWay<'d>), Rejection> {
    let under_way = door.sign_ins.signin_limit.enter(context)?;
    let begun = transaction::begin(door, request, context)?;
    door.sign_ins
        .signin_limit
        .admit(door.store.grants(), &begun.grant.id, begun.grant.expires_at, context)
        .await?;
    if !door.store.grants().insert(&begun.grant).await.map_err(store_failed)?.is_won() {
        return Err(Rejection::internal("grant_not_begun", "a fresh grant id was taken"));
    }
    Ok((begun, under_way))
}

/// Begins the same sign-in again with a free choice of account. The record at hand stays that of what was before.
pub(crate) async fn begin_as_another(
    door: &AuthServer,
    mut request: AuthorizationRequest,
    context: &Context<Public>,
) -> Result<Begun, Rejection> {
    request.prompt.insert(Prompt::SelectAccount);
    let (begun, _under_way) = begin(door, request, context).await?;
    Ok(begun)
}

/// The user as of now, when `client` still takes whoever comes that way.
fn still_welcome(
    user: &AuthenticatedUser,
    client: &Client,
    context: &Context<Public>,
) -> Option<AuthenticatedUser> {
    standing::of_user_at(user, &client.connectors, &context.snapshot).ok().map(Cow::into_owned)
}

async fn parameters(body: Incoming, context: &Context<Public>) -> Result<Form, Rejection> {
    let query = context.head.uri.query().unwrap_or_default();
    let form = if context.head.method == Method::POST {
        posted(body, context).await?
    } else {
        Form::parse(query.as_bytes()).map_err(|error| bad_form(&error))?
    };
    Ok(form)
}

fn no_client() -> Rejection {
    Rejection::malformed("client_missing", "The application sent a request without client_id.")
}

/// Nobody is asked for a credential here, so an unknown client is a bad request.
fn as_bad_request(rejection: Rejection) -> Rejection {
    if rejection.kind.is_failure() {
        return rejection;
    }
    Rejection { kind: RejectionKind::Malformed, ..rejection }
}

fn rules(server: &AuthorizationServer) -> ServerRules {
    ServerRules {
        issuer: server.issuer.clone(),
        scopes: server.scopes.clone(),
        resources: server.resources.clone(),
        pkce: PkceDemand::Everyone,
    }
}
