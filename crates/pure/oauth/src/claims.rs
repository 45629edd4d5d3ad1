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

use crate::client::{Client, GrantType};
use crate::grant::AuthenticatedUser;

/// Claims that only the issuer writes: no declarative claim or mapping replaces them.
const PROTECTED: [&str; 35] = [
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

/// Where the value of one claim comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimExpression(Source);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Literal(String),
    Attribute { connector: String, attribute: String },
    Fact(Fact),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    ClientId,
    ClientName,
    RequestScope,
    RequestAudience,
    RequestGrantType,
    UserSub,
    UserConnector,
    UserGroups,
    UserUpstreamSub,
    UserUpstreamIssuer,
}

const FACTS: [(&str, Fact); 10] = [
    ("client.id", Fact::ClientId),
    ("client.name", Fact::ClientName),
    ("request.scope", Fact::RequestScope),
    ("request.audience", Fact::RequestAudience),
    ("request.grant_type", Fact::RequestGrantType),
    ("user.sub", Fact::UserSub),
    ("user.connector", Fact::UserConnector),
    ("user.groups", Fact::UserGroups),
    ("user.upstream_sub", Fact::UserUpstreamSub),
    ("user.upstream_issuer", Fact::UserUpstreamIssuer),
];

/// Whom a value tells apart when it stands for the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distinction {
    /// All people of this server.
    Everybody,
    /// People of one connector; those of another may have the same value.
    PeopleOfOneConnector,
    /// Nobody: many people share the value.
    Nobody,
}

/// A claim expression that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimExpressionError {
    /// Nothing is written.
    #[error("a claim needs a source: connector.attribute, 'text', client.id, ...")]
    Empty,
    /// A quote that is not closed, or a lone quote inside the text.
    #[error("{0} is not a quoted text; write '' for a quote inside it")]
    Quote(String),
    /// No dot between connector and attribute.
    #[error("{0:?} is neither connector.attribute nor a 'quoted text'")]
    NoAttribute(String),
    /// A name under `client.`, `request.` or `user.` that does not exist.
    #[error(
        "{0:?} is unknown; known are client.id, client.name, request.{{scope,audience,grant_type}} and user.{{sub,connector,groups,upstream_sub,upstream_issuer}}"
    )]
    UnknownFact(String),
}

/// The strings of a claim that lists them, or that is one.
pub fn texts(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
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
    /// Reads an expression; see the module for what can be written.
    pub fn parse(text: &str) -> Result<Self, ClaimExpressionError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ClaimExpressionError::Empty);
        }
        if text.starts_with('\'') {
            return parse_literal(text).map(|literal| Self(Source::Literal(literal)));
        }
        if let Some((_, fact)) = FACTS.iter().find(|(name, _)| *name == text) {
            return Ok(Self(Source::Fact(*fact)));
        }
        match text.split_once('.') {
            Some(("client" | "request" | "user", _)) => {
                Err(ClaimExpressionError::UnknownFact(text.to_owned()))
            }
            Some((connector, attribute)) if !connector.is_empty() && !attribute.is_empty() => {
                Ok(Self(Source::Attribute {
                    connector: connector.to_owned(),
                    attribute: attribute.to_owned(),
                }))
            }
            _ => Err(ClaimExpressionError::NoAttribute(text.to_owned())),
        }
    }

    /// The connector whose attribute is read, if any; configuration checks that it exists.
    pub fn connector(&self) -> Option<&str> {
        match &self.0 {
            Source::Attribute { connector, .. } => Some(connector),
            _ => None,
        }
    }

    /// The attribute that is read of users of `connector`: as written, or `groups` for `user.groups`.
    pub fn attribute_of(&self, connector: &str) -> Option<&str> {
        match &self.0 {
            Source::Attribute { connector: own, attribute } if own == connector => Some(attribute),
            Source::Fact(Fact::UserGroups) => Some("groups"),
            _ => None,
        }
    }

    /// Whom the value tells apart, as far as can be said before anybody signs in: an attribute is taken for one that
    /// its connector gives to one person only.
    pub fn distinguishes(&self) -> Distinction {
        match &self.0 {
            Source::Fact(Fact::UserSub) => Distinction::Everybody,
            Source::Attribute { .. } | Source::Fact(Fact::UserUpstreamSub) => {
                Distinction::PeopleOfOneConnector
            }
            Source::Literal(_) | Source::Fact(_) => Distinction::Nobody,
        }
    }

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

fn parse_literal(text: &str) -> Result<String, ClaimExpressionError> {
    let refused = || ClaimExpressionError::Quote(text.to_owned());
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).ok_or_else(refused)?;
    if inner.replace("''", "").contains('\'') { Err(refused()) } else { Ok(inner.replace("''", "'")) }
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
