//! Declarative claims: where the value of a claim comes from.
//!
//! | written | value |
//! |---|---|
//! | `upstream-idp.email` | the attribute `email`, when the user signed in through connector `upstream-idp` |
//! | `upstream-idp.address.country` | a member of a nested attribute; an attribute with that whole name wins |
//! | `'gold'` | the text between the quotes, `''` for one quote |
//! | `client.id`, `client.name` | the client of the request |
//! | `request.scope`, `request.audience`, `request.grant_type` | what is being granted |
//! | `user.sub`, `user.connector`, `user.groups`, `user.upstream_sub`, `user.upstream_issuer` | the signed-in user |

use gatehouse_identity::audience::Audience;
use gatehouse_identity::scope::ScopeSet;
use serde_json::{Map, Value};

use self::expression::{Fact, Source};
use crate::client::{Client, GrantType};
use crate::grant::AuthenticatedUser;

mod expression;
mod texts;

pub use self::expression::{ClaimExpression, ClaimExpressionError, Distinction};
pub use self::texts::texts;

/// Claims that only the issuer writes: no declarative claim or mapping replaces them.
const PROTECTED: [&str; 42] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "azp",
    "scope",
    "scp",
    // By these, resource servers tell what kind of token it is and who is behind it.
    "typ",
    "token_use",
    "idtyp",
    "gty",
    "appid",
    "cid",
    "act",
    "act_assurance",
    "may_act",
    "cnf",
    "auth_time",
    "acr",
    "amr",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "events",
    "grant_id",
    "grant_connector",
    "grant_login",
    "grant_user",
    "grant_generation",
    "grant_audiences",
    "parent_jti",
    "ancestor_jti",
    "groups_complete",
    "hasgroups",
    "_claim_names",
    "_claim_sources",
];

/// Whether a claim is written by the issuer alone. `sub` of `claimsMapping` is the one exception, and it is
/// read where the subject is chosen.
pub fn is_protected(claim: &str) -> bool {
    PROTECTED.contains(&claim)
}

/// What claim expressions may read.
#[derive(Clone, Copy)]
pub struct ClaimSources<'a> {
    /// The signed-in user; `None` when the client acts for itself.
    pub user: Option<&'a AuthenticatedUser>,
    /// The client that gets the token.
    pub client: &'a Client,
    /// The scopes being granted.
    pub scopes: &'a ScopeSet,
    /// The audiences being granted.
    pub audiences: &'a [Audience],
    /// The grant in use.
    pub grant_type: GrantType,
}

impl ClaimExpression {
    /// The value, or `None` when its source is absent or null.
    pub fn resolve(&self, sources: &ClaimSources<'_>) -> Option<Value> {
        match &self.0 {
            Source::Literal(text) => Some(Value::String(text.clone())),
            Source::Attribute { connector, attribute } => {
                let user = sources.user.filter(|user| user.connector.as_str() == connector)?;
                find(&user.attributes, attribute).filter(|value| !value.is_null()).cloned()
            }
            Source::Fact(fact) => fact.resolve(sources),
        }
    }
}

impl Fact {
    fn resolve(self, sources: &ClaimSources<'_>) -> Option<Value> {
        let text = |text: &str| Some(Value::String(text.to_owned()));
        match self {
            Self::ClientId => text(sources.client.id.as_str()),
            Self::ClientName => text(&sources.client.name),
            Self::RequestScope => text(&sources.scopes.to_string()),
            Self::RequestAudience => audience_claim(sources.audiences),
            Self::RequestGrantType => text(sources.grant_type.as_str()),
            Self::UserSub => text(sources.user?.subject.as_str()),
            Self::UserConnector => text(sources.user?.connector.as_str()),
            Self::UserGroups => Some(sources.user?.groups.clone().into()),
            Self::UserUpstreamSub => text(&sources.user?.upstream_subject),
            Self::UserUpstreamIssuer => text(sources.user?.upstream_issuer.as_ref()?.as_str()),
        }
    }
}

/// `aud` as one string when there is one audience, as a list when there are more.
pub(crate) fn audience_claim(audiences: &[Audience]) -> Option<Value> {
    match audiences {
        [] => None,
        [one] => Some(Value::String(one.as_str().to_owned())),
        many => Some(many.iter().map(|audience| Value::String(audience.as_str().to_owned())).collect()),
    }
}

/// The attribute at `path`: the one with this whole name, or a member of a nested one.
pub fn find<'a>(attributes: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = attributes.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    find(attributes.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests;
