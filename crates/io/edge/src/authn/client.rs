//! OAuth clients: found by id, and authenticated at the token endpoint (RFC 6749 §2.3).

mod budget;

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use moka::Expiry;
use moka::future::Cache;
use tokio::time::Instant;
use url::Url;

use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_config::snapshot::pinned::MetadataClients;
use gatehouse_identity::id::ClientId;
use gatehouse_oauth::cimd::{ClientMetadataUrl, MetadataDocument};
use gatehouse_oauth::client::PresentedCredentials;
use gatehouse_oauth::error::OAuthError;
use gatehouse_oauth::form::Form;

use self::budget::Budget;
use crate::outbound::fetch::{Fetcher, Trust};
use crate::rejection::{Rejection, RejectionKind};

/// Largest metadata document (Client ID Metadata Documents §6.6).
const DOCUMENT_LIMIT: usize = 5 * 1024;
/// How long a fetched document is kept at least, and when its `Cache-Control` says nothing.
const KEPT_AT_LEAST: Duration = Duration::from_secs(300);
/// How long it is kept at most.
const KEPT_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// Most fetched documents held.
const DOCUMENTS: u64 = 1_000;

/// Finds clients: the registered ones of the snapshot, and those known by a metadata document.
#[derive(Clone)]
pub struct ClientDirectory {
    fetcher: Fetcher,
    budget: Arc<Budget>,
    documents: Cache<String, Fetched>,
}

/// A document that was fetched.
#[derive(Clone)]
struct Fetched {
    document: Arc<MetadataDocument>,
    keep: Duration,
}

/// Documents end when they say so, within our bounds.
struct AsTheySay;

impl Expiry<String, Fetched> for AsTheySay {
    fn expire_after_create(&self, _url: &String, fetched: &Fetched, _now: StdInstant) -> Option<Duration> {
        Some(fetched.keep)
    }
}

impl ClientDirectory {
    /// A directory that fetches documents with `fetcher`.
    pub fn new(fetcher: Fetcher) -> Self {
        let documents = Cache::builder().max_capacity(DOCUMENTS).expire_after(AsTheySay).build();
        Self { fetcher, budget: Arc::default(), documents }
    }

    /// The client `id`, or why there is none. A document that is neither pinned nor held is fetched, once for all
    /// who wait; one that cannot be used is not kept, and not asked for again too soon.
    pub async fn find(
        &self,
        id: &ClientId,
        server: &AuthorizationServer,
    ) -> Result<Arc<RegisteredClient>, Rejection> {
        if let Some(registered) = server.clients.get(id) {
            return Ok(Arc::clone(registered));
        }
        let unknown = || {
            Rejection::new(RejectionKind::Unauthenticated, "client_unknown", "This client is not known here.")
        };
        let Some(metadata) = &server.metadata_clients else { return Err(unknown()) };
        let Ok(url) = ClientMetadataUrl::parse(id.as_str()) else { return Err(unknown()) };
        let document = match metadata.pinned.get(id) {
            Some(pinned) => Arc::clone(pinned),
            None => self.fetched(&url, metadata).await?,
        };
        let client = MetadataDocument::clone(&document).into_client(&metadata.template);
        Ok(Arc::new(RegisteredClient {
            client,
            access_token_policies: metadata.access_token_policies.clone(),
            id_token_policies: metadata.id_token_policies.clone(),
        }))
    }

    async fn fetched(
        &self,
        url: &ClientMetadataUrl,
        metadata: &MetadataClients,
    ) -> Result<Arc<MetadataDocument>, Rejection> {
        let parsed = Url::parse(url.as_str())
            .map_err(|error| unusable(&ClientId::new(url.as_str()), &error.to_string()))?;
        let host = parsed.host_str().unwrap_or_default();
        if !metadata.allowed_hosts.iter().any(|allowed| allowed == host) {
            return Err(Rejection::new(
                RejectionKind::Forbidden,
                "client_host_untrusted",
                "Client documents of this host are not accepted here.",
            )
            .because(url.as_str()));
        }
        let fetch = async {
            self.budget.admit(host, url.as_str(), Instant::now()).map_err(|why| throttled(url, why))?;
            self.fetch(url, &parsed).await.map_err(|why| {
                self.budget.failed(url.as_str(), Instant::now());
                unusable(&ClientId::new(url.as_str()), &why)
            })
        };
        let fetched = self.documents.try_get_with(url.as_str().to_owned(), fetch).await;
        fetched.map(|fetched| fetched.document).map_err(|shared: Arc<Rejection>| Rejection::clone(&shared))
    }

    async fn fetch(&self, url: &ClientMetadataUrl, parsed: &Url) -> Result<Fetched, String> {
        let fetched = self.fetcher.get_json(parsed, &Trust::Public, DOCUMENT_LIMIT).await;
        let fetched = fetched.map_err(|error| error.to_string())?;
        let document = MetadataDocument::parse(url, &fetched.bytes).map_err(|error| error.to_string())?;
        let keep = fetched.max_age.unwrap_or(KEPT_AT_LEAST).clamp(KEPT_AT_LEAST, KEPT_AT_MOST);
        Ok(Fetched { document: Arc::new(document), keep })
    }
}

/// What a request to the token endpoint presents about its client.
pub fn presented(headers: &HeaderMap, form: &Form) -> Result<PresentedCredentials, OAuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let header = values.next().map(|value| value.to_str().unwrap_or("?"));
    if values.next().is_some() {
        return PresentedCredentials::read(Some("?"), form);
    }
    PresentedCredentials::read(header, form)
}

fn throttled(url: &ClientMetadataUrl, why: &str) -> Rejection {
    Rejection::unavailable("client_document_throttled", format!("{}: {why}", url.as_str()))
}

fn unusable(id: &ClientId, why: &str) -> Rejection {
    Rejection::new(
        RejectionKind::Unauthenticated,
        "client_document_unusable",
        "The metadata document of this client cannot be used.",
    )
    .because(format!("{id}: {why}"))
}

#[cfg(test)]
mod tests;
