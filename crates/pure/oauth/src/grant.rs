//! Grants: one authorization from its request to the tokens that come from it.
//!
//! Each stage is a type that carries exactly what exists then, and moving on consumes the old stage:
//! [`Pending`] -> [`Authenticated`] -> [`Consented`] -> [`Active`]. The store makes each step once, with one
//! conditional write.

use std::fmt;
use std::time::Duration;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::groups;
use gatehouse_identity::id::{ClientId, ConnectorName, GrantId, Issuer, SubjectId};
use gatehouse_identity::rng::Rng;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::authorization::{AuthorizationRequest, RedirectParameter};
use crate::pkce::Challenge;
use crate::redirect::RedirectUri;

mod hash;

pub use hash::{BrowserBinding, CodeHash, RefreshHash, SessionHash, StateHash};

/// How long an authorization code is good (RFC 9700 and FAPI 2.0 §5.3.2.1 want at most 60 s).
pub const CODE_LIFETIME: Duration = Duration::from_mins(1);

/// A grant at any stage, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Grant {
    /// The user has not signed in yet.
    Pending(Pending),
    /// The user has signed in and has not decided yet.
    Authenticated(Authenticated),
    /// A code is waiting to be redeemed.
    Consented(Consented),
    /// Tokens were issued.
    Active(Active),
}

/// The name of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// [`Grant::Pending`].
    Pending,
    /// [`Grant::Authenticated`].
    Authenticated,
    /// [`Grant::Consented`].
    Consented,
    /// [`Grant::Active`].
    Active,
}

/// An authorization request whose user has not signed in yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// The grant.
    pub id: GrantId,
    /// The client.
    pub client: ClientId,
    /// What it asked for.
    pub request: AuthorizationRequest,
    /// The browser that may go on with it.
    pub browser: BrowserBinding,
    /// The leg to an upstream IdP, once the browser was sent there.
    pub upstream: Option<UpstreamLeg>,
    /// When the request arrived.
    pub created_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// What binds the answer of an upstream IdP to this grant and this browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamLeg {
    /// The connector of this transaction; an answer from any other is refused.
    pub connector: ConnectorName,
    /// The `state` that was sent, hashed.
    pub state: StateHash,
    /// The `nonce` that the ID token must repeat.
    pub nonce: String,
    /// Our own PKCE verifier.
    pub pkce_verifier: String,
}

/// A signed-in user in front of the consent page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Authenticated {
    /// The grant.
    pub id: GrantId,
    /// The client.
    pub client: ClientId,
    /// What it asked for.
    pub request: AuthorizationRequest,
    /// The browser that may go on with it.
    pub browser: BrowserBinding,
    /// Who signed in.
    pub user: AuthenticatedUser,
    /// When the request arrived.
    pub created_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// A granted request whose code waits to be redeemed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Consented {
    /// The grant.
    pub id: GrantId,
    /// The client.
    pub client: ClientId,
    /// What it asked for.
    pub request: AuthorizationRequest,
    /// Who granted it.
    pub user: AuthenticatedUser,
    /// What was granted.
    pub scopes: ScopeSet,
    /// Where it is good.
    pub audiences: Vec<Audience>,
    /// The code.
    pub code: CodeHash,
    /// When the code dies.
    pub code_expires_at: Timestamp,
    /// When the request arrived.
    pub created_at: Timestamp,
}

/// A grant from which tokens were issued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Active {
    /// The grant.
    pub id: GrantId,
    /// The client.
    pub client: ClientId,
    /// Who granted it.
    pub user: AuthenticatedUser,
    /// What was granted.
    pub scopes: ScopeSet,
    /// Where it is good.
    pub audiences: Vec<Audience>,
    /// `nonce` of the request, for the ID token.
    pub nonce: Option<String>,
    /// The code that was redeemed, kept to recognise a second redemption.
    pub code: CodeHash,
    /// What a valid second redemption would have to know.
    pub proof: RedemptionProof,
    /// When the code was redeemed.
    pub redeemed_at: Timestamp,
    /// When nothing issued from it can be alive any more.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// What the redemption of a code has to prove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RedemptionProof {
    /// The PKCE commitment.
    pub challenge: Option<Challenge>,
    /// Where the code went.
    pub redirect_uri: RedirectUri,
    /// Whether the authorization request named the redirect.
    pub redirect_parameter: RedirectParameter,
}

