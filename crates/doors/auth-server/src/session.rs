//! Browser sessions: server-side, known by a hash, new at every sign-in.

use std::time::Duration;

use http::header::HeaderValue;

use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::SessionId;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::grant::{AuthenticatedUser, SessionHash};
use gatehouse_store::fingerprint::Fingerprint;
use gatehouse_store::session::Session;
use gatehouse_store::transition::Transition;

use crate::cookie::Cookies;
use crate::server::AuthServer;
use crate::settings::{configured, store_failed};

/// In place of a session's id, which is longer.
const SIGNED_OUT: &str = "signed-out";

/// The session of the browser, which this request keeps alive.
pub(crate) async fn current(
    door: &AuthServer,
    context: &Context<Public>,
) -> Result<Option<AuthenticatedUser>, Rejection> {
    let rules = &context.snapshot.session;
    let Some(hash) = presented(context)? else { return Ok(None) };
    let sessions = door.store.sessions();
    let Some(session) = sessions.find(&hash, context.now).await.map_err(store_failed)? else {
        return Ok(None);
    };
    let end = session.created_at.plus(rules.max_lifetime);
    if context.now >= end {
        return Ok(None);
    }
    let until = end.min(context.now.plus(rules.idle_lifetime));
    // One write per tenth of the idle time is exact enough.
    if until.since(session.expires_at) > rules.idle_lifetime / 10 {
        let _moved: Transition = sessions.extend(&hash, until, context.now).await.map_err(store_failed)?;
    }
    Ok(Some(session.user))
}

/// Ends the browser's session, if it has one, and begins a new one for `user`: an id that was known before the
/// sign-in never becomes the session's.
pub(crate) async fn begin(
    door: &AuthServer,
    mut user: AuthenticatedUser,
    context: &Context<Public>,
) -> Result<(AuthenticatedUser, HeaderValue), Rejection> {
    let rules = &context.snapshot.session;
    let sessions = door.store.sessions();
    if let Some(old) = presented(context)? {
        let _there_was_one: Transition = sessions.end(&old).await.map_err(store_failed)?;
    }
    let id = SessionId::random(door.rng.as_ref());
    let hash = SessionHash::of(id.as_str());
    user.session = Some(hash.clone());
    let session =
        Session { user: user.clone(), created_at: context.now, expires_at: first_end(context.now, rules) };
    if !sessions.insert(&hash, &session).await.map_err(store_failed)?.is_won() {
        return Err(Rejection::internal("session_not_begun", "a fresh session id was taken"));
    }
    Ok((user, cookie(context, id.as_str(), rules.max_lifetime)?))
}

/// Ends the browser's session, if it has one.
pub(crate) async fn end(door: &AuthServer, context: &Context<Public>) -> Result<(), Rejection> {
    if let Some(hash) = presented(context)? {
        let _there_was_one: Transition = door.store.sessions().end(&hash).await.map_err(store_failed)?;
    }
    Ok(())
}

/// `Set-Cookie` that takes the session's cookie away.
pub(crate) fn forget(context: &Context<Public>) -> Result<HeaderValue, Rejection> {
    cookie(context, "", Duration::ZERO)
}

/// `Set-Cookie` after somebody has signed out: the next sign-in offers a free choice of account, also at an identity
/// provider that still knows the person.
pub(crate) fn mark_signed_out(context: &Context<Public>) -> Result<HeaderValue, Rejection> {
    cookie(context, SIGNED_OUT, context.snapshot.session.max_lifetime)
}

/// Whether the last person to sign in with this browser has signed out.
pub(crate) fn is_signed_out(context: &Context<Public>) -> Result<bool, Rejection> {
    Ok(value(context)? == Some(SIGNED_OUT))
}

/// What forms about the session carry. It follows from the cookie and from nothing that others learn, as they learn the
/// session's hash from ID tokens.
pub(crate) fn form_token(context: &Context<Public>) -> Result<Option<Secret>, Rejection> {
    let token = |id: &str| Secret::new(Fingerprint::of(["csrf", id, "session"]).to_string());
    Ok(id(context)?.map(token))
}

fn first_end(now: Timestamp, rules: &gatehouse_config::snapshot::platform::SessionRules) -> Timestamp {
    now.plus(rules.idle_lifetime.min(rules.max_lifetime))
}

fn presented(context: &Context<Public>) -> Result<Option<SessionHash>, Rejection> {
    Ok(id(context)?.map(SessionHash::of))
}

/// The id of a session that the browser shows.
fn id(context: &Context<Public>) -> Result<Option<&str>, Rejection> {
    Ok(value(context)?.filter(|value| !value.is_empty() && *value != SIGNED_OUT))
}

/// What the session's cookie holds.
fn value(context: &Context<Public>) -> Result<Option<&str>, Rejection> {
    let jar = Cookies::of(configured(context)?);
    Ok(jar.read(&context.head, &context.snapshot.session.cookie_name))
}

/// `Set-Cookie` of the session's cookie.
fn cookie(context: &Context<Public>, value: &str, lifetime: Duration) -> Result<HeaderValue, Rejection> {
    let jar = Cookies::of(configured(context)?);
    jar.set(&context.snapshot.session.cookie_name, value, lifetime.as_secs())
}
