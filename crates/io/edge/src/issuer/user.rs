//! Users as the configuration knows them now, whatever was known when they signed in.

use std::borrow::Cow;

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::connector::Connector;
use gatehouse_oauth::claims::texts;
use gatehouse_oauth::grant::AuthenticatedUser;

/// Why somebody who once signed in is nobody any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// The connector is not configured any more.
    #[error("the connector is not configured any more")]
    Connector,
    /// The connector does not know the user any more.
    #[error("the user was removed")]
    User,
}

/// `user` with the attributes and groups of today, as far as we know them ourselves: those of embedded users. What
/// an upstream IdP said counts until the next sign-in there.
pub fn as_of_now<'a>(
    user: &'a AuthenticatedUser,
    snapshot: &Snapshot,
) -> Result<Cow<'a, AuthenticatedUser>, Gone> {
    match snapshot.connectors.get(&user.connector).map(AsRef::as_ref) {
        None => Err(Gone::Connector),
        Some(Connector::Oidc(_)) => Ok(Cow::Borrowed(user)),
        Some(Connector::Local(local)) => {
            let known = local.users.get(&user.upstream_subject).ok_or(Gone::User)?;
            // The subject of before may be somebody else's by now.
            if known.subject != user.subject {
                return Err(Gone::User);
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
    }
}
