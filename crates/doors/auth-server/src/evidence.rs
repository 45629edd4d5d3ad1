//! Whom records are about: one person has one name in all of them, whatever subject a client's tokens have.

use gatehouse_audit::event::{ClientKind, Event};
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::{Rejection, loggable};
use gatehouse_identity::id::{ClientId, Issuer, SubjectId};
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::claims::ClaimSources;
use gatehouse_oauth::client::{Client, ClientOrigin, GrantType};
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

/// Puts the client into the audit record.
pub(crate) fn note_client(client: &Client, context: &Context<Public>) {
    context.note(|event| event.with_client(&client.id, audited_kind(client), None));
}

/// Puts the client into the audit record that a request claims to come from, and which may not exist: anything may stand
/// there, also a URL with a credential in its query.
pub(crate) fn note_claimed(id: &ClientId, context: &Context<Public>) {
    let id = ClientId::new(loggable(id.as_str()));
    context.note(|event| event.with_client(&id, ClientKind::Unknown, None));
}

/// How audit records call the origin of a client.
pub(crate) fn audited_kind(client: &Client) -> ClientKind {
    match client.origin {
        ClientOrigin::Registered => ClientKind::Registered,
        ClientOrigin::MetadataDocument { .. } => ClientKind::MetadataDocument,
    }
}
