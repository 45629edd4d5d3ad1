//! Metadata and key sets of other issuers: fetched once for everybody who waits, kept when the issuer is down.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Deserializer};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use url::Url;

use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::jose::jwk::KeySet;

use crate::outbound::fetch::{FetchError, Fetcher, Trust};
use crate::rejection::loggable;

/// Largest metadata or key-set document.
const DOCUMENT_LIMIT: usize = 256 * 1024;
/// Least time between two fetches from one issuer, whatever the reason.
const COOLDOWN: Duration = Duration::from_secs(30);
/// The same while there are no keys at all, so that callers do not wait long for an issuer that starts after us.
const COOLDOWN_WITHOUT_KEYS: Duration = Duration::from_secs(2);
/// How long keys are used after the last successful fetch.
const STALE_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What an issuer publishes about itself (RFC 8414 §2, OpenID Connect Discovery §3); the members that we use. One that
/// is `null` is absent, as servers write it that have a place for every member.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// The issuer identifier, as it is stated.
    pub issuer: Issuer,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where users are sent.
    pub authorization_endpoint: Option<String>,
    /// Where codes and tokens are exchanged.
    pub token_endpoint: Option<String>,
    /// Where claims about the user are.
    pub userinfo_endpoint: Option<String>,
    /// How clients may authenticate at the token endpoint.
    #[serde(default, deserialize_with = "null_is_absent")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Whether authorization responses carry `iss` (RFC 9207 §3).
    #[serde(default, deserialize_with = "null_is_absent")]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Metadata and keys as last fetched.
#[derive(Debug)]
pub struct Published {
    /// The metadata.
    pub metadata: Metadata,
    /// The keys.
    pub keys: KeySet,
    fetched_at: Timestamp,
    fresh_for: Duration,
}

/// Metadata or keys that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// A document could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A document makes no sense.
    #[error("{url}: {why}")]
    Document {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The last attempt failed and the next is not due yet.
    #[error(
        "{0} could not be read lately; the next attempt is due within 30 s, or within 2 s while no keys are held"
    )]
    CoolingDown(Url),
}

/// The last time that somebody tried to fetch.
#[derive(Clone, Copy)]
struct Attempt {
    at: Timestamp,
    failed: bool,
}

/// The metadata and keys of one issuer.
pub struct IssuerKeys {
    issuer: ExpectedIssuer,
    discovery: Discovery,
    refresh: Duration,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    held: Arc<ArcSwapOption<Published>>,
    last_attempt: Arc<Mutex<Option<Attempt>>>,
}

impl IssuerKeys {
    /// The keys of `issuer`, found through the configured `discovery` and read again every `refresh`.
    pub fn new(
        issuer: ExpectedIssuer,
        discovery: Discovery,
        refresh: Duration,
        fetcher: Fetcher,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (held, last_attempt) = (Arc::default(), Arc::default());
        Self { issuer, discovery, refresh, fetcher, clock, held, last_attempt }
    }

    /// The issuer as configured; what it states itself is in its metadata.
    pub fn issuer(&self) -> &ExpectedIssuer {
        &self.issuer
    }

    /// The configured metadata URL.
    pub fn well_known(&self) -> &Url {
        &self.discovery.url
    }

    /// What is held now, without fetching.
    pub fn held(&self) -> Option<Arc<Published>> {
        self.held.load_full()
    }

    /// Keys in which `kid` can be looked up.
    ///
    /// A known `kid` never waits for the network. An unknown one causes at most one fetch per 30 s, shared by all
    /// who wait; after it, the held keys are returned whether they contain `kid` or not. Where that fetch failed, whether
    /// there is such a key cannot be said, and the failure is returned.
    pub async fn published(&self, kid: Option<&str>) -> Result<Arc<Published>, PublishedError> {
        if let Some(held) = self.held.load_full() {
            let age = self.clock.now().since(held.fetched_at);
            let knows = kid.is_none_or(|kid| held.keys.contains(kid));
            if knows && age <= held.fresh_for {
                return Ok(held);
            }
            if knows && age <= STALE_LIMIT {
                if let Ok(attempt) = Arc::clone(&self.last_attempt).try_lock_owned() {
                    // Detached: whoever comes next finds fresh keys, and nobody waits for them.
                    drop(self.refetch(attempt));
                }
                return Ok(held);
            }
        }
        self.fetch_once(kid).await
    }

    /// Fetches unless somebody else just did.
    async fn fetch_once(&self, kid: Option<&str>) -> Result<Arc<Published>, PublishedError> {
        let attempt = Arc::clone(&self.last_attempt).lock_owned().await;
        let now = self.clock.now();
        let usable = |held: &Arc<Published>| now.since(held.fetched_at) <= STALE_LIMIT;
        let knows = |held: &Arc<Published>| kid.is_none_or(|kid| held.keys.contains(kid));
        let held = self.held.load_full().filter(usable);
        let cooling = self.is_cooling(*attempt, now);
        let failed = attempt.is_some_and(|last| last.failed);
        let cooling_down = || PublishedError::CoolingDown(self.discovery.url.clone());
        match held {
            Some(held) if kid.is_some() && knows(&held) => Ok(held),
            Some(held) if cooling && (knows(&held) || !failed) => Ok(held),
            _ if cooling => Err(cooling_down()),
            held => {
                let fetched = match self.refetch(attempt) {
                    Some(work) => work.await.unwrap_or_else(|_| Err(cooling_down())),
                    None => Ok(()),
                };
                match fetched {
                    Ok(()) => self.held.load_full().ok_or_else(cooling_down),
                    Err(error) => held.filter(knows).ok_or(error),
                }
            }
        }
    }

