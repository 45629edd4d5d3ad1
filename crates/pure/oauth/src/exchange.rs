//! Token exchange (RFC 8693): who may act for whom, where, with which scopes and for how long.
//!
//! The order of the checks: 1 the client proved who it is, 2 it may use the grant, 3 the subject token is what it
//! is declared to be and meant for the client, 4 nothing behind it was switched off, 5 an actor token speaks for
//! the client, 6 `may_act`, 7 target, 8 scopes, 9 depth of the chain and of the lineage, 10 policy (the caller's, on the result),
//! 11 lifetime.

use std::fmt;
use std::time::Duration;

use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::delegation::{DelegationChain, DelegationError};
use gatehouse_identity::id::{GrantId, Issuer, SubjectId};
use gatehouse_identity::jose::verify::VerifiedToken;
use gatehouse_identity::scope::ScopeSet;
use serde_json::{Map, Value};

use crate::client::{AuthenticatedClient, Client};
use crate::error::{ErrorCode, OAuthError};
use crate::lineage::{Lineage, LineageError};
use crate::sign_in::HANDED_ON;

mod checks;
mod request;
mod rules;

pub use request::{DeclaredType, ExchangeRequest, IssuedType};
pub use rules::{ExchangeMode, ExchangeRules, ScopeMode, SubjectAudience};

/// What the caller found out before the rules decide.
#[derive(Clone, Copy)]
pub struct ExchangeFacts<'a> {
    /// The client that asks.
    pub requester: AuthenticatedClient<'a>,
    /// The subject token, verified against our own keys.
    pub subject: &'a VerifiedToken,
    /// The registration of the client that the subject token was issued to, when it still exists.
    pub subject_client: Option<&'a Client>,
    /// Whether anything behind the subject token was switched off.
    pub standing: Standing,
    /// The actor token, verified likewise; present exactly when the request has one.
    pub actor: Option<&'a VerifiedToken>,
    /// Our issuer identifier.
    pub issuer: &'a Issuer,
    /// The resources that this server itself protects.
    pub resources: &'a [Audience],
    /// The time of the request.
    pub now: Timestamp,
}

/// Whether what stands behind a token is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Good,
    /// The token, its session or its grant was revoked.
    Revoked,
    /// The user was disabled.
    UserDisabled,
    /// The client of the token was removed or disabled.
    ClientDisabled,
    /// The connector that the user came through was removed or disabled.
    ConnectorDisabled,
}

/// What is not good any more, for operators.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "everything behind it is good",
            Self::Revoked => "the token or its grant is revoked",
            Self::UserDisabled => "the user is not configured any more",
            Self::ClientDisabled => "a client behind it is not configured any more",
            Self::ConnectorDisabled => "the connector is not configured any more, or not for the client",
        })
    }
}

/// What may be minted, once policy agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeGrant {
    /// The subject, unchanged.
    pub subject: SubjectId,
    /// The actors, the requester first.
    pub actors: DelegationChain,
    /// How sure the least proven actor is; `None` without actors.
    pub act_assurance: Option<Assurance>,
    /// The scopes.
    pub scopes: ScopeSet,
    /// The audiences.
    pub audiences: Vec<Audience>,
    /// How long the result lives.
    pub lifetime: Duration,
    /// The grant that the subject token came from, so that revoking it reaches the result.
    pub grant: Option<GrantId>,
    /// The subject token and those before it, so that revoking any of them reaches the result.
    pub lineage: Lineage,
    /// When, how and where the subject signed in, as the subject token says it.
    pub sign_in: Map<String, Value>,
    /// What the answer calls the result.
    pub issued_type: IssuedType,
}

