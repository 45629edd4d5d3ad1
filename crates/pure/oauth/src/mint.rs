//! The claims of the tokens that we issue: access tokens per RFC 9068, ID tokens per OpenID Connect Core §2.

use std::time::Duration;

use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::delegation::DelegationChain;
use gatehouse_identity::id::{ClientId, GrantId, Issuer, SubjectId, TokenId};
use gatehouse_identity::scope::ScopeSet;
use serde_json::{Map, Value};

use crate::claims::{ClaimSources, audience_claim, is_protected};
use crate::client::Client;
use crate::grant::AuthenticatedUser;
use crate::lineage::Lineage;
use crate::sign_in;
use crate::userinfo::user_claims;

/// `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// `typ` of ID tokens.
pub const ID_TOKEN_TYPE: &str = "JWT";

/// Everything that an access token says.
#[derive(Clone, Debug)]
pub struct AccessTokenClaims<'a> {
    /// `iss`.
    pub issuer: &'a Issuer,
    /// `sub`, from [`subject_of`] or the grant's own rules.
    pub subject: &'a SubjectId,
    /// `aud`: never empty.
    pub audiences: &'a [Audience],
    /// `client_id`.
    pub client: &'a ClientId,
    /// `scope`.
    pub scopes: &'a ScopeSet,
    /// `act`.
    pub actors: &'a DelegationChain,
    /// `act_assurance`, minted next to `act` only.
    pub act_assurance: Option<Assurance>,
    /// When, how and where the user signed in, as far as known: from [`sign_in_claims`] or the subject token.
    pub sign_in: &'a Map<String, Value>,
    /// `grant_id`, by which a revoked grant is recognised.
    pub grant: Option<&'a GrantId>,
    /// `grant_generation`, by which a refresh token that arrived is recognised.
    pub generation: Option<u64>,
    /// `parent_jti` and `ancestor_jti`, by which a revoked token before it is recognised.
    pub lineage: &'a Lineage,
    /// The client's declarative claims, from [`declared_claims`].
    pub declared: Map<String, Value>,
    /// From `iat` to `exp`.
    pub lifetime: Duration,
    /// `jti`.
    pub id: &'a TokenId,
}

/// Everything that an ID token says.
#[derive(Clone, Copy)]
pub struct IdTokenClaims<'a> {
    /// `iss`.
    pub issuer: &'a Issuer,
    /// `sub`, from [`subject_of`].
    pub subject: &'a SubjectId,
    /// The signed-in user.
    pub user: &'a AuthenticatedUser,
    /// `grant_audiences`: those of the access token beside it.
    pub audiences: &'a [Audience],
    /// `nonce` of the authorization request.
    pub nonce: Option<&'a str>,
    /// `grant_id`, by which a revoked grant is recognised when the token is exchanged.
    pub grant: Option<&'a GrantId>,
    /// `grant_generation`, by which a refresh token that arrived is recognised.
    pub generation: Option<u64>,
    /// From `iat` to `exp`.
    pub lifetime: Duration,
    /// `aud` (the client), the scopes and the rest that mapped claims may read.
    pub sources: ClaimSources<'a>,
}

/// A user that cannot be named in a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// `claimsMapping.sub` is configured, but the user lacks the attribute.
    #[error("claimsMapping.sub yields no text for this user")]
    Unmapped,
    /// The subject reads like a client id: the user could pass for a program (OAuth 2.1 §7.13).
    #[error("subject {0} is the id of a registered client")]
    IsClient(SubjectId),
    /// The subject belongs to another person.
    #[error(
        "claimsMapping.sub yields {0}, which is the subject of another user, who stands in the configuration"
    )]
    IsAnother(SubjectId),
}

/// Whose a subject is by configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A client's, as its id.
    Client,
    /// A user's.
    User,
}

/// `sub` of a user for one client: `claimsMapping.sub` when it is mapped, else the user's subject at this server.
///
/// A mapping that yields nothing is an error, never the default: a token for another subject than the operator
/// chose would open someone else's account downstream. For the same reason nobody is given the subject of another:
/// `holder` says whose it is, if it is anybody's by configuration.
pub fn subject_of(
    sources: &ClaimSources<'_>,
    user: &AuthenticatedUser,
    holder: impl Fn(&SubjectId) -> Option<Holder>,
) -> Result<SubjectId, SubjectError> {
    let mapping = sources.client.claims_mapping.iter().find(|(claim, _)| claim == "sub");
    let subject = match mapping {
        None => user.subject.clone(),
        Some((_, expression)) => match expression.resolve(sources) {
            Some(Value::String(text)) if !text.is_empty() => SubjectId::new(text),
            Some(Value::Number(number)) => SubjectId::new(number.to_string()),
            _ => return Err(SubjectError::Unmapped),
        },
    };
    match holder(&subject) {
        Some(Holder::Client) => Err(SubjectError::IsClient(subject)),
        Some(Holder::User) if subject != user.subject => Err(SubjectError::IsAnother(subject)),
        Some(Holder::User) | None => Ok(subject),
    }
}

