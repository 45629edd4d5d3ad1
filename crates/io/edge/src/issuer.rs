//! The one place where tokens are issued, whatever the grant.
//!
//! Code, refresh, client credentials and exchange all end in [`TokenIssuer::issue`]: the same checks of client, user
//! and connector, the same policies, the same lifetimes, the same signature.

pub mod keys;
mod minted;
pub mod revocations;
mod signers;
pub mod standing;
pub mod token_use;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use gatehouse_audit::event::Exchange as TokenFacts;
use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_identity::address::ClientIp;
use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::delegation::DelegationChain;
use gatehouse_identity::id::{ClientId, GrantId, Issuer, SubjectId, TokenId};
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::rng::Rng;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::claims::ClaimSources;
use gatehouse_oauth::client::{Client, ClientKind, GrantType};
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::exchange::{ExchangeGrant, Standing};
use gatehouse_oauth::grant::AuthenticatedUser;
use gatehouse_oauth::lineage::Lineage;
use gatehouse_oauth::mint::{
    ACCESS_TOKEN_TYPE, AccessTokenClaims, Holder, ID_TOKEN_TYPE, IdTokenClaims, declared_claims,
    mint_access_token, mint_id_token, sign_in_claims, subject_of,
};
use gatehouse_policy::Policy;
use gatehouse_policy::input::{self, TokenMinting, User};

use self::keys::LocalKeys;
pub use self::minted::Minted;
use self::revocations::Revocations;
use self::signers::Signers;
use crate::authorize::{Act, Facts, authorize};
use crate::context::Context;
use crate::permit::Permitted;
use crate::rejection::{Rejection, RejectionKind};

/// Signs tokens of our own authorization server.
#[derive(Clone)]
pub struct TokenIssuer {
    issuer: Issuer,
    keys: Arc<LocalKeys>,
    signers: Signers,
    revocations: Arc<Revocations>,
    rng: Arc<dyn Rng>,
}

/// What a grant gives, after its own rules have passed.
pub struct Issuance<'a> {
    /// The client that gets the token.
    pub client: &'a RegisteredClient,
    /// How sure we are of it.
    pub assurance: Assurance,
    /// The grant in use.
    pub grant_type: GrantType,
    /// Who the token speaks for.
    pub subject: TokenSubject<'a>,
    /// Its scopes.
    pub scopes: &'a ScopeSet,
    /// Its audiences.
    pub audiences: &'a [Audience],
    /// `resource` parameters as sent, for policies.
    pub resources: &'a [String],
    /// Its life.
    pub lifetime: Duration,
    /// The grant it comes from.
    pub grant: Option<&'a GrantId>,
    /// The generation of the refresh token that is given beside it; an exchange hands on that of its subject token.
    pub generation: Option<u64>,
    /// Who else presented the same refresh token within moments, for policies.
    pub refresh_shared_with: Option<ClientIp>,
    /// `nonce` for an ID token, which is issued when `openid` is granted to a user.
    pub nonce: Option<&'a str>,
}

/// Who a token speaks for.
#[derive(Clone, Copy)]
pub enum TokenSubject<'a> {
    /// A user who signed in.
    User(&'a AuthenticatedUser),
    /// The client itself.
    Client,
    /// The subject of another token.
    Exchanged {
        /// What the exchange gives.
        result: &'a ExchangeGrant,
        /// Claims of the subject token.
        subject_token: &'a Map<String, Value>,
        /// Claims of the actor token.
        actor_token: Option<&'a Map<String, Value>>,
    },
}

/// Freshly issued tokens.
pub struct Issued {
    /// The access token.
    pub access_token: String,
    /// Its `jti`.
    pub id: TokenId,
    /// Its life.
    pub lifetime: Duration,
    /// The ID token, when `openid` was granted.
    pub id_token: Option<String>,
    /// The access token as audit records describe it.
    pub facts: TokenFacts,
    /// What the policies agreed to, for whoever keeps the token; `None` when there are no policies.
    pub minted: Option<Minted>,
}

/// A token that was not issued: in OAuth's words, or because something failed here.
#[derive(Debug)]
pub enum IssueError {
    /// The client is told so.
    Refused(OAuthError, Box<Rejection>),
    /// Our own fault.
    Failed(Box<Rejection>),
}