/// Who signed in, how and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthenticatedUser {
    /// The subject at this server, see [`federated_subject`].
    pub subject: SubjectId,
    /// The connector that the user came through.
    pub connector: ConnectorName,
    /// The issuer of the upstream IdP; `None` for embedded users.
    pub upstream_issuer: Option<Issuer>,
    /// `sub` at the upstream IdP, or the embedded user's name.
    pub upstream_subject: String,
    /// The connector's attributes of the user.
    pub attributes: Map<String, Value>,
    /// Group names.
    pub groups: Vec<String>,
    /// Whether these are all groups that the upstream IdP knows. Sign-ins from before this was asked do not say it:
    /// [`Self::has_all_groups`] goes by their attributes.
    #[serde(default)]
    pub groups_complete: Option<bool>,
    /// When the user proved who they are.
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// The browser session, hashed.
    pub session: Option<SessionHash>,
}

impl AuthenticatedUser {
    /// Whether all groups that the upstream IdP knows are in the list; see [`gatehouse_identity::groups`].
    pub fn has_all_groups(&self) -> bool {
        self.groups_complete.unwrap_or_else(|| groups::are_complete(&self.attributes, "groups"))
    }

    /// How pages call the person: as chosen by whoever the user comes from, so not to be trusted.
    pub fn shown_name(&self) -> &str {
        ["name", "preferred_username", "email"]
            .iter()
            .find_map(|claim| self.attributes.get(*claim)?.as_str())
            .unwrap_or(&self.upstream_subject)
    }
}

/// A step that the grant cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The grant or its code is past its time.
    #[error("the sign-in took too long; start again from the application")]
    Expired,
    /// More was granted than was asked for.
    #[error("the granted scopes go beyond the requested ones")]
    Widened,
    /// The sign-in came back through a connector to which this transaction did not go.
    #[error("the sign-in came back through another connector than it went to")]
    WrongConnector,
}

/// An authorization code with 256 bits of randomness, and what is stored of it.
pub fn new_code(rng: &dyn Rng) -> (Secret, CodeHash) {
    let code = rng.token(32);
    let hash = CodeHash::of(&code);
    (Secret::new(code), hash)
}

/// The default subject of a user from an upstream IdP: `<issuer>|<sub>`, so that two IdPs can never name the
/// same subject. `claimsMapping.sub` replaces it per client.
pub fn federated_subject(issuer: &Issuer, subject: &str) -> SubjectId {
    SubjectId::new(format!("{issuer}|{subject}"))
}

impl Pending {
    /// A new grant for a checked request.
    pub fn new(
        id: GrantId,
        request: AuthorizationRequest,
        browser: BrowserBinding,
        now: Timestamp,
        lifetime: Duration,
    ) -> Self {
        let client = request.client.clone();
        Self { id, client, request, browser, upstream: None, created_at: now, expires_at: now.plus(lifetime) }
    }

    /// The grant once the browser is sent to an upstream IdP.
    #[must_use]
    pub fn sent_upstream(self, leg: UpstreamLeg) -> Self {
        Self { upstream: Some(leg), ..self }
    }

    /// Moves on with the user who signed in.
    pub fn authenticate(self, user: AuthenticatedUser, now: Timestamp) -> Result<Authenticated, GrantError> {
        if now >= self.expires_at {
            return Err(GrantError::Expired);
        }
        if self.upstream.as_ref().is_some_and(|leg| leg.connector != user.connector) {
            return Err(GrantError::WrongConnector);
        }
        let Self { id, client, request, browser, created_at, expires_at, .. } = self;
        Ok(Authenticated { id, client, request, browser, user, created_at, expires_at })
    }
}