/// The declarative access-token claims of a client; protected names never come out.
pub fn declared_claims(client: &Client, sources: &ClaimSources<'_>) -> Map<String, Value> {
    let declared = client.access_token.claims.iter().filter(|(claim, _)| !is_protected(claim));
    declared.filter_map(|(claim, expression)| Some((claim.clone(), expression.resolve(sources)?))).collect()
}

/// `auth_time` and `amr` of a user, where the user comes from, and who it is if `subject`, that of the token, does not
/// say it.
pub fn sign_in_claims(user: &AuthenticatedUser, subject: &SubjectId) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("auth_time".into(), user.auth_time.unix_seconds().into());
    if !user.amr.is_empty() {
        claims.insert("amr".into(), user.amr.clone().into());
    }
    sign_in::write(user, &mut claims);
    sign_in::write_user(user, subject, &mut claims);
    claims
}

/// The claims of an access token (RFC 9068 §2.2).
pub fn mint_access_token(token: &AccessTokenClaims<'_>, now: Timestamp) -> Map<String, Value> {
    let mut claims: Map<String, Value> = token
        .declared
        .iter()
        .filter(|(name, _)| !is_protected(name))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    claims.extend(
        sign_in::HANDED_ON
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), token.sign_in.get(name)?.clone()))),
    );
    insert_times(&mut claims, now, token.lifetime);
    let text = |text: &str| Value::String(text.to_owned());
    claims.insert("iss".into(), text(token.issuer.as_str()));
    claims.insert("sub".into(), text(token.subject.as_str()));
    claims.insert("aud".into(), audience_claim(token.audiences).unwrap_or_else(|| Value::Array(Vec::new())));
    claims.insert("jti".into(), text(token.id.as_str()));
    claims.insert("client_id".into(), text(token.client.as_str()));
    claims.insert("scope".into(), Value::String(token.scopes.to_string()));
    if let Some(act) = token.actors.to_claim() {
        claims.insert("act".into(), act);
        let assurance = token.act_assurance.unwrap_or(Assurance::SelfAsserted);
        claims.insert("act_assurance".into(), text(assurance.as_str()));
    }
    if let Some(grant) = token.grant {
        claims.insert("grant_id".into(), text(grant.as_str()));
    }
    if let Some(generation) = token.generation {
        claims.insert(sign_in::GENERATION.into(), generation.into());
    }
    token.lineage.write(&mut claims);
    claims
}

/// The claims of an ID token (OpenID Connect Core §2).
pub fn mint_id_token(token: &IdTokenClaims<'_>, now: Timestamp) -> Map<String, Value> {
    let mut claims = user_claims(token.user, &token.sources);
    claims.extend(sign_in_claims(token.user, token.subject));
    insert_times(&mut claims, now, token.lifetime);
    let text = |text: &str| Value::String(text.to_owned());
    claims.insert("iss".into(), text(token.issuer.as_str()));
    claims.insert("sub".into(), text(token.subject.as_str()));
    claims.insert("aud".into(), text(token.sources.client.id.as_str()));
    if let Some(nonce) = token.nonce {
        claims.insert("nonce".into(), text(nonce));
    }
    let audiences = token.audiences.iter().map(|audience| text(audience.as_str()));
    claims.insert(sign_in::AUDIENCES.into(), audiences.collect());
    if let Some(session) = &token.user.session {
        claims.insert("sid".into(), text(session.as_str()));
    }
    if let Some(grant) = token.grant {
        claims.insert("grant_id".into(), text(grant.as_str()));
    }
    if let Some(generation) = token.generation {
        claims.insert(sign_in::GENERATION.into(), generation.into());
    }
    claims
}

fn insert_times(claims: &mut Map<String, Value>, now: Timestamp, lifetime: Duration) {
    let issued_at = now.unix_seconds();
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    claims.insert("iat".into(), issued_at.into());
    claims.insert("exp".into(), issued_at.saturating_add(seconds).into());
}

#[cfg(test)]
mod tests;
