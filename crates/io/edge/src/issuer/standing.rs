//! Whether what stands behind a token of ours is still good: the one answer for every way in which it comes back, at
//! the gates of the gateways, as the subject of an exchange here or in the process, and wherever else it is shown.
//!
//! It is found in the token, the configuration and the deny-list, all of them in memory.

use std::borrow::Cow;

use serde_json::{Map, Value};

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_config::snapshot::connector::Connector;
use gatehouse_identity::groups::IncompleteGroups;
use gatehouse_identity::id::ConnectorName;
use gatehouse_oauth::claims::texts;
use gatehouse_oauth::exchange::Standing;
use gatehouse_oauth::grant::AuthenticatedUser;
use gatehouse_oauth::lineage::is_exchanged;
use gatehouse_oauth::sign_in;

use super::revocations::Revocations;
use crate::rejection::Rejection;

/// What stands behind a verified token with these claims. Of a token of another issuer only the deny-list knows
/// anything.
pub fn of_token(claims: &Map<String, Value>, snapshot: &Snapshot, revocations: &Revocations) -> Standing {
    if revocations.covers(claims) {
        return Standing::Revoked;
    }
    let Some(server) = &snapshot.authorization_server else { return Standing::Good };
    if text(claims, "iss") != Some(server.issuer.as_str()) {
        return Standing::Good;
    }
    let client = text(claims, "client_id").or_else(|| text(claims, "aud"));
    let users_come_through = match client.map(|client| server.connectors_of(client)) {
        Some(None) => return Standing::ClientDisabled,
        Some(Some(connectors)) => Some(connectors),
        None => None,
    };
    if !actors_are_known(claims, server) {
        return Standing::ClientDisabled;
    }
    let Some((connector, login)) = sign_in::read(claims) else { return Standing::Good };
    let still_used = |connectors: &[ConnectorName]| connectors.iter().any(|name| name.as_str() == connector);
    // Of the result of an exchange, the client has not signed the user in.
    if !is_exchanged(claims) && !users_come_through.is_none_or(still_used) {
        return Standing::ConnectorDisabled;
    }
    match snapshot.connectors.get(connector).map(AsRef::as_ref) {
        Some(known) if known.knows(login) => Standing::Good,
        Some(Connector::Local(_)) => Standing::UserDisabled,
        Some(Connector::Oidc(_)) | None => Standing::ConnectorDisabled,
    }
}

/// Somebody who once signed in, with the attributes and groups of today, as far as we know them ourselves: those of
/// embedded users. What an upstream IdP said counts until the next sign-in there.
pub fn of_user<'a>(
    user: &'a AuthenticatedUser,
    snapshot: &Snapshot,
) -> Result<Cow<'a, AuthenticatedUser>, Standing> {
    match snapshot.connectors.get(&user.connector).map(AsRef::as_ref) {
        // Another IdP behind the same name vouches for nobody who came from the one before.
        Some(Connector::Oidc(oidc))
            if user.upstream_issuer.as_ref().is_some_and(|issuer| oidc.issuer.accepts(issuer.as_str())) =>
        {
            // Whoever came in while that was allowed has to sign in again.
            if !user.has_all_groups() && oidc.incomplete_groups == IncompleteGroups::Deny {
                return Err(Standing::UserDisabled);
            }
            Ok(Cow::Borrowed(user))
        }
        Some(Connector::Local(local)) if user.upstream_issuer.is_none() => {
            let known = local.users.get(&user.upstream_subject).ok_or(Standing::UserDisabled)?;
            // The subject of before may be somebody else's by now.
            if known.subject != user.subject {
                return Err(Standing::UserDisabled);
            }
            if known.claims == user.attributes {
                return Ok(Cow::Borrowed(user));
            }
            Ok(Cow::Owned(AuthenticatedUser {
                attributes: known.claims.clone(),
                groups: texts(known.claims.get("groups")),
                ..user.clone()
            }))
        }
        Some(Connector::Oidc(_) | Connector::Local(_)) | None => Err(Standing::ConnectorDisabled),
    }
}

/// The same for a user of one client, which may not use the connector any more.
pub fn of_user_at<'a>(
    user: &'a AuthenticatedUser,
    users_come_through: &[ConnectorName],
    snapshot: &Snapshot,
) -> Result<Cow<'a, AuthenticatedUser>, Standing> {
    if users_come_through.contains(&user.connector) {
        of_user(user, snapshot)
    } else {
        Err(Standing::ConnectorDisabled)
    }
}

/// Refuses a bearer token that has fallen.
pub(crate) fn check_bearer(standing: Standing) -> Result<(), Rejection> {
    let code = match standing {
        Standing::Good => return Ok(()),
        Standing::Revoked => "token_revoked",
        Standing::ClientDisabled => "token_client_removed",
        Standing::UserDisabled => "token_user_removed",
        Standing::ConnectorDisabled => "token_connector_removed",
    };
    Err(Rejection::unauthenticated(code, standing.to_string()))
}

/// Whether the programs that acted for the subject are still clients; those of other issuers are theirs to end.
fn actors_are_known(claims: &Map<String, Value>, server: &AuthorizationServer) -> bool {
    let mut next = claims.get("act");
    while let Some(act) = next.and_then(Value::as_object) {
        let ours = text(act, "iss").is_none_or(|issuer| issuer == server.issuer.as_str());
        if ours && text(act, "sub").is_some_and(|actor| server.connectors_of(actor).is_none()) {
            return false;
        }
        next = act.get("act");
    }
    true
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}