impl IssueError {
    /// The rejection alone, where nobody speaks OAuth.
    pub fn into_rejection(self) -> Rejection {
        match self {
            Self::Refused(_, rejection) | Self::Failed(rejection) => *rejection,
        }
    }
}

impl TokenIssuer {
    /// An issuer that signs with `keys` as `issuer`. Errors when the system refuses the threads that sign.
    pub fn new(
        issuer: Issuer,
        keys: Arc<LocalKeys>,
        revocations: Arc<Revocations>,
        rng: Arc<dyn Rng>,
    ) -> io::Result<Self> {
        let signers = Signers::start(&keys)?;
        Ok(Self { issuer, keys, signers, revocations, rng })
    }

    /// Our issuer identifier.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Our keys.
    pub fn keys(&self) -> &Arc<LocalKeys> {
        &self.keys
    }

    /// What was revoked before it expired.
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Issues the tokens of one grant.
    ///
    /// In order: everything that the token would stand on is still good, the subject is no client's id, the policies
    /// agree with the finished claims, and only then is anything signed.
    pub async fn issue<Who>(
        &self,
        issuance: &Issuance<'_>,
        context: &Context<Who>,
    ) -> Result<Issued, IssueError> {
        let server = context.snapshot.authorization_server.as_ref().ok_or_else(not_served)?;
        let user = check_standing(issuance, &self.revocations, context)?;
        let subject = user.as_deref().map_or(issuance.subject, TokenSubject::User);
        let issuance = &Issuance { subject, ..*issuance };
        let client = &issuance.client.client;
        let id = TokenId::random(self.rng.as_ref());
        let claims = self.access_claims(issuance, server, &id, context)?;
        let access = permit(issuance, &issuance.client.access_token_policies, claims, context).await?;
        let id_token = match self.id_claims(issuance, server, context)? {
            Some(claims) => {
                Some(permit(issuance, &issuance.client.id_token_policies, claims, context).await?)
            }
            None => None,
        };
        let minted = Minted::of(issuance, &access.act().claims);
        let access_token = self.sign(client.access_token.algorithm, ACCESS_TOKEN_TYPE, access).await?;
        let id_token = match id_token {
            Some(permitted) => Some(self.sign(self.id_token_algorithm(), ID_TOKEN_TYPE, permitted).await?),
            None => None,
        };
        let facts = facts(issuance, &id, context.now);
        context.note(|event| event.with_exchange(facts.clone()));
        Ok(Issued { access_token, id, lifetime: issuance.lifetime, id_token, facts, minted })
    }

    fn access_claims<Who>(
        &self,
        issuance: &Issuance<'_>,
        server: &AuthorizationServer,
        id: &TokenId,
        context: &Context<Who>,
    ) -> Result<Map<String, Value>, IssueError> {
        let client = &issuance.client.client;
        let sources = sources(issuance);
        let (direct, none) = (DelegationChain::direct(), Lineage::none());
        let mut token = AccessTokenClaims {
            issuer: &self.issuer,
            subject: &SubjectId::new(client.id.as_str()),
            audiences: issuance.audiences,
            client: &client.id,
            scopes: issuance.scopes,
            actors: &direct,
            act_assurance: None,
            sign_in: &Map::new(),
            grant: issuance.grant,
            generation: issuance.generation,
            lineage: &none,
            declared: declared_claims(client, &sources),
            lifetime: issuance.lifetime,
            id,
        };
        Ok(match issuance.subject {
            TokenSubject::Client => mint_access_token(&token, context.now),
            TokenSubject::User(user) => {
                let subject =
                    subject_of(&sources, user, holder(server)).map_err(|error| subject_error(&error))?;
                let sign_in = sign_in_claims(user, &subject);
                token.subject = &subject;
                token.sign_in = &sign_in;
                mint_access_token(&token, context.now)
            }
            TokenSubject::Exchanged { result, .. } => {
                token.subject = &result.subject;
                token.actors = &result.actors;
                token.act_assurance = result.act_assurance;
                token.sign_in = &result.sign_in;
                token.lineage = &result.lineage;
                mint_access_token(&token, context.now)
            }
        })
    }

