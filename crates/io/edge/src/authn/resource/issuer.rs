//! An issuer whose tokens are accepted, and what is demanded of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use gatehouse_config::snapshot::protection::TrustedServer;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::groups::IncompleteGroups;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::KeySet;
use gatehouse_identity::jose::token::{TokenError, UnverifiedToken};
use gatehouse_identity::jose::verify::{Expectations, TokenType, VerifiedToken};
use gatehouse_identity::principal::{ClaimRules, Principal, RefusedPrincipal};
use gatehouse_oauth::sign_in;

use crate::issuer::keys::LocalKeys;
use crate::outbound::jwks::IssuerKeys;
use crate::rejection::{Rejection, RejectionKind, excerpt, loggable};

/// How long somebody who asks for the authorization servers waits for the first answer of one.
const NAMING: Duration = Duration::from_secs(1);

/// An issuer whose tokens are accepted.
pub struct TrustedIssuer {
    /// Its identifier, as far as it is configured.
    pub issuer: ExpectedIssuer,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Accepted `aud` values.
    pub audiences: Vec<Audience>,
    /// Accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Which kinds of token count.
    pub token_type: TokenType,
    /// Clock difference that is forgiven.
    pub leeway: Duration,
    /// The longest life of a token that is accepted.
    pub max_lifetime: Duration,
    /// Which claims name user and groups.
    pub claims: ClaimRules,
    /// How its ID tokens are accepted besides, where they are.
    pub id_tokens: Option<Box<TrustedIssuer>>,
    /// The audiences of which an ID token of ours has to name one as that of the access token beside it.
    pub resources: Option<Vec<Audience>>,
    /// What becomes of people whose groups it left out.
    pub incomplete_groups: IncompleteGroups,
}

/// Where an issuer's keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// Our own authorization server, never asked over the network.
    Local(Arc<LocalKeys>),
    /// Another authorization server.
    Remote(Arc<IssuerKeys>),
}

impl TrustedIssuer {
    /// The issuer that `server` configures, whose tokens may also name one of `more` as their audience.
    pub fn of(server: &TrustedServer, keys: KeySource, more: &[Audience]) -> Self {
        let audiences: Vec<Audience> = server.audiences.iter().chain(more).cloned().collect();
        let id_tokens = (!server.id_tokens_of.is_empty()).then(|| {
            let id_tokens_of = Vec::new();
            let theirs = TrustedServer {
                audiences: server.id_tokens_of.clone(),
                id_tokens_of,
                token_type: TokenType::IdToken,
                ..server.clone()
            };
            let theirs = Self::of(&theirs, keys.clone(), &[]);
            Box::new(Self { resources: Some(audiences.clone()), ..theirs })
        });
        Self {
            id_tokens,
            issuer: server.issuer.clone(),
            keys,
            audiences,
            resources: None,
            algorithms: server.algorithms.clone(),
            token_type: server.token_type,
            leeway: server.clock_skew,
            max_lifetime: server.max_lifetime,
            claims: server.claims.clone(),
            incomplete_groups: server.incomplete_groups,
        }
    }

    /// The identifier, and whether the issuer is known to state it so. Nobody waits for long for one that is down.
    pub(super) async fn stated(&self) -> (Issuer, bool) {
        let (KeySource::Remote(keys), ExpectedIssuer::Derived(_)) = (&self.keys, &self.issuer) else {
            return (self.issuer.as_configured().clone(), true);
        };
        // The attempt goes on without us.
        let published = match keys.held() {
            Some(held) => Some(held),
            None => timeout(NAMING, keys.published(None)).await.ok().and_then(Result::ok),
        };
        match published {
            Some(published) => (published.metadata.issuer.clone(), true),
            None => (self.issuer.as_configured().clone(), false),
        }
    }

    /// What is demanded of a token of this kind, as it says of itself; the signature proves it.
    pub(super) fn for_kind_of(&self, token: &UnverifiedToken<'_>) -> &Self {
        match &self.id_tokens {
            Some(id_tokens) if !token.says_access_token() => id_tokens,
            _ => self,
        }
    }

    /// Verifies a token with the keys of the issuer, which calls itself `stated`. Whose token has expired is told with
    /// the refusal.
    pub(super) fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        keys: &KeySet,
        stated: &Issuer,
        now: Timestamp,
    ) -> Result<VerifiedToken, Rejection> {
        let expectations = self.expectations(stated.clone());
        let verified = token.verify(keys, &expectations, now).map_err(|error| {
            let mut rejection = Rejection::unauthenticated(error.code(), error.to_string());
            if error == TokenError::Expired {
                let expired = token.expired(keys, &expectations, now);
                let holder =
                    expired.and_then(|token| RefusedPrincipal::of_expired(&token, &self.claims).ok());
                rejection.refused = holder.map(Arc::new);
            }
            rejection
        })?;
        self.check_resources(&verified)?;
        Ok(verified)
    }

    /// An ID token of ours stands for the access token that was issued beside it: it opens what that one does, which
    /// the minting policies have agreed to, and nothing else.
    fn check_resources(&self, verified: &VerifiedToken) -> Result<(), Rejection> {
        let Some(resources) = &self.resources else { return Ok(()) };
        let named = sign_in::audiences(verified.claims());
        if named.into_iter().any(|named| resources.iter().any(|resource| resource.as_str() == named)) {
            return Ok(());
        }
        Err(Rejection::unauthenticated(
            TokenError::Audience.code(),
            "the sign-in that the ID token is from was for other resources",
        ))
    }

    /// A policy that denies by group must not let somebody pass whose groups it does not see.
    pub(super) fn check_groups(&self, principal: &Principal) -> Result<(), Rejection> {
        if principal.groups_complete() {
            return Ok(());
        }
        let who = format!("{} of {}", principal.subject(), principal.issuer());
        if self.incomplete_groups == IncompleteGroups::Allow {
            tracing::warn!(user = %loggable(excerpt(&who)), "groups of a user are not all known");
            return Ok(());
        }
        Err(Rejection::new(
            RejectionKind::Forbidden,
            "groups_incomplete",
            "Your token does not list all groups that you are in, and they decide what you may do here.",
        )
        .because(format!(
            "the token of {who} says that groups were left out; let the provider send fewer of them, or write \
             `onIncompleteGroups: allow` for it"
        )))
    }

    fn expectations(&self, issuer: Issuer) -> Expectations {
        Expectations {
            issuer,
            audiences: self.audiences.clone(),
            algorithms: self.algorithms.clone(),
            token_type: self.token_type,
            leeway: self.leeway,
            max_lifetime: self.max_lifetime,
        }
    }
}
