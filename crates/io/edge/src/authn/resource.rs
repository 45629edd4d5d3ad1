//! The resource-server side: bearer tokens and static keys become a [`Principal`] (RFC 6750, RFC 9068).

mod issuer;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use moka::sync::Cache;

use gatehouse_config::snapshot::Snapshot;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::token::{TokenError, UnverifiedToken};
use gatehouse_identity::jose::verify::VerifiedToken;
use gatehouse_identity::principal::{CredentialState, Principal, RefusedPrincipal};
use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key::{self, KeyError, KeyHash, KeyTable};

pub use self::issuer::{KeySource, TrustedIssuer};
use crate::context::{Head, Single};
use crate::issuer::revocations::Revocations;
use crate::issuer::standing;
use crate::memory;
use crate::rejection::Rejection;

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
                if let KeyError::Expired(holder) = error {
                    rejection.refused = Some(Arc::new(holder));
                }
                return Err(rejection);
            }
        }
        let remembered = self.remembered.get(&key).filter(|hit| now < hit.until);
        let caller =
            if let Some(hit) = remembered { hit.caller } else { self.remember(key, credential, now).await? };
        let standing = standing::of_token(caller.principal.claims(), snapshot, &self.revocations);
        standing::check_bearer(standing)
            .map_err(|rejection| about(rejection, &caller.principal, CredentialState::Revoked))?;
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
        let principal = Arc::new(principal);
        issuer
            .check_groups(&principal)
            .map_err(|rejection| about(rejection, &principal, CredentialState::Good))?;
        if matches!(issuer.keys, KeySource::Local(_)) {
            self.revocations.token_use().note(verified.claims());
        }
        let token = BearerToken { text: Secret::new(credential.to_owned()), hash, verified };
        Ok(Caller { principal, token: Some(Arc::new(token)) })
    }

    /// The trusted issuer that may call itself `claimed`.
    fn issuer_of(&self, claimed: &str) -> Option<&TrustedIssuer> {
        let configured = |trusted: &&TrustedIssuer| trusted.issuer.as_configured().as_str() == claimed;
        let accepting = |trusted: &&TrustedIssuer| trusted.issuer.accepts(claimed);
        self.issuers.iter().find(configured).or_else(|| self.issuers.iter().find(accepting))
    }

    /// The identifiers of the authorization servers, as they state them themselves: clients compare what they are told
    /// here with what they read there (RFC 9728 §3.2, RFC 8414 §3.3).
    pub async fn authorization_servers(&self) -> AuthorizationServers {
        let named = join_all(self.issuers.iter().map(TrustedIssuer::stated)).await;
        let stated = named.iter().all(|(_, stated)| *stated);
        AuthorizationServers { issuers: named.into_iter().map(|(issuer, _)| issuer).collect(), stated }
    }
}

/// The authorization servers of a resource.
#[derive(Clone, Debug)]
pub struct AuthorizationServers {
    /// Their identifiers.
    pub issuers: Vec<Issuer>,
    /// Whether each is as the server states it. One that could not be asked is named as it is configured, and may call
    /// itself otherwise.
    pub stated: bool,
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

/// `rejection`, with whose credential it refuses.
fn about(mut rejection: Rejection, principal: &Arc<Principal>, credential_is: CredentialState) -> Rejection {
    rejection.refused = Some(Arc::new(RefusedPrincipal::new(Arc::clone(principal), credential_is)));
    rejection
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