    /// Whether it is too early for another attempt.
    fn is_cooling(&self, last_attempt: Option<Attempt>, now: Timestamp) -> bool {
        let least = if self.held.load().is_some() { COOLDOWN } else { COOLDOWN_WITHOUT_KEYS };
        last_attempt.is_some_and(|last| now.since(last.at) < least)
    }

    /// Begins one attempt; `None` when it is too early for one. A failure leaves what is held in place.
    ///
    /// It runs to its end even if nobody waits any more: a caller who goes away must neither waste the attempt for
    /// everybody else nor be able to cause another.
    fn refetch(
        &self,
        mut attempt: OwnedMutexGuard<Option<Attempt>>,
    ) -> Option<JoinHandle<Result<(), PublishedError>>> {
        let now = self.clock.now();
        if self.is_cooling(*attempt, now) {
            return None;
        }
        *attempt = Some(Attempt { at: now, failed: true });
        let order = FetchOrder {
            issuer: self.issuer.clone(),
            discovery: self.discovery.clone(),
            refresh: self.refresh,
            fetcher: self.fetcher.clone(),
        };
        let held = Arc::clone(&self.held);
        let work = async move {
            let fetched = order.fetch(now).await;
            let outcome = fetched.map(|published| held.store(Some(Arc::new(published))));
            *attempt = Some(Attempt { at: now, failed: outcome.is_err() });
            if let Err(error) = &outcome {
                let url = loggable(order.discovery.url.as_str());
                let error = error.to_string();
                tracing::warn!(issuer.metadata_url = %url, error = %loggable(&error), "issuer metadata not refreshed");
            }
            drop(attempt);
            outcome
        };
        #[expect(clippy::disallowed_methods, reason = "it ends by itself within the fetcher's own timeout")]
        let work = tokio::spawn(work);
        Some(work)
    }
}

/// What one attempt needs, so that it can outlive whoever asked for it.
struct FetchOrder {
    issuer: ExpectedIssuer,
    discovery: Discovery,
    refresh: Duration,
    fetcher: Fetcher,
}

impl FetchOrder {
    async fn fetch(&self, now: Timestamp) -> Result<Published, PublishedError> {
        let trust = Trust::configured(&self.discovery);
        let metadata = fetch_metadata(&self.fetcher, &self.issuer, &self.discovery).await?;
        let jwks_url = Url::parse(&metadata.jwks_uri).map_err(|error| {
            document(&self.discovery.url, format!("jwks_uri {:?}: {error}", metadata.jwks_uri))
        })?;
        let jwks = self.fetcher.get_json(&jwks_url, &trust, DOCUMENT_LIMIT).await?;
        let keys = KeySet::parse(&jwks.bytes).map_err(|error| document(&jwks_url, error.to_string()))?;
        if !keys.ignored().is_empty() {
            let keys = keys.ignored().join("; ");
            tracing::warn!(issuer.jwks_uri = %loggable(jwks_url.as_str()), keys, "issuer publishes keys that cannot be used");
        }
        let fresh_for = jwks.max_age.map_or(self.refresh, |age| age.clamp(COOLDOWN, self.refresh));
        Ok(Published { metadata, keys, fetched_at: now, fresh_for })
    }
}

/// Reads the metadata document of `issuer`; a document that states another issuer is refused (RFC 8414 §3.3).
pub async fn fetch_metadata(
    fetcher: &Fetcher,
    issuer: &ExpectedIssuer,
    discovery: &Discovery,
) -> Result<Metadata, PublishedError> {
    let well_known = &discovery.url;
    let fetched = fetcher.get_json(well_known, &Trust::configured(discovery), DOCUMENT_LIMIT).await?;
    let metadata: Metadata =
        serde_json::from_slice(&fetched.bytes).map_err(|error| document(well_known, error.to_string()))?;
    let stated = metadata.issuer.as_str();
    if issuer.accepts(stated) {
        return Ok(metadata);
    }
    Err(document(
        well_known,
        match issuer {
            ExpectedIssuer::Exactly(issuer) => {
                format!(
                    "states issuer {stated:?}, but the configuration says that it is {:?}",
                    issuer.as_str()
                )
            }
            ExpectedIssuer::Derived(issuer) => format!(
                "states issuer {stated:?}, but this URL belongs to {:?}, with or without a slash at its end; if the \
             stated one is meant, write it as `issuer` beside the URL",
                issuer.as_str()
            ),
        },
    ))
}

fn null_is_absent<'de, D, T>(member: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(member).map(Option::unwrap_or_default)
}

fn document(url: &Url, why: String) -> PublishedError {
    PublishedError::Document { url: url.to_string(), why }
}
