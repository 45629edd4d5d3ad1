//! What follows a proven sign-in, whichever way the person came.

use gatehouse_audit::event::EventKind;
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::grant::{AuthenticatedUser, Grant, Pending, Stage};

use crate::error_response::refuse;
use crate::evidence::note_user;
use crate::page;
use crate::server::AuthServer;
use crate::session;
use crate::settings::{configured, store_failed};
use crate::step::{hint_allows, step_url};
use crate::transaction;

/// What follows a proven sign-in: a new session, the next stage of the grant, the consent page.
pub(crate) async fn complete(
    door: &AuthServer,
    registered: &RegisteredClient,
    pending: Pending,
    user: AuthenticatedUser,
    context: &Context<Public>,
) -> Outcome {
    let server = configured(context)?;
    let (client, request) = (&registered.client, &pending.request);
    let too_old = request.max_age.is_some_and(|limit| context.now.since(user.auth_time).as_secs() > limit);
    context.note(|event| event.with_kind(EventKind::SigninSuccess));
    note_user(&user, client, context)?;
    if too_old || !hint_allows(door, request, client, &user, server, context) {
        let error =
            OAuthError::new(ErrorCode::LoginRequired, "this sign-in is not the one that was asked for");
        return refuse(&request.refuse(client, error), context);
    }
    let (user, cookie) = session::begin(door, user, context).await?;
    let grant = pending
        .authenticate(user, context.now)
        .map_err(|error| Rejection::malformed("signin_too_late", format!("Sorry: {error}.")))?;
    let id = grant.id.clone();
    let moved = door.store.grants().advance(Stage::Pending, &Grant::Authenticated(grant), context.now).await;
    if !moved.map_err(store_failed)?.is_won() {
        return Err(transaction::over());
    }
    page::redirect(&step_url(&server.endpoints.consent, &id), [cookie])
}