    fn id_claims<Who>(
        &self,
        issuance: &Issuance<'_>,
        server: &AuthorizationServer,
        context: &Context<Who>,
    ) -> Result<Option<Map<String, Value>>, IssueError> {
        let TokenSubject::User(user) = issuance.subject else { return Ok(None) };
        if !issuance.scopes.contains("openid") {
            return Ok(None);
        }
        let sources = sources(issuance);
        let subject = subject_of(&sources, user, holder(server)).map_err(|error| subject_error(&error))?;
        let token = IdTokenClaims {
            issuer: &self.issuer,
            subject: &subject,
            user,
            audiences: issuance.audiences,
            nonce: issuance.nonce,
            grant: issuance.grant,
            generation: issuance.generation,
            lifetime: issuance.lifetime,
            sources,
        };
        Ok(Some(mint_id_token(&token, context.now)))
    }

    /// RS256 is what every relying party checks (OpenID Connect Core §3.1.3.7); without an RSA key, the first key.
    fn id_token_algorithm(&self) -> Option<Algorithm> {
        self.keys.algorithms().contains(&Algorithm::Rs256).then_some(Algorithm::Rs256)
    }

    /// Signs the claims that policies agreed to, off the reactor where that takes long.
    async fn sign(
        &self,
        algorithm: Option<Algorithm>,
        typ: &'static str,
        permitted: Permitted<Minting<'_>>,
    ) -> Result<String, IssueError> {
        let claims = permitted.into_act().claims;
        let failed = |why: String| IssueError::Failed(Box::new(Rejection::internal("signing_failed", why)));
        let key =
            self.keys.signing_key(algorithm).ok_or_else(|| failed(format!("no key for {algorithm:?}")))?;
        if signers::is_slow(key.algorithm()) {
            return self.signers.sign(key.algorithm(), typ, claims).await.map_err(failed);
        }
        key.sign(typ, &claims).map_err(|error| failed(error.to_string()))
    }
}

/// Minting a token: its finished claims, and what they stand on.
struct Minting<'a> {
    issuance: &'a Issuance<'a>,
    audiences: Vec<String>,
    claims: Map<String, Value>,
}

impl Act for Minting<'_> {
    fn facts(&self) -> Facts<'_> {
        let issuance = self.issuance;
        let (subject_token, actor_token) = match issuance.subject {
            TokenSubject::Exchanged { subject_token, actor_token, .. } => (Some(subject_token), actor_token),
            TokenSubject::User(_) | TokenSubject::Client => (None, None),
        };
        Facts::Token(TokenMinting {
            client: client_facts(&issuance.client.client, issuance.assurance),
            grant_type: issuance.grant_type.as_str(),
            scopes: issuance.scopes,
            audiences: &self.audiences,
            resources: issuance.resources,
            subject_token,
            actor_token,
            refresh_shared_with: issuance.refresh_shared_with,
            token: &self.claims,
        })
    }
}

/// What the client's policies say about the finished claims.
async fn permit<'a, Who>(
    issuance: &'a Issuance<'a>,
    policies: &[Policy],
    claims: Map<String, Value>,
    context: &Context<Who>,
) -> Result<Permitted<Minting<'a>>, IssueError> {
    let audiences = issuance.audiences.iter().map(ToString::to_string).collect();
    let minting = Minting { issuance, audiences, claims };
    let permitted = authorize(minting, policies, context, user_facts(issuance)).await;
    permitted.map_err(|rejection| {
        // That there was no room says nothing about the token.
        if rejection.kind == RejectionKind::RateLimited {
            return IssueError::Failed(Box::new(rejection));
        }
        let error = OAuthError::new(ErrorCode::AccessDenied, &rejection.public);
        IssueError::Refused(error, Box::new(rejection))
    })
}

fn client_facts(client: &Client, assurance: Assurance) -> input::Client<'_> {
    let public = client.kind == ClientKind::Public;
    input::Client { id: client.id.as_str(), name: &client.name, public, assurance }
}

