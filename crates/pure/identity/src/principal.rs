//! Who makes a request, as proven by a credential.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::delegation::{DelegationChain, DelegationError};
use crate::groups;
use crate::id::{ClientId, Issuer, SubjectId, TokenId};
use crate::jose::verify::{ExpiredToken, VerifiedToken, VerifiedType};
use crate::scope::ScopeSet;

/// A verified caller.
///
/// It can only be made from a [`VerifiedToken`] or by a [`crate::static_key::KeyTable`]: there is no default,
/// no empty and no anonymous principal.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(crate) issuer: Issuer,
    pub(crate) subject: SubjectId,
    pub(crate) kind: PrincipalKind,
    pub(crate) client: Option<ClientId>,
    pub(crate) actors: DelegationChain,
    pub(crate) scopes: ScopeSet,
    pub(crate) groups: Arc<[String]>,
    pub(crate) groups_complete: bool,
    pub(crate) credential: Credential,
    pub(crate) claims: Arc<Map<String, Value>>,
    pub(crate) of_gatehouse: bool,
}

/// What kind of party the subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A program that acts for itself: its token names it as subject and client alike or says that nobody is behind it,
    /// or it holds a static key.
    Workload,
}

/// The credential that proved the principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A signed token.
    Token {
        /// `jti`, when the token has one.
        id: Option<TokenId>,
        /// `exp`.
        expires_at: Timestamp,
    },
    /// A configured API key.
    StaticKey {
        /// Its configured name.
        name: String,
    },
}

/// How the claims of tokens from one issuer are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRules {
    /// The claim that identifies the user for good: `sub`, or `oid` for Entra ID.
    pub user: String,
    /// The claim that lists group names.
    pub groups: String,
    /// Whether the issuer is a Gatehouse, which says in its tokens of which sign-in of whom they are. Whatever another
    /// issuer puts into the same claims is its users' to choose, for all we know.
    pub of_gatehouse: bool,
}

impl Default for ClaimRules {
    fn default() -> Self {
        Self { user: "sub".into(), groups: "groups".into(), of_gatehouse: false }
    }
}

/// A verified token that names nobody we can serve.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrincipalError {
    /// The configured user claim is absent, empty or not a string.
    #[error("the token has no usable `{0}` claim")]
    NoSubject(String),
    /// `scope` or `scp` is neither a scope string nor a list of them.
    #[error("the token's scope claim is malformed")]
    Scope,
    /// The `act` claim cannot be read.
    #[error(transparent)]
    Delegation(#[from] DelegationError),
}

impl Principal {
    /// The party that `token` speaks for.
    pub fn from_token(token: &VerifiedToken, rules: &ClaimRules) -> Result<Self, PrincipalError> {
        let claims = token.claims();
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
        let subject = text(&rules.user).ok_or_else(|| PrincipalError::NoSubject(rules.user.clone()))?;
        // An ID token is for its client (OpenID Connect Core §2).
        let audience = || text("aud").filter(|_| token.token_type() == VerifiedType::IdToken);
        let client = text("client_id")
            .or_else(|| text("azp"))
            .or_else(|| text("appid"))
            .or_else(|| text("cid"))
            .or_else(audience);
        let acts_for_itself = (client.is_some() && client == text("sub"))
            || NOBODY_BEHIND.iter().any(|(claim, word)| text(claim) == Some(word));
        let kind = if acts_for_itself { PrincipalKind::Workload } else { PrincipalKind::User };
        Ok(Self {
            issuer: token.issuer().clone(),
            subject: SubjectId::new(subject),
            kind,
            client: client.map(ClientId::new),
            actors: DelegationChain::from_claims(claims)?,
            scopes: scopes(claims)?,
            groups: strings(claims.get(&rules.groups)).into(),
            groups_complete: groups::are_complete(claims, &rules.groups),
            credential: Credential::Token {
                id: text("jti").map(TokenId::new),
                expires_at: token.expires_at(),
            },
            claims: Arc::clone(token.shared_claims()),
            of_gatehouse: rules.of_gatehouse,
        })
    }

    /// The issuer within which [`Self::subject`] is unique.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The user or workload for whom the request is made.
    pub fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// Person or program.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The OAuth client that the token was issued to.
    pub fn client(&self) -> Option<&ClientId> {
        self.client.as_ref()
    }

    /// The parties between the subject and this request.
    pub fn actors(&self) -> &DelegationChain {
        &self.actors
    }

