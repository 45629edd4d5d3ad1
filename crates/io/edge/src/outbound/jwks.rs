//! Metadata and key sets of other issuers: fetched once for everybody who waits, kept when the issuer is down.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use url::Url;

use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
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

/// What an issuer publishes about itself (RFC 8414 §2, OpenID Connect Discovery §3); the members that we use.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// The issuer identifier.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where users are sent.
    pub authorization_endpoint: Option<String>,
    /// Where codes and tokens are exchanged.
    pub token_endpoint: Option<String>,
    /// Where claims about the user are.
    pub userinfo_endpoint: Option<String>,
    /// How clients may authenticate at the token endpoint.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Whether authorization responses carry `iss` (RFC 9207 §3).
    #[serde(default)]
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

/// The metadata and keys of one issuer.
pub struct IssuerKeys {
    issuer: Issuer,
    discovery: Discovery,
    refresh: Duration,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    held: Arc<ArcSwapOption<Published>>,
    last_attempt: Arc<Mutex<Option<Timestamp>>>,
}

impl IssuerKeys {
    /// The keys of `issuer`, found through the configured `discovery` and read again every `refresh`.
    pub fn new(
        issuer: Issuer,
        discovery: Discovery,
        refresh: Duration,
        fetcher: Fetcher,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (held, last_attempt) = (Arc::default(), Arc::default());
        Self { issuer, discovery, refresh, fetcher, clock, held, last_attempt }
    }

    /// The issuer.
    pub fn issuer(&self) -> &Issuer {
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
    /// who wait; after it, the held keys are returned whether they contain `kid` or not.
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
        let held = self.held.load_full().filter(usable);
        let cooling = self.is_cooling(*attempt, now);
        match held {
            Some(held) if cooling || kid.is_some_and(|kid| held.keys.contains(kid)) => Ok(held),
            None if cooling => Err(PublishedError::CoolingDown(self.discovery.url.clone())),
            held => {
                let cooling = || PublishedError::CoolingDown(self.discovery.url.clone());
                let fetched = match self.refetch(attempt) {
                    Some(work) => work.await.unwrap_or_else(|_| Err(cooling())),
                    None => Ok(()),
                };
                match fetched {
                    Ok(()) => self.held.load_full().ok_or_else(cooling),
                    Err(error) => held.ok_or(error),
                }
            }
        }
    }

    /// Whether it is too early for another attempt.
    fn is_cooling(&self, last_attempt: Option<Timestamp>, now: Timestamp) -> bool {
        let least = if self.held.load().is_some() { COOLDOWN } else { COOLDOWN_WITHOUT_KEYS };
        last_attempt.is_some_and(|last| now.since(last) < least)
    }

    /// Begins one attempt; `None` when it is too early for one. A failure leaves what is held in place.
    ///
    /// It runs to its end even if nobody waits any more: a caller who goes away must neither waste the attempt for
    /// everybody else nor be able to cause another.
    fn refetch(
        &self,
        mut attempt: OwnedMutexGuard<Option<Timestamp>>,
    ) -> Option<JoinHandle<Result<(), PublishedError>>> {
        let now = self.clock.now();
        if self.is_cooling(*attempt, now) {
            return None;
        }
        *attempt = Some(now);
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
    issuer: Issuer,
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
    issuer: &Issuer,
    discovery: &Discovery,
) -> Result<Metadata, PublishedError> {
    let well_known = &discovery.url;
    let fetched = fetcher.get_json(well_known, &Trust::configured(discovery), DOCUMENT_LIMIT).await?;
    let metadata: Metadata =
        serde_json::from_slice(&fetched.bytes).map_err(|error| document(well_known, error.to_string()))?;
    if metadata.issuer != issuer.as_str() {
        let why = format!("states issuer {:?}, expected {:?}", metadata.issuer, issuer.as_str());
        return Err(document(well_known, why));
    }
    Ok(metadata)
}

fn document(url: &Url, why: String) -> PublishedError {
    PublishedError::Document { url: url.to_string(), why }
}