/// Why an exchange is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// A public client asks.
    #[error("token exchange is for clients that authenticate with a secret")]
    PublicClient,
    /// The grant is not registered for the client.
    #[error("this client may not use token exchange")]
    NotRegistered,
    /// A token is not of the declared type.
    #[error("a token is not of its declared type")]
    TypeMismatch,
    /// The subject token comes from another issuer.
    #[error("the subject token was not issued here")]
    ForeignIssuer,
    /// A token has expired.
    #[error("a token has expired")]
    Expired,
    /// A claim of the subject token cannot be read.
    #[error("claim {0} of the subject token cannot be read")]
    SubjectMalformed(&'static str),
    /// The subject token was neither issued to the client nor meant for it.
    #[error("the subject token was not meant for this client")]
    NotForRequester,
    /// What stands behind the subject token is not good any more.
    #[error("the subject token is not valid any more")]
    Standing(Standing),
    /// The request has an actor token that the caller did not verify, or the reverse.
    #[error("the actor token was not verified")]
    ActorUnverified,
    /// The actor token speaks for someone else than the client.
    #[error("the actor token must be the client's own")]
    ForeignActor,
    /// `may_act` of the subject token does not name the client.
    #[error("the subject token does not let this client act")]
    MayAct,
    /// A target is malformed or not allowed.
    #[error(transparent)]
    Target(OAuthError),
    /// These scopes cannot be had with this subject token.
    #[error("not available with this subject token: {beyond}")]
    Scope {
        /// What cannot be had.
        beyond: ScopeSet,
        /// What could have been.
        reachable: ScopeSet,
    },
    /// The configured scope map holds something that is no scope.
    #[error("the scope map of this client is malformed")]
    ScopeMap,
    /// `act` of the subject token cannot be read, or too many have acted.
    #[error(transparent)]
    Chain(#[from] DelegationError),
    /// The tokens before the subject token cannot be read, or are too many.
    #[error(transparent)]
    Lineage(#[from] LineageError),
    /// More actors than the rules of the client allow.
    #[error("the delegation chain would be deeper than {0}")]
    TooDeep(usize),
}

/// Decides about an exchange of verified tokens.
pub fn exchange(
    request: &ExchangeRequest,
    facts: &ExchangeFacts<'_>,
) -> Result<ExchangeGrant, ExchangeError> {
    let rules = checks::requester(&facts.requester)?;
    let client = facts.requester.client();
    let claims = facts.subject.claims();

    checks::declared_type(facts.subject, request.subject_token_type)?;
    checks::issued_here(facts)?;
    let remaining = checks::unexpired(facts.subject, facts.now)?;
    checks::meant_for_requester(facts, rules)?;
    checks::in_good_standing(facts)?;
    checks::actor_is_requester(facts, request)?;
    checks::may_act(facts)?;
    let audiences = request.targets.resolve(client, facts.resources).map_err(ExchangeError::Target)?;
    let scopes = checks::scopes(facts.subject, request.scope.as_ref(), client, &rules.scopes)?;
    let (actors, act_assurance) = checks::chain(facts, rules)?;
    let lineage = Lineage::below(claims)?;
    let lifetime = checks::lifetime(remaining, request.lifetime, client, rules);

    let subject = checks::text(claims, "sub").filter(|subject| !subject.is_empty());
    let sign_in = HANDED_ON.into_iter();
    Ok(ExchangeGrant {
        subject: SubjectId::new(subject.ok_or(ExchangeError::SubjectMalformed("sub"))?),
        actors,
        act_assurance,
        scopes,
        audiences,
        lifetime,
        grant: checks::text(claims, "grant_id").map(GrantId::new),
        lineage,
        sign_in: sign_in.filter_map(|name| Some((name.to_owned(), claims.get(name)?.clone()))).collect(),
        issued_type: request.issued_type,
    })
}

/// RFC 8693 §2.2.2: a bad token is `invalid_request`, not `invalid_grant`.
impl From<ExchangeError> for OAuthError {
    fn from(error: ExchangeError) -> Self {
        let code = match &error {
            ExchangeError::Target(inner) => return inner.clone(),
            ExchangeError::PublicClient | ExchangeError::NotRegistered => ErrorCode::UnauthorizedClient,
            ExchangeError::TypeMismatch
            | ExchangeError::ForeignIssuer
            | ExchangeError::Expired
            | ExchangeError::SubjectMalformed(_)
            | ExchangeError::NotForRequester
            | ExchangeError::Standing(_)
            | ExchangeError::ActorUnverified
            | ExchangeError::Chain(_)
            | ExchangeError::Lineage(_)
            | ExchangeError::TooDeep(_) => ErrorCode::InvalidRequest,
            ExchangeError::ForeignActor | ExchangeError::MayAct => ErrorCode::AccessDenied,
            ExchangeError::Scope { .. } => ErrorCode::InvalidScope,
            ExchangeError::ScopeMap => ErrorCode::ServerError,
        };
        let told = Self::new(code, error.to_string());
        match error {
            ExchangeError::Scope { beyond, reachable } => {
                told.because(format!("cannot have {beyond}; possible with this subject token: {reachable}"))
            }
            ExchangeError::Standing(standing) => told.because(standing.to_string()),
            _ => told,
        }
    }
}

#[cfg(test)]
mod tests;