    /// The scopes of the credential.
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// Group names.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Whether [`Self::groups`] are all that the issuer knows; see [`groups::are_complete`].
    pub fn groups_complete(&self) -> bool {
        self.groups_complete
    }

    /// What proved this principal.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// All verified claims; empty for a static key.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The `email` claim, for people who read logs. Never an identity key.
    pub fn email(&self) -> Option<&str> {
        self.attribution().email()
    }

    /// Who it is, for a record.
    pub fn attribution(&self) -> Attribution<'_> {
        Attribution { principal: self, credential_is: CredentialState::Good }
    }
}

/// Whoever came with a credential that says who they are and yet opens nothing. It is no [`Principal`]: it only says
/// whose credential was refused.
#[derive(Clone, Debug)]
pub struct RefusedPrincipal {
    principal: Arc<Principal>,
    credential_is: CredentialState,
}

/// What has become of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// It is good.
    Good,
    /// Its time is over.
    Expired,
    /// It was ended before its time. Whoever sends it may be who it was taken from as well as who took it.
    Revoked,
}

impl RefusedPrincipal {
    /// The party that `token` spoke for.
    pub fn of_expired(token: &ExpiredToken, rules: &ClaimRules) -> Result<Self, PrincipalError> {
        Principal::from_token(token.as_it_was(), rules)
            .map(|principal| Self::new(Arc::new(principal), CredentialState::Expired))
    }

    /// A party whose credential is as said, and who is refused all the same.
    pub fn new(principal: Arc<Principal>, credential_is: CredentialState) -> Self {
        Self { principal, credential_is }
    }

    /// Who it is or was, for a record.
    pub fn attribution(&self) -> Attribution<'_> {
        Attribution { principal: &self.principal, credential_is: self.credential_is }
    }
}

/// What a record says of a party. Nothing else can be done with it.
#[derive(Clone, Copy, Debug)]
pub struct Attribution<'a> {
    principal: &'a Principal,
    credential_is: CredentialState,
}

impl<'a> Attribution<'a> {
    /// The issuer within which [`Self::subject`] is unique.
    pub fn issuer(&self) -> &'a Issuer {
        &self.principal.issuer
    }

    /// The user or workload.
    pub fn subject(&self) -> &'a SubjectId {
        &self.principal.subject
    }

    /// Person or program.
    pub fn kind(&self) -> PrincipalKind {
        self.principal.kind
    }

    /// The OAuth client.
    pub fn client(&self) -> Option<&'a ClientId> {
        self.principal.client.as_ref()
    }

    /// The parties between.
    pub fn actors(&self) -> &'a DelegationChain {
        &self.principal.actors
    }

    /// Group names.
    pub fn groups(&self) -> &'a Arc<[String]> {
        &self.principal.groups
    }

    /// Whether these are all groups.
    pub fn groups_complete(&self) -> bool {
        self.principal.groups_complete
    }

    /// The credential.
    pub fn credential(&self) -> &'a Credential {
        &self.principal.credential
    }

    /// The claims of the token; empty for a static key.
    pub fn claims(&self) -> &'a Map<String, Value> {
        &self.principal.claims
    }

    /// The claims in which a Gatehouse says of which sign-in of whom the token is; `None` where the issuer is none.
    pub fn sign_in(&self) -> Option<&'a Map<String, Value>> {
        self.principal.of_gatehouse.then_some(&*self.principal.claims)
    }

    /// The `email` claim.
    pub fn email(&self) -> Option<&'a str> {
        self.principal.claims.get("email").and_then(Value::as_str)
    }

    /// What has become of the credential.
    pub fn credential_is(&self) -> CredentialState {
        self.credential_is
    }
}

/// What tokens say that no person is behind: Entra ID's `idtyp`, Auth0's `gty`.
const NOBODY_BEHIND: [(&str, &str); 2] = [("idtyp", "app"), ("gty", "client-credentials")];

/// `scope` as RFC 9068 writes it, or `scp` as Entra ID (text) and Okta (list) do.
fn scopes(claims: &Map<String, Value>) -> Result<ScopeSet, PrincipalError> {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        None | Some(Value::Null) => Ok(ScopeSet::none()),
        Some(Value::String(text)) => ScopeSet::parse(text).map_err(|_| PrincipalError::Scope),
        Some(Value::Array(list)) => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            ScopeSet::parse(&texts.ok_or(PrincipalError::Scope)?.join(" ")).map_err(|_| PrincipalError::Scope)
        }
        Some(_) => Err(PrincipalError::Scope),
    }
}

/// The strings of a claim that is one string or a list of them.
fn strings(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
