//! OAuth clients: found by id, and authenticated at the token endpoint (RFC 6749 §2.3).

mod budget;

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use http::StatusCode;
use moka::Expiry;
use moka::future::Cache;
use tokio::time::Instant;
use url::Url;

use gatehouse_audit::event::{ClientKind, EventKind, Outcome, Target};
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_config::snapshot::pinned::MetadataClients;
use gatehouse_identity::id::ClientId;
use gatehouse_oauth::cimd::{ClientMetadataUrl, MetadataDocument};
use gatehouse_oauth::client::PresentedCredentials;
use gatehouse_oauth::error::OAuthError;
use gatehouse_oauth::form::Form;

use self::budget::{Budget, Standing};
use crate::context::{Context, Head, Single};
use crate::outbound::coding::Unreadable;
use crate::outbound::fetch::{FetchError, Fetcher, Trust};
use crate::rejection::{Rejection, RejectionKind, loggable};

/// Largest metadata document (Client ID Metadata Documents §6.6).
const DOCUMENT_LIMIT: usize = 5 * 1024;
/// How long a fetched document is kept at least, and when its `Cache-Control` says nothing.
const KEPT_AT_LEAST: Duration = Duration::from_secs(300);
/// How long it is kept at most.
const KEPT_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the last good document stands in when no other can be had.
const STANDS_IN: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// How long it does until the host is asked again.
const RETRIED_AFTER: Duration = Duration::from_secs(30);
/// Most fetched documents held.
const DOCUMENTS: u64 = 1_000;