/// The user as of now, when everything that the token would stand on is still good.
fn check_standing<'a, Who>(
    issuance: &Issuance<'a>,
    revocations: &Revocations,
    context: &Context<Who>,
) -> Result<Option<Cow<'a, AuthenticatedUser>>, IssueError> {
    match issuance.subject {
        TokenSubject::Client => Ok(None),
        TokenSubject::User(user) => {
            let connectors = &issuance.client.client.connectors;
            let current = standing::of_user_at(user, connectors, &context.snapshot);
            current.map(Some).map_err(|standing| fallen("user_not_active", standing))
        }
        TokenSubject::Exchanged { subject_token, actor_token, .. } => {
            for claims in std::iter::once(subject_token).chain(actor_token) {
                match standing::of_token(claims, &context.snapshot, revocations) {
                    Standing::Good => {}
                    standing => return Err(fallen("exchange_token_fallen", standing)),
                }
            }
            Ok(None)
        }
    }
}

fn fallen(reason: &'static str, standing: Standing) -> IssueError {
    let error = OAuthError::new(ErrorCode::InvalidGrant, "this sign-in is not valid any more");
    let rejection = Rejection::new(RejectionKind::Forbidden, reason, "This sign-in is not valid any more.");
    IssueError::Refused(error, Box::new(rejection.because(standing.to_string())))
}

fn sources<'a>(issuance: &Issuance<'a>) -> ClaimSources<'a> {
    let user = match issuance.subject {
        TokenSubject::User(user) => Some(user),
        TokenSubject::Client | TokenSubject::Exchanged { .. } => None,
    };
    ClaimSources {
        user,
        client: &issuance.client.client,
        scopes: issuance.scopes,
        audiences: issuance.audiences,
        grant_type: issuance.grant_type,
    }
}

fn user_facts<'a>(issuance: &Issuance<'a>) -> Option<User<'a>> {
    match issuance.subject {
        TokenSubject::Client => None,
        TokenSubject::User(user) => Some(User {
            id: user.subject.as_str(),
            connector: user.connector.as_str(),
            claims: &user.attributes,
            groups: user.groups.iter().map(String::as_str).collect(),
            groups_complete: user.has_all_groups(),
            auth_time: Some(user.auth_time),
            amr: user.amr.iter().map(String::as_str).collect(),
        }),
        TokenSubject::Exchanged { result, subject_token, .. } => {
            Some(User::of_token(result.subject.as_str(), subject_token))
        }
    }
}

/// A user must not be able to pass for a program (OAuth 2.1 §7.13), nor for another user.
fn holder(server: &AuthorizationServer) -> impl Fn(&SubjectId) -> Option<Holder> {
    |subject| {
        if server.clients.contains_key(&ClientId::new(subject.as_str())) {
            return Some(Holder::Client);
        }
        server.user_subjects.contains(subject).then_some(Holder::User)
    }
}

fn subject_error(error: &gatehouse_oauth::mint::SubjectError) -> IssueError {
    let rejection =
        Rejection::new(RejectionKind::Forbidden, "subject_unusable", "This user cannot be named in a token.")
            .because(error.to_string());
    IssueError::Refused(
        OAuthError::new(ErrorCode::AccessDenied, "this user cannot be named in a token"),
        Box::new(rejection),
    )
}

fn not_served() -> IssueError {
    IssueError::Failed(Box::new(Rejection::internal(
        "no_authorization_server",
        "this process issues no tokens",
    )))
}

fn facts(issuance: &Issuance<'_>, id: &TokenId, now: Timestamp) -> TokenFacts {
    let actors = match issuance.subject {
        TokenSubject::Exchanged { result, .. } => {
            result.actors.actors().iter().map(|actor| actor.subject.clone()).collect()
        }
        TokenSubject::User(_) | TokenSubject::Client => Vec::new(),
    };
    TokenFacts {
        grant_type: Some(issuance.grant_type.as_str().to_owned()),
        grant: issuance.grant.cloned(),
        issued: Some(id.clone()),
        audiences: issuance.audiences.iter().map(ToString::to_string).collect(),
        scope: Some(issuance.scopes.to_string()),
        actors,
        shared_with: None,
        expires_at: Some(now.plus(issuance.lifetime)),
    }
}
