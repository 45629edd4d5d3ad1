//! Clients: what is registered about them, and the proof of who they are at the token endpoint.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::{ClientId, ConnectorName};
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use serde_json::{Map, Value};

use crate::claims::{ClaimExpression, texts};
use crate::error::{ErrorCode, OAuthError};
use crate::exchange::{ExchangeRules, SubjectAudience};
use crate::redirect::{RedirectSet, RegisteredRedirect};

mod authentication;
mod grant_type;
mod kind;

pub use authentication::{AuthenticatedClient, PresentedCredentials, authenticate, basic_authorization};
pub use grant_type::{GrantType, UnknownGrantType};
pub use kind::ClientKind;

/// A registered client, whether an operator wrote it down or its metadata document says so.
#[derive(Clone)]
pub struct Client {
    /// The `client_id`.
    pub id: ClientId,
    /// What people read on the consent page; chosen by the client itself when it comes from a document.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// Secrets that are good now; more than one while they are rotated. Empty for public clients.
    pub secrets: Vec<Secret>,
    /// Where authorization responses may go.
    pub redirects: RedirectSet,
    /// The grants that it may use.
    pub grant_types: BTreeSet<GrantType>,
    /// The audiences that it may ask for; when empty, every resource that this server itself protects.
    pub allowed_audiences: Vec<Audience>,
    /// The audience of a request that names none.
    pub default_audience: Option<Audience>,
    /// Every scope that it may be granted.
    pub scopes: ScopeSet,
    /// The scopes of a request that names none; `None` stands for all of [`Self::scopes`].
    pub default_scopes: Option<ScopeSet>,
    /// How its access tokens look.
    pub access_token: AccessTokenProfile,
    /// How its refresh tokens live; `None` when it gets none.
    pub refresh: Option<RefreshProfile>,
    /// The connectors through which its users sign in, in order of preference.
    pub connectors: Vec<ConnectorName>,
    /// ID token and userinfo claims, by claim name.
    pub claims_mapping: Vec<(String, ClaimExpression)>,
    /// Where the registration comes from.
    pub origin: ClientOrigin,
    /// When a person is asked.
    pub consent: ConsentMode,
    /// What it may obtain by token exchange; `None` refuses the grant.
    pub exchange: Option<ExchangeRules>,
}

/// How access tokens of a client look.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessTokenProfile {
    /// The longest life of one token.
    pub lifetime: Duration,
    /// The signature algorithm; `None` for the server's choice.
    pub algorithm: Option<Algorithm>,
    /// Declarative claims, by claim name. Names that [`crate::claims::is_protected`] are never minted from here.
    pub claims: Vec<(String, ClaimExpression)>,
}

/// How refresh tokens of a client live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshProfile {
    /// The life of the family, from sign-in on.
    pub lifetime: Duration,
    /// How long a family may lie unused; `None` for as long as [`Self::lifetime`].
    pub idle_lifetime: Option<Duration>,
    /// What happens to stale tokens.
    pub rotation: RotationProfile,
    /// Which authorizations get one.
    pub condition: RefreshCondition,
}

/// What happens to refresh tokens that come late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationProfile {
    /// Several processes share one login and may sleep for hours: a stale token is refused for 24 hours before
    /// it counts as stolen.
    ClaudeNative,
    /// A stale token counts as stolen at once.
    Strict,
}

/// Which authorizations get a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshCondition {
    /// Every one.
    Always,
    /// Those with the scope `offline_access` (OpenID Connect Core §11).
    OfflineAccess,
}

/// Where a registration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOrigin {
    /// An operator wrote it.
    Registered,
    /// A Client ID Metadata Document.
    MetadataDocument {
        /// Its URL, which is the `client_id`.
        url: String,
        /// What a consent to the document is bound to; it changes with what people were shown.
        fingerprint: String,
    },
}

/// When a person is asked whether the client may act for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentMode {
    /// At every authorization.
    EveryTime,
    /// Once for the same client, redirect host, scopes and resources.
    Remembered,
    /// Never: the operator decided for everyone.
    Preapproved,
}

impl Client {
    /// Whether the client may use `grant`.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// The refusal of a grant that the client may not use.
    pub(crate) fn may_not_use(&self, grant: GrantType) -> OAuthError {
        let registered: Vec<&str> = self.grant_types.iter().map(|grant| grant.as_str()).collect();
        OAuthError::new(ErrorCode::UnauthorizedClient, format!("this client may not use {grant}"))
            .because(format!("asked for {grant}; grantTypes of the client: {}", registered.join(", ")))
    }

    /// Which scopes could have been asked for instead of `asked`, for operators.
    pub(crate) fn scopes_instead_of(&self, asked: &ScopeSet) -> String {
        format!("asked for {asked}; possible: {}", self.scopes)
    }

    /// Whether an authorization with `scopes` comes with a refresh token.
    pub fn gets_refresh_token(&self, scopes: &ScopeSet) -> bool {
        self.may_use(GrantType::RefreshToken)
            && self.refresh.as_ref().is_some_and(|profile| match profile.condition {
                RefreshCondition::Always => true,
                RefreshCondition::OfflineAccess => scopes.contains("offline_access"),
            })
    }

    /// Whether a token with `claims` is meant for this client: `aud` names its id, or an audience that its exchange
    /// rules say it answers for.
    pub fn answers_for(&self, claims: &Map<String, Value>) -> bool {
        let audiences = texts(claims.get("aud"));
        let named = |name: &str| audiences.iter().any(|audience| audience == name);
        let served = match self.exchange.as_ref().map(|rules| &rules.subjects) {
            Some(SubjectAudience::Named(audiences)) => audiences.as_slice(),
            Some(SubjectAudience::Any) | None => &[],
        };
        named(self.id.as_str()) || served.iter().any(|audience| named(audience.as_str()))
    }

    /// The least that is known about who the client is, before it proves anything.
    pub fn base_assurance(&self) -> Assurance {
        match (&self.origin, self.kind) {
            (ClientOrigin::MetadataDocument { .. }, _) => Assurance::Cimd,
            (ClientOrigin::Registered, ClientKind::Public) => Assurance::SelfAsserted,
            (ClientOrigin::Registered, ClientKind::Confidential) => Assurance::Secret,
        }
    }

    /// How sure we can be of the client behind a token that we issued to it: a public client whose every
    /// redirect leaves the user's computer was at least reached there.
    pub fn issued_assurance(&self) -> Assurance {
        let base = self.base_assurance();
        let remote_only =
            !self.redirects.is_empty() && !self.redirects.iter().any(RegisteredRedirect::is_loopback);
        if base == Assurance::SelfAsserted && remote_only { Assurance::RedirectBound } else { base }
    }
}

/// Secrets and claim expressions are left out.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