/// Finds clients: the registered ones of the snapshot, and those known by a metadata document.
#[derive(Clone)]
pub struct ClientDirectory {
    fetcher: Fetcher,
    budget: Arc<Budget>,
    documents: Cache<String, Fetched>,
    last_good: Cache<String, Arc<MetadataDocument>>,
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
        let last_good = Cache::builder().max_capacity(DOCUMENTS).time_to_live(STANDS_IN).build();
        Self { fetcher, budget: Arc::default(), documents, last_good }
    }

    /// The client `id`, or why there is none. A document that is neither pinned nor held is fetched, once for all
    /// who wait; one that cannot be used is not kept, and not asked for again too soon. While none can be had, the
    /// last good one of the URL stands in.
    pub async fn find<Who>(
        &self,
        id: &ClientId,
        context: &Context<Who>,
    ) -> Result<Arc<RegisteredClient>, Rejection> {
        let unknown = || {
            Rejection::new(RejectionKind::Unauthenticated, "client_unknown", "This client is not known here.")
                .because(format!("there is no client {id}"))
        };
        let server = context.snapshot.authorization_server.as_ref().ok_or_else(unknown)?;
        if let Some(registered) = server.clients.get(id) {
            return Ok(Arc::clone(registered));
        }
        let Some(metadata) = &server.metadata_clients else { return Err(unknown()) };
        let Ok(url) = ClientMetadataUrl::parse(id.as_str()) else { return Err(unknown()) };
        let document = match metadata.pinned.get(id) {
            Some(pinned) => Arc::clone(pinned),
            None => self.fetched(&url, metadata, context).await?,
        };
        let client = MetadataDocument::clone(&document).into_client(&metadata.template);
        Ok(Arc::new(RegisteredClient {
            client,
            access_token_policies: metadata.access_token_policies.clone(),
            id_token_policies: metadata.id_token_policies.clone(),
        }))
    }

    async fn fetched<Who>(
        &self,
        url: &ClientMetadataUrl,
        metadata: &MetadataClients,
        context: &Context<Who>,
    ) -> Result<Arc<MetadataDocument>, Rejection> {
        let parsed = Url::parse(url.as_str())
            .map_err(|error| unusable(&ClientId::new(url.as_str()), &error.to_string()))?;
        let host = parsed.host_str().unwrap_or_default();
        if !metadata.allows(&parsed) {
            return Err(Rejection::new(
                RejectionKind::Forbidden,
                "client_host_untrusted",
                "Client documents of this host are not accepted here.",
            )
            .because(url.as_str()));
        }
        let fetch = async {
            let last_good = self.last_good.get(url.as_str()).await;
            let standing = if last_good.is_some() { Standing::Proven } else { Standing::Unknown };
            let fetched = match self.budget.admit(standing, host, url.as_str(), Instant::now()) {
                Err(why) => Err(throttled(url, why)),
                Ok(()) => self.fetch_recorded(url, &parsed, context).await,
            };
            match (fetched, last_good) {
                (Ok(fetched), _) => {
                    self.last_good.insert(url.as_str().to_owned(), Arc::clone(&fetched.document)).await;
                    Ok(fetched)
                }
                (Err(rejection), Some(document)) if rejection.kind.is_failure() => {
                    tracing::warn!(
                        client.id = %loggable(url.as_str()),
                        error = rejection.internal.as_deref(),
                        "client document not refreshed"
                    );
                    Ok(Fetched { document, keep: RETRIED_AFTER })
                }
                (Err(rejection), _) => {
                    self.last_good.invalidate(url.as_str()).await;
                    Err(rejection)
                }
            }
        };
        let fetched = self.documents.try_get_with(url.as_str().to_owned(), fetch).await;
        fetched.map(|fetched| fetched.document).map_err(|shared: Arc<Rejection>| Rejection::clone(&shared))
    }

    /// Every document that was asked for is on record: that it was taken, or why not.
    async fn fetch_recorded<Who>(
        &self,
        url: &ClientMetadataUrl,
        parsed: &Url,
        context: &Context<Who>,
    ) -> Result<Fetched, Rejection> {
        let missing = || Rejection::internal("audit_missing", "clients are looked for without a record");
        let row = context.beside(EventKind::ClientMetadata).ok_or_else(missing)?;
        let target = Target { upstream: Some(parsed.origin().ascii_serialization()), ..Target::default() };
        let id = ClientId::new(url.as_str());
        row.note(|event| event.with_client(&id, ClientKind::MetadataDocument, None).with_target(target));
        let fetched = self.fetch(url, parsed).await;
        if let Err(rejection) = &fetched {
            let outcome = if rejection.kind.is_failure() { Outcome::Error } else { Outcome::Deny };
            row.conclude(outcome, rejection.reason);
        }
        row.submit().and(fetched)
    }

    async fn fetch(&self, url: &ClientMetadataUrl, parsed: &Url) -> Result<Fetched, Rejection> {
        let fetched = self.fetcher.get_json(parsed, &Trust::Public, DOCUMENT_LIMIT).await;
        let read = fetched.map_err(|error| not_had(url, &error)).and_then(|fetched| {
            let document = MetadataDocument::parse(url, &fetched.bytes)
                .map_err(|error| unusable(&ClientId::new(url.as_str()), &error.to_string()))?;
            let keep = fetched.max_age.unwrap_or(KEPT_AT_LEAST).clamp(KEPT_AT_LEAST, KEPT_AT_MOST);
            Ok(Fetched { document: Arc::new(document), keep })
        });
        read.inspect_err(|_| self.budget.failed(url.as_str(), Instant::now()))
    }
}

/// What a request to the token endpoint presents about its client.
pub fn presented(head: &Head, form: &Form) -> Result<PresentedCredentials, OAuthError> {
    let header = head.value(Single::Authorization);
    PresentedCredentials::read(header.map(|value| value.to_str().unwrap_or("?")), form)
}

fn throttled(url: &ClientMetadataUrl, why: &str) -> Rejection {
    Rejection::unavailable("client_document_throttled", format!("{}: {why}", url.as_str()))
}

/// Only the host's own word says that a client is none (any more): everything else may be different in a minute.
fn not_had(url: &ClientMetadataUrl, error: &FetchError) -> Rejection {
    match error {
        FetchError::Url(_)
        | FetchError::Blocked(_)
        | FetchError::Undeclared { .. }
        | FetchError::Body(_)
        | FetchError::Coded { why: Unreadable::Coding(_), .. }
        | FetchError::Status { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. } => {
            unusable(&ClientId::new(url.as_str()), &error.to_string())
        }
        FetchError::Unreachable { .. }
        | FetchError::Timeout(_)
        | FetchError::Status { .. }
        // There is no room here, which is not the host's word.
        | FetchError::Coded { why: Unreadable::Room(_), .. }
        | FetchError::NotJson { .. } => {
            Rejection::unavailable("client_document_unavailable", error.to_string())
        }
    }
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
