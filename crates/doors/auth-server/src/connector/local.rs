//! Users in the configuration, with argon2id hashes of their passwords.

mod hashing;

use std::net::IpAddr;

use gatehouse_config::snapshot::connector::{LocalConnector, LocalUser};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::claims::texts;
use gatehouse_oauth::grant::AuthenticatedUser;

use self::hashing::Measure;
pub(crate) use self::hashing::PasswordChecks;

/// A password as it was typed.
pub(crate) struct Password(Secret);

impl Password {
    /// Takes over a typed password.
    pub(crate) fn new(text: &str) -> Self {
        Self(Secret::new(text.to_owned()))
    }
}

/// Who wants to sign in, as they say, and from where.
pub(crate) struct Claim<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: Password,
    pub(crate) from: IpAddr,
}

/// The user, when the password is right.
///
/// Every attempt costs the same time, whoever has the name and whether anybody has: one hash of each cost that the
/// users of the connector have.
pub(crate) async fn authenticate(
    checks: &PasswordChecks,
    connector: &LocalConnector,
    claim: Claim<'_>,
    now: Timestamp,
) -> Result<Option<AuthenticatedUser>, Rejection> {
    let Claim { username, password, from } = claim;
    let user = connector.users.get(username);
    let matches = checks.matches(password, measure(connector, user), from).await?;
    Ok(user.filter(|_| matches).map(|user| signed_in(connector, username, user, now)))
}

/// The user's own hash, and one of each cost that it does not have.
fn measure(connector: &LocalConnector, user: Option<&LocalUser>) -> Measure {
    let others =
        connector.stand_ins.iter().filter(|stand_in| user.is_none_or(|user| user.cost != stand_in.cost));
    Measure {
        own: user.map(|user| user.password_hash.clone()),
        others: others.map(|stand_in| stand_in.password_hash.clone()).collect(),
    }
}

fn signed_in(
    connector: &LocalConnector,
    username: &str,
    user: &LocalUser,
    now: Timestamp,
) -> AuthenticatedUser {
    AuthenticatedUser {
        subject: user.subject.clone(),
        connector: connector.name.clone(),
        upstream_issuer: None,
        upstream_subject: username.to_owned(),
        groups_complete: Some(true),
        groups: texts(user.claims.get("groups")),
        attributes: user.claims.clone(),
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        session: None,
    }
}

#[cfg(test)]
mod tests;
