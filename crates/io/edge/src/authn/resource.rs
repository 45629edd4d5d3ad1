//! The resource-server side: bearer tokens and static keys become a [`Principal`] (RFC 6750, RFC 9068).

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use gatehouse_config::snapshot::Snapshot;
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
use gatehouse_identity::principal::{ClaimRules, FormerPrincipal, Principal};
use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key::{self, KeyError, KeyHash, KeyTable};

use crate::context::{Head, Single};
use crate::issuer::keys::LocalKeys;
use crate::issuer::revocations::Revocations;
use crate::issuer::standing;
use crate::memory;
use crate::outbound::jwks::IssuerKeys;
use crate::rejection::{Rejection, RejectionKind, excerpt, loggable};

/// How long a verified token is remembered; also the longest time that a removed key keeps working.
const REMEMBER: Duration = Duration::from_secs(60);
/// Room for remembered tokens, in bytes: some thirty thousand usual ones.
const ROOM_FOR_TOKENS: u64 = 256 * 1024 * 1024;
/// Longest credential that is looked at.
const MAX_CREDENTIAL_BYTES: usize = 16 * 1024;

/// Where callers may put their credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialPlaces {
    /// `Authorization: Bearer` only.
    Bearer,
    /// `Authorization: Bearer` or `x-api-key`, as clients of the Messages API send it.
    BearerOrApiKey,
}

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

/// A caller who has been let in.
#[derive(Clone)]
pub struct Caller {
    /// Who it is.
    pub principal: Arc<Principal>,
    /// The token that proved it, for exchanging it; `None` for a static key.
    pub token: Option<Arc<BearerToken>>,
}

/// A verified token together with its text.
pub struct BearerToken {
    /// The text, for a token exchange at the issuer's own endpoint. It goes nowhere else.
    pub text: Secret,
    /// The hash of the text, which caches use in its place.
    pub hash: KeyHash,
    /// What it says.
    pub verified: VerifiedToken,
}

/// One protected resource: who may come in and what they must present.
///
/// It belongs to one configuration snapshot, so what it remembers can never outlive a change of the rules.
pub struct ResourceServer {
    places: CredentialPlaces,
    issuers: Vec<TrustedIssuer>,
    static_keys: KeyTable,
    revocations: Arc<Revocations>,
    remembered: Cache<KeyHash, Remembered>,
    /// Absolute URL of the protected-resource metadata (RFC 9728), named in challenges.
    pub resource_metadata: Option<String>,
    /// Scopes named in challenges.
    pub challenge_scopes: Option<String>,
}

#[derive(Clone)]
struct Remembered {
    caller: Caller,
    until: Timestamp,
}