impl Authenticated {
    /// Moves on with the consent to `scopes`, which may be fewer than requested.
    pub fn consent(self, scopes: ScopeSet, code: CodeHash, now: Timestamp) -> Result<Consented, GrantError> {
        if now >= self.expires_at {
            return Err(GrantError::Expired);
        }
        if !scopes.is_subset(&self.request.scopes) {
            return Err(GrantError::Widened);
        }
        let Self { id, client, request, user, created_at, .. } = self;
        let audiences = request.audiences.clone();
        let code_expires_at = now.plus(CODE_LIFETIME);
        Ok(Consented { id, client, request, user, scopes, audiences, code, code_expires_at, created_at })
    }
}

impl Consented {
    /// What the redemption has to prove.
    pub fn proof(&self) -> RedemptionProof {
        RedemptionProof {
            challenge: self.request.challenge.clone(),
            redirect_uri: self.request.redirect_uri.clone(),
            redirect_parameter: self.request.redirect_parameter,
        }
    }

    /// Moves on; only [`crate::redemption`] decides that it may.
    pub(crate) fn redeemed(self, now: Timestamp, expires_at: Timestamp) -> Active {
        let proof = self.proof();
        let Self { id, client, request, user, scopes, audiences, code, .. } = self;
        let nonce = request.nonce;
        Active {
            id,
            client,
            user,
            scopes,
            audiences,
            nonce,
            code,
            proof,
            redeemed_at: now,
            expires_at,
            revoked_at: None,
        }
    }
}

impl Active {
    /// The grant, revoked; the first revocation stands.
    #[must_use]
    pub fn revoked(self, at: Timestamp) -> Self {
        Self { revoked_at: self.revoked_at.or(Some(at)), ..self }
    }
}

impl Grant {
    /// The grant's id.
    pub fn id(&self) -> &GrantId {
        match self {
            Self::Pending(grant) => &grant.id,
            Self::Authenticated(grant) => &grant.id,
            Self::Consented(grant) => &grant.id,
            Self::Active(grant) => &grant.id,
        }
    }

    /// The client.
    pub fn client(&self) -> &ClientId {
        match self {
            Self::Pending(grant) => &grant.client,
            Self::Authenticated(grant) => &grant.client,
            Self::Consented(grant) => &grant.client,
            Self::Active(grant) => &grant.client,
        }
    }

    /// The signed-in user, from [`Stage::Authenticated`] on.
    pub fn user(&self) -> Option<&AuthenticatedUser> {
        match self {
            Self::Pending(_) => None,
            Self::Authenticated(grant) => Some(&grant.user),
            Self::Consented(grant) => Some(&grant.user),
            Self::Active(grant) => Some(&grant.user),
        }
    }

    /// The stage.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Pending(_) => Stage::Pending,
            Self::Authenticated(_) => Stage::Authenticated,
            Self::Consented(_) => Stage::Consented,
            Self::Active(_) => Stage::Active,
        }
    }

    /// When the grant is of no more use in this stage.
    pub fn expires_at(&self) -> Timestamp {
        match self {
            Self::Pending(grant) => grant.expires_at,
            Self::Authenticated(grant) => grant.expires_at,
            Self::Consented(grant) => grant.code_expires_at,
            Self::Active(grant) => grant.expires_at,
        }
    }

    /// The code, from [`Stage::Consented`] on.
    pub fn code(&self) -> Option<&CodeHash> {
        match self {
            Self::Pending(_) | Self::Authenticated(_) => None,
            Self::Consented(grant) => Some(&grant.code),
            Self::Active(grant) => Some(&grant.code),
        }
    }
}

impl Stage {
    /// The stage as a word, for a column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authenticated => "authenticated",
            Self::Consented => "consented",
            Self::Active => "active",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
