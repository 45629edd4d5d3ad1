//! How a user came in, as the tokens of the sign-in say it. A gate reads in the token itself which connector and which
//! of its users stand behind it, so that it can tell without the store whether both are still configured.
//!
//! | claim | value |
//! |---|---|
//! | `grant_connector` | the connector's name |
//! | `grant_login` | stands for what the connector knew the user by: the embedded user, or the issuer of the upstream IdP |
//! | `grant_user` | the user's subject at this server, where `claimsMapping.sub` gave the token another one |
//! | `grant_generation` | which refresh token of the grant the token was issued beside, from 1 on |
//! | `grant_audiences` | of an ID token: the audiences of the access token that was issued beside it |
//! | `groups_complete` | `false` when the upstream IdP left groups out; absent otherwise |
//!
//! A token that is exchanged for another one hands them on.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatehouse_identity::groups;
use gatehouse_identity::id::{ConnectorName, Issuer, SubjectId};
use serde_json::{Map, Value};

use crate::grant::AuthenticatedUser;

/// The connector that the user came through.
pub const CONNECTOR: &str = "grant_connector";
/// What the connector knew the user by, as a [`LoginReference`].
pub const LOGIN: &str = "grant_login";
/// The user's own subject, in tokens that have another one.
pub const USER: &str = "grant_user";
/// The generation of the grant's refresh token.
pub const GENERATION: &str = "grant_generation";
/// The audiences of the access token beside an ID token.
pub(crate) const AUDIENCES: &str = "grant_audiences";
/// The claims about the sign-in that the result of an exchange has from its subject token.
pub(crate) const HANDED_ON: [&str; 8] =
    ["auth_time", "acr", "amr", CONNECTOR, LOGIN, USER, GENERATION, groups::COMPLETE];

/// How many bytes of the digest a reference keeps.
const REFERENCE_BYTES: usize = 16;

/// Stands for what a connector knows a user by. It ends with the configuration that it was made from: another user of
/// the same name, another subject of the same user and another issuer behind the same connector have others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginReference(String);

impl LoginReference {
    /// An embedded user.
    pub fn embedded(connector: &ConnectorName, username: &str, subject: &SubjectId) -> Self {
        Self::of("embedded", &[connector.as_str(), username, subject.as_str()])
    }

    /// Everybody who came through an upstream IdP: whom it still knows, it alone can say. Whether its identifier ends in
    /// a slash is not known before it has been asked, and makes no other provider of it.
    pub fn federated(connector: &ConnectorName, issuer: &Issuer) -> Self {
        let issuer = issuer.as_str();
        Self::of("federated", &[connector.as_str(), issuer.strip_suffix('/').unwrap_or(issuer)])
    }

    /// The way that `user` came.
    pub fn of_user(user: &AuthenticatedUser) -> Self {
        match &user.upstream_issuer {
            None => Self::embedded(&user.connector, &user.upstream_subject, &user.subject),
            Some(issuer) => Self::federated(&user.connector, issuer),
        }
    }

    fn of(kind: &str, fields: &[&str]) -> Self {
        let mut digest = Context::new(&SHA256);
        for field in std::iter::once(&kind).chain(fields) {
            digest.update(&field.len().to_be_bytes());
            digest.update(field.as_bytes());
        }
        let digest = digest.finish();
        let kept = digest.as_ref().get(..REFERENCE_BYTES).unwrap_or_default();
        Self(URL_SAFE_NO_PAD.encode(kept))
    }

    /// The reference as a claim.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for LoginReference {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The claims of a sign-in that say how the user came in.
pub(crate) fn write(user: &AuthenticatedUser, claims: &mut Map<String, Value>) {
    claims.insert(CONNECTOR.into(), user.connector.as_str().into());
    claims.insert(LOGIN.into(), LoginReference::of_user(user).0.into());
    if !user.has_all_groups() {
        claims.insert(groups::COMPLETE.into(), false.into());
    }
}

/// Connector and reference that a token names; `None` for one behind which nobody has signed in.
pub fn read(claims: &Map<String, Value>) -> Option<(&str, &str)> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    text(CONNECTOR).zip(text(LOGIN))
}

/// The user's own subject in the claims of a sign-in. A token whose subject it is does not say it twice.
pub(crate) fn write_user(user: &AuthenticatedUser, subject: &SubjectId, claims: &mut Map<String, Value>) {
    if *subject != user.subject {
        claims.insert(USER.into(), user.subject.as_str().into());
    }
}

/// The subject that the person behind a token has at the server which issued it, whatever subject the token has: the
/// one name by which all evidence of the person is found. `None` for tokens behind which nobody has signed in.
pub fn user(claims: &Map<String, Value>) -> Option<&str> {
    read(claims)?;
    claims.get(USER).or_else(|| claims.get("sub")).and_then(Value::as_str)
}

/// The grant that a token comes from.
pub fn grant(claims: &Map<String, Value>) -> Option<&str> {
    claims.get("grant_id").and_then(Value::as_str)
}

/// The audiences of the access token that was issued beside an ID token.
pub fn audiences(claims: &Map<String, Value>) -> Vec<&str> {
    let audiences = claims.get(AUDIENCES).and_then(Value::as_array);
    audiences.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The generation of refresh tokens that a token belongs to; `None` for one without a grant.
pub fn generation(claims: &Map<String, Value>) -> Option<u64> {
    claims.get(GENERATION).and_then(Value::as_u64)
}

#[cfg(test)]
mod tests;
