//! What can be written as the source of a claim; the table is the one of the parent module.

/// Where the value of one claim comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimExpression(pub(super) Source);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Literal(String),
    Attribute { connector: String, attribute: String },
    Fact(Fact),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
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

    /// Whether the value is one of a signed-in person.
    pub fn is_of_a_person(&self) -> bool {
        match &self.0 {
            Source::Literal(_) => false,
            Source::Attribute { .. } => true,
            Source::Fact(fact) => match fact {
                Fact::ClientId
                | Fact::ClientName
                | Fact::RequestScope
                | Fact::RequestAudience
                | Fact::RequestGrantType => false,
                Fact::UserSub
                | Fact::UserConnector
                | Fact::UserGroups
                | Fact::UserUpstreamSub
                | Fact::UserUpstreamIssuer => true,
            },
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
}

fn parse_literal(text: &str) -> Result<String, ClaimExpressionError> {
    let refused = || ClaimExpressionError::Quote(text.to_owned());
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).ok_or_else(refused)?;
    if inner.replace("''", "").contains('\'') { Err(refused()) } else { Ok(inner.replace("''", "'")) }
}
