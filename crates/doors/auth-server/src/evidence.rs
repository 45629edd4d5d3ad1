//! Whom records are about: one person has one name in all of them, whatever subject a client's tokens have.

use gatehouse_audit::event::Event;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::id::{Issuer, SubjectId};
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::claims::ClaimSources;
use gatehouse_oauth::client::{Client, GrantType};
use gatehouse_oauth::grant::AuthenticatedUser;
use gatehouse_oauth::mint::subject_of;

use crate::settings::configured;

/// Puts a person into the record: under the subject that tokens for `client` have, and under their own name.
pub(crate) fn note_user(
    user: &AuthenticatedUser,
    client: &Client,
    context: &Context<Public>,
) -> Result<(), Rejection> {
    let issuer = &configured(context)?.issuer;
    context.note(|event| with_user(event, user, client, issuer));
    Ok(())
}

/// `event` about a person.
pub(crate) fn with_user(event: Event, user: &AuthenticatedUser, client: &Client, issuer: &Issuer) -> Event {
    event
        .with_subject(issuer, &token_subject(user, client))
        .with_user(&user.subject)
        .with_connector(user.connector.as_str())
}

/// The subject of a person's tokens for `client`. Whoever cannot be named in them has their own.
fn token_subject(user: &AuthenticatedUser, client: &Client) -> SubjectId {
    let sources = ClaimSources {
        user: Some(user),
        client,
        scopes: &ScopeSet::none(),
        audiences: &[],
        grant_type: GrantType::AuthorizationCode,
    };
    subject_of(&sources, user, |_| None).unwrap_or_else(|_| user.subject.clone())
}
