//! What providers say that they offer, for the models that only a pattern of the configuration stands for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use gatehouse_config::snapshot::llm::Account;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::client::OutboundRequest;
use gatehouse_edge::permit::Listing;
use gatehouse_edge::server::body;
use gatehouse_llm::model::listing::{Offered, OfferedPage};

/// Claude Code gives a list of models three seconds.
const LIST_TIME: Duration = Duration::from_millis(2_000);
/// How long a list is good for.
const FRESH: Duration = Duration::from_secs(300);
/// How long after a failure the provider is asked again.
const RETRY: Duration = Duration::from_secs(30);
/// The largest page that is read.
const PAGE_LIMIT: usize = 4 * 1024 * 1024;
/// How many pages of a thousand are read.
const MOST_PAGES: usize = 5;

/// A provider's list, asked for when somebody wants to see it. One asks; the others wait for what comes.
pub(crate) struct Offers {
    source: Source,
    known: Mutex<Known>,
}

/// Where the list is, and what it takes to read it.
pub(crate) struct Source {
    /// The provider's account.
    pub(crate) account: Arc<Account>,
    /// The path of the list there.
    pub(crate) path: String,
    /// What requests carry; sensitive.
    pub(crate) credential: (HeaderName, HeaderValue),
}

#[derive(Default)]
struct Known {
    models: Arc<[Offered]>,
    ask_again: Option<Instant>,
}

impl Offers {
    /// Nothing was asked of `source` yet.
    pub(crate) fn of(source: Source) -> Self {
        Self { source, known: Mutex::default() }
    }

    /// What the provider offers. While it cannot say, what it said last; a provider that never could offers nothing.
    pub(crate) async fn get(&self, outbound: &Outbound) -> Arc<[Offered]> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        if known.ask_again.is_some_and(|again| now < again) {
            return Arc::clone(&known.models);
        }
        let good_for = match ask(&self.source, outbound, now + LIST_TIME).await {
            Listed { models, broken: None } => {
                known.models = models.into();
                FRESH
            }
            Listed { models, broken: Some(detail) } => {
                // Pages that came are better than none, and worse than a whole list of before.
                if known.models.len() < models.len() {
                    known.models = models.into();
                }
                let (app, detail) = (self.source.account.name.as_str(), detail.as_str());
                tracing::warn!(app, detail, "the models of a provider cannot be listed");
                RETRY
            }
        };
        known.ask_again = Some(Instant::now() + good_for);
        Arc::clone(&known.models)
    }
}

/// What came of a list, and why there is no more of it.
#[derive(Default)]
struct Listed {
    models: Vec<Offered>,
    broken: Option<String>,
}

async fn ask(source: &Source, outbound: &Outbound, until: Instant) -> Listed {
    let mut listed = Listed::default();
    listed.broken = listed.read(source, outbound, until).await.err();
    listed
}

impl Listed {
    async fn read(&mut self, source: &Source, outbound: &Outbound, until: Instant) -> Result<(), String> {
        let mut cursor = None::<String>;
        for _ in 0..MOST_PAGES {
            let query = cursor
                .as_deref()
                .map(|id| format!("&after_id={}", utf8_percent_encode(id, NON_ALPHANUMERIC)));
            let path = format!("{}?limit=1000{}", source.path, query.unwrap_or_default());
            let path = path.parse::<PathAndQuery>().map_err(|error| error.to_string())?;
            let page = page(source, outbound, path, until).await?;
            let page = OfferedPage::parse(&page).map_err(|error| error.to_string())?;
            self.models.extend(page.models);
            // A provider that shows the same page for ever has shown it once.
            if page.next.is_none() || page.next == cursor {
                break;
            }
            cursor = page.next;
        }
        Ok(())
    }
}

async fn page(
    source: &Source,
    outbound: &Outbound,
    path: PathAndQuery,
    until: Instant,
) -> Result<Bytes, String> {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let (name, value) = &source.credential;
    headers.insert(name.clone(), value.clone());
    let request = OutboundRequest { method: Method::GET, path, headers, body: body::empty() };
    let client = &outbound.egress(source.account.tls.as_ref()).upstreams;
    let listing = Listing::of_models(&source.account);
    let to = listing.destination().map_err(|rejection| rejection.detail().into_owned())?;
    let response = client.send(&to, request, until.duration_since(Instant::now())).await;
    let response = response.map_err(|rejection| rejection.detail().into_owned())?;
    if !response.status().is_success() {
        return Err(format!("it answered {}", response.status()));
    }
    let whole = timeout_at(until, Limited::new(response.into_body(), PAGE_LIMIT).collect()).await;
    let whole = whole.map_err(|_| format!("no whole list within {LIST_TIME:?}"))?;
    whole.map(http_body_util::Collected::to_bytes).map_err(|error| error.to_string())
}