impl Remembered {
    /// What it takes in memory. Claims take many times their text.
    fn weigh(&self) -> u32 {
        /// For principal, token and entry, with identifiers that are as long as usual.
        const FRAME: usize = 1_024;
        let text = self.caller.token.as_ref().map_or(0, |token| token.text.expose().len());
        let bytes = FRAME + text + memory::of_members(self.caller.principal.claims());
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl ResourceServer {
    /// A resource that accepts tokens of `issuers` while what stands behind them is good, and the keys of
    /// `static_keys`.
    pub fn new(
        places: CredentialPlaces,
        issuers: Vec<TrustedIssuer>,
        static_keys: KeyTable,
        revocations: Arc<Revocations>,
    ) -> Self {
        let remembered = Cache::builder()
            .max_capacity(ROOM_FOR_TOKENS)
            .weigher(|_, remembered: &Remembered| remembered.weigh())
            .time_to_live(REMEMBER)
            .build();
        Self {
            places,
            issuers,
            static_keys,
            revocations,
            remembered,
            resource_metadata: None,
            challenge_scopes: None,
        }
    }

    /// Names the metadata document and the scopes that challenges point to.
    #[must_use]
    pub fn with_challenge(mut self, resource_metadata: String, scopes: Option<String>) -> Self {
        self.resource_metadata = Some(resource_metadata);
        self.challenge_scopes = scopes;
        self
    }

    /// The caller behind the credentials in `head`.
    ///
    /// Every candidate is tried. One that proves nothing does not spoil another that does; two that prove
    /// different callers contradict each other.
    pub async fn authenticate(
        &self,
        head: &Head,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Caller, Rejection> {
        let (candidates, mut refusal) = self.candidates(head)?;
        let mut found: Option<Caller> = None;
        for candidate in candidates {
            match self.prove(candidate, snapshot, now).await {
                Ok(caller) => match &found {
                    Some(other) if !same_party(&other.principal, &caller.principal) => {
                        return Err(Rejection::malformed(
                            "credentials_contradict",
                            "The request carries credentials of different callers.",
                        ));
                    }
                    Some(_) => {}
                    None => found = Some(caller),
                },
                // That a credential could not be checked says more than that another proves nothing.
                Err(rejection) if refusal.as_ref().is_some_and(|known| known.kind.is_failure()) => {
                    drop(rejection);
                }
                Err(rejection) => refusal = Some(rejection),
            }
        }
        found.ok_or_else(|| {
            refusal.unwrap_or_else(|| {
                Rejection::unauthenticated("credential_missing", "no credential in the request")
            })
        })
    }

    /// The distinct credentials that the request carries, and what is wrong with one that cannot be read.
    fn candidates<'a>(&self, head: &'a Head) -> Result<(Vec<&'a str>, Option<Rejection>), Rejection> {
        let mut candidates = Vec::with_capacity(2);
        let mut unreadable = None;
        if let Some(value) = credential(head, Single::Authorization)? {
            match value.split_once(' ') {
                Some((scheme, token))
                    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() =>
                {
                    candidates.push(token.trim());
                }
                _ => {
                    unreadable = Some(Rejection::unauthenticated(
                        "credential_malformed",
                        "Authorization is not `Bearer <token>`",
                    ));
                }
            }
        }
        if self.places == CredentialPlaces::BearerOrApiKey
            && let Some(key) = credential(head, Single::XApiKey)?
            && !key.is_empty()
            && !candidates.contains(&key)
        {
            candidates.push(key);
        }
        Ok((candidates, unreadable))
    }

    async fn prove(
        &self,
        credential: &str,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Caller, Rejection> {
        if credential.len() > MAX_CREDENTIAL_BYTES {
            return Err(Rejection::unauthenticated(
                "credential_too_long",
                format!("{} bytes", credential.len()),
            ));
        }
        let key = KeyHash::of(credential);
        match self.static_keys.authenticate_hash(&key, now) {
            Ok(principal) => return Ok(Caller { principal: Arc::new(principal), token: None }),
            Err(KeyError::Unknown) if self.takes_for_token(credential) => {}
            Err(error) => {
                let mut rejection = Rejection::unauthenticated("key_refused", error.to_string());
                if let KeyError::Expired(former) = error {
                    rejection.former = Some(Arc::new(former));
                }
                return Err(rejection);
            }
        }
        let remembered = self.remembered.get(&key).filter(|hit| now < hit.until);
        let caller =
            if let Some(hit) = remembered { hit.caller } else { self.remember(key, credential, now).await? };
        standing::check_bearer(standing::of_token(caller.principal.claims(), snapshot, &self.revocations))?;
        Ok(caller)
    }

    async fn remember(&self, key: KeyHash, credential: &str, now: Timestamp) -> Result<Caller, Rejection> {
        let caller = self.verify(key, credential, now).await?;
        if let Some(token) = &caller.token {
            let until = token.verified.expires_at();
            self.remembered.insert(key, Remembered { caller: caller.clone(), until });
        }
        Ok(caller)
    }

    /// Whether a credential that is no known key is meant as a token: not if it begins like a key of ours, nor if nothing
    /// but keys is taken here.
    fn takes_for_token(&self, credential: &str) -> bool {
        !self.issuers.is_empty() && !credential.starts_with(static_key::PREFIX)
    }

    async fn verify(&self, hash: KeyHash, credential: &str, now: Timestamp) -> Result<Caller, Rejection> {
        let token = UnverifiedToken::parse(credential).map_err(|error| unreadable(&error))?;
        let claimed =
            token.issuer().ok_or_else(|| Rejection::unauthenticated("issuer_missing", "no `iss` claim"))?;
        let unknown = || {
            Rejection::unauthenticated("issuer_unknown", format!("issuer {claimed:?} is not trusted here"))
        };
        let issuer = self.issuer_of(claimed).ok_or_else(unknown)?;
        let issuer = issuer.for_kind_of(&token);
        let verified = match &issuer.keys {
            KeySource::Local(keys) => {
                let stated = issuer.issuer.as_configured();
                issuer.verify(&token, keys.verification_keys(), stated, now)?
            }
            KeySource::Remote(remote) => {
                let published = remote
                    .published(token.kid())
                    .await
                    .map_err(|error| Rejection::unavailable("issuer_keys_unavailable", error.to_string()))?;
                issuer.verify(&token, &published.keys, &published.metadata.issuer, now)?
            }
        };
        let principal = Principal::from_token(&verified, &issuer.claims)
            .map_err(|error| Rejection::unauthenticated("principal_unusable", error.to_string()))?;
        issuer.check_groups(&principal)?;
        if matches!(issuer.keys, KeySource::Local(_)) {
            self.revocations.sightings().note(verified.claims());
        }
        let token = BearerToken { text: Secret::new(credential.to_owned()), hash, verified };
        Ok(Caller { principal: Arc::new(principal), token: Some(Arc::new(token)) })
    }

    /// The trusted issuer that may call itself `claimed`.
    fn issuer_of(&self, claimed: &str) -> Option<&TrustedIssuer> {
        let configured = |trusted: &&TrustedIssuer| trusted.issuer.as_configured().as_str() == claimed;
        let accepting = |trusted: &&TrustedIssuer| trusted.issuer.accepts(claimed);
        self.issuers.iter().find(configured).or_else(|| self.issuers.iter().find(accepting))
    }

    /// The identifiers of the authorization servers, as they state them themselves: clients compare what they are told
    /// here with what they read there (RFC 9728 §3.2, RFC 8414 §3.3). One that cannot be asked now is named as it is
    /// configured.
    pub async fn authorization_servers(&self) -> Vec<Issuer> {
        let mut named = Vec::with_capacity(self.issuers.len());
        for trusted in &self.issuers {
            let published = match (&trusted.keys, &trusted.issuer) {
                (KeySource::Remote(keys), ExpectedIssuer::Derived(_)) => keys.published(None).await.ok(),
                (KeySource::Local(_) | KeySource::Remote(_), _) => None,
            };
            let configured = || trusted.issuer.as_configured().clone();
            named.push(published.map_or_else(configured, |published| published.metadata.issuer.clone()));
        }
        named
    }
}

impl TrustedIssuer {
    /// The issuer that `server` configures, whose tokens may also name one of `more` as their audience.
    pub fn of(server: &TrustedServer, keys: KeySource, more: &[Audience]) -> Self {
        let id_tokens = (!server.id_tokens_of.is_empty()).then(|| {
            let (audiences, id_tokens_of) = (server.id_tokens_of.clone(), Vec::new());
            let theirs =
                TrustedServer { audiences, id_tokens_of, token_type: TokenType::IdToken, ..server.clone() };
            Box::new(Self::of(&theirs, keys.clone(), &[]))
        });
        Self {
            id_tokens,
            issuer: server.issuer.clone(),
            keys,
            audiences: server.audiences.iter().chain(more).cloned().collect(),
            algorithms: server.algorithms.clone(),
            token_type: server.token_type,
            leeway: server.clock_skew,
            max_lifetime: server.max_lifetime,
            claims: server.claims.clone(),
            incomplete_groups: server.incomplete_groups,
        }
    }

    /// What is demanded of a token of this kind, as it says of itself; the signature proves it.
    fn for_kind_of(&self, token: &UnverifiedToken<'_>) -> &Self {
        match &self.id_tokens {
            Some(id_tokens) if !token.says_access_token() => id_tokens,
            _ => self,
        }
    }

    /// Verifies a token with the keys of the issuer, which calls itself `stated`. Whose token has expired is told with
    /// the refusal.
    fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        keys: &KeySet,
        stated: &Issuer,
        now: Timestamp,
    ) -> Result<VerifiedToken, Rejection> {
        let expectations = self.expectations(stated.clone());
        token.verify(keys, &expectations, now).map_err(|error| {
            let mut rejection = Rejection::unauthenticated(error.code(), error.to_string());
            if error == TokenError::Expired {
                let expired = token.expired(keys, &expectations, now);
                let former = expired.and_then(|token| FormerPrincipal::from_token(&token, &self.claims).ok());
                rejection.former = former.map(Arc::new);
            }
            rejection
        })
    }

    /// A policy that denies by group must not let somebody pass whose groups it does not see.
    fn check_groups(&self, principal: &Principal) -> Result<(), Rejection> {
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

/// What is no JWT may be a token all the same: one that only its issuer can read.
fn unreadable(error: &TokenError) -> Rejection {
    let why = match error {
        TokenError::Parts => {
            "neither a key that is known here nor a JWT: access tokens that only their issuer can \
                              read, as Google and Okta's org server make them, cannot be verified here"
                .to_owned()
        }
        error => error.to_string(),
    };
    Rejection::unauthenticated(error.code(), why)
}

fn credential(head: &Head, field: Single) -> Result<Option<&str>, Rejection> {
    let unreadable = |_| {
        let why = format!("{} is not printable ASCII", field.name());
        Rejection::unauthenticated("credential_malformed", why)
    };
    head.value(field).map(|value| value.to_str().map_err(unreadable)).transpose()
}

fn same_party(one: &Principal, other: &Principal) -> bool {
    one.issuer() == other.issuer() && one.subject() == other.subject() && one.client() == other.client()
}
