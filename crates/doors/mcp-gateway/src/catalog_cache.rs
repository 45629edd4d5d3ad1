//! What each app offers: the tools of bridges from the configuration, those of proxies from their upstreams.
//!
//! A list is kept for a minute, for one revision of the configuration and, where the upstream is asked with the
//! caller's delegated token, for that token only. Lists are weighed by what they take in memory and counted for their
//! upstream. Each app has room of its own for them, so that no app's lists give way to those of another.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use moka::future::Cache;
use moka::policy::EvictionPolicy;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use gatehouse_config::snapshot::mcp::{McpApp, Upstream};
use gatehouse_config::snapshot::outbound::Outbound;
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::permit::Listing;
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::static_key::KeyHash;

use crate::app_catalog::{AppCatalog, Content, LeftOut};
use crate::unreachable::KnownNames;
use crate::upstream::{self, Upstreams};

/// How long a list is kept at most.
const KEPT: Duration = Duration::from_secs(60);
/// How long it is kept at least, whatever the upstream says: calls look tools up in it.
const KEPT_AT_LEAST: Duration = Duration::from_secs(5);
/// How long an app that could not be asked is left alone.
const FAILURE_KEPT: Duration = Duration::from_secs(3);
/// Room for what was asked by whom, in bytes.
const ROOM_FOR_KEYS: u64 = 32 * 1024 * 1024;
/// How many of an app's largest lists there is room for.
const LARGEST_LISTS: u64 = 4;
/// Of what an upstream may have in memory, the part that its lists may take: its answers need the rest.
const SHARE_OF_LISTS: u64 = 4;
/// How many large lists of one app are read at once.
const READ_AT_ONCE: usize = 4;
/// How often a list is asked for again that gave way to others before it was used.
const ATTEMPTS: usize = 3;

/// All lists that are held.
pub(crate) struct CatalogCache {
    cached: Cache<Key, Arc<CachedAnswer>>,
    by_app: Mutex<HashMap<String, Arc<AppCatalogs>>>,
    pub(crate) known_names: KnownNames,
    hasher: RandomState,
}

/// The lists of one app, whoever they are for.
pub(crate) struct AppCatalogs {
    /// By digest.
    contents: Cache<u64, Arc<Content>>,
    room: u64,
    /// For large lists that are being read.
    pub(crate) slots: Arc<Semaphore>,
    used: Mutex<Instant>,
}

/// What one upstream said, or why it did not.
pub(crate) type CatalogResult = Result<AppCatalog, Rejection>;

/// The answer to one question.
struct CachedAnswer {
    answer: Result<Weak<Content>, Rejection>,
    until: Timestamp,
    doubted: Arc<AtomicBool>,
}

/// Everything that a list depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    revision: String,
    app: String,
    holder: Holder,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Holder {
    /// The gateway itself asks, so all callers get the same.
    Service,
    /// It asks with a token that stands for this credential.
    Caller(Option<KeyHash>),
}

impl Default for CatalogCache {
    fn default() -> Self {
        let weigh = |key: &Key, cached: &Arc<CachedAnswer>| saturated(key.weigh() + cached.weigh());
        let cached = Cache::builder().max_capacity(ROOM_FOR_KEYS).weigher(weigh).time_to_live(KEPT);
        Self {
            cached: cached.build(),
            by_app: Mutex::default(),
            known_names: KnownNames::default(),
            hasher: RandomState::new(),
        }
    }
}

impl CatalogCache {
    /// The tools of `app` for the caller; those who want the same list wait for one request.
    ///
    /// The token that a list was asked for with may have been given for what stood in one request (a header, the time),
    /// so whoever did not ask is shown it only when their request would be given that token as well.
    pub(crate) async fn of(
        &self,
        upstreams: &Upstreams,
        app: &McpApp,
        context: &Context<Verified>,
    ) -> CatalogResult {
        let key = key(app, context);
        if key.holder == Holder::Service
            && let Some(listed) = self.cached.get(&key).await.and_then(|cached| cached.listed(context.now))
        {
            return listed;
        }
        let app_catalogs = self.app_catalogs(upstreams, app);
        // What was refused to another request says nothing about this one: then it is asked once more.
        for _ in 0..ATTEMPTS {
            let mut asked_here = false;
            let mut own = None;
            let ask = async {
                asked_here = true;
                let (cached, content) = Box::pin(self.fresh(upstreams, app, &app_catalogs, context)).await;
                own = content;
                Arc::new(cached)
            };
            let is_over = |cached: &Arc<CachedAnswer>| cached.listed(context.now).is_none();
            let entry = self.cached.entry_by_ref(&key).or_insert_with_if(ask, is_over).await;
            let cached = entry.into_value();
            if let Some(content) = own {
                return Ok(AppCatalog::new(content, &cached.doubted));
            }
            match cached.listed(context.now) {
                Some(listed) if asked_here || key.holder == Holder::Service => return listed,
                Some(Ok(catalog)) => {
                    // A bridge's list is asked of nobody.
                    if let Upstream::Proxy(proxy) = &app.upstream {
                        let listing = Listing::of_tools(proxy, &app.outbound);
                        Box::pin(upstreams.parts.delegation.confirm_listing(&listing, context)).await?;
                    }
                    return Ok(catalog);
                }
                Some(Err(refusal)) if !refusal.kind.is_failure() => self.cached.invalidate(&key).await,
                Some(Err(failure)) => return Err(failure),
                None => {}
            }
        }
        Err(Rejection::unavailable("lists_busy", "lists of this app give way to others before they are used"))
    }

    /// Lets go of what is over. Without it, a process that nobody asks anything would keep its last lists.
    pub(crate) async fn sweep(&self) {
        self.cached.run_pending_tasks().await;
        self.known_names.sweep().await;
        let by_app: Vec<Arc<AppCatalogs>> = {
            let mut by_app = self.by_app.lock().unwrap_or_else(PoisonError::into_inner);
            by_app.retain(|_, app_catalogs| app_catalogs.used().elapsed() < 2 * KEPT);
            by_app.values().map(Arc::clone).collect()
        };
        for app_catalogs in by_app {
            app_catalogs.contents.run_pending_tasks().await;
        }
    }

    fn app_catalogs(&self, upstreams: &Upstreams, app: &McpApp) -> Arc<AppCatalogs> {
        let largest = match &app.upstream {
            Upstream::Proxy(proxy) => proxy.list.bytes,
            // Its tools are held by the configuration; only names are held here.
            Upstream::Bridge { bridge, .. } => bridge.tools.len() * 1024 + 1024,
        };
        let share = upstreams.parts.outbound.memory().limits().per_holder as u64 / SHARE_OF_LISTS;
        let room = (LARGEST_LISTS * largest as u64).min(share);
        let mut by_app = self.by_app.lock().unwrap_or_else(PoisonError::into_inner);
        let known = by_app.get(app.name.as_str()).filter(|app_catalogs| app_catalogs.room == room);
        let app_catalogs = known.map_or_else(|| Arc::new(AppCatalogs::new(room)), Arc::clone);
        *app_catalogs.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        by_app.insert(app.name.to_string(), Arc::clone(&app_catalogs));
        app_catalogs
    }

    async fn fresh(
        &self,
        upstreams: &Upstreams,
        app: &McpApp,
        app_catalogs: &AppCatalogs,
        context: &Context<Verified>,
    ) -> (CachedAnswer, Option<Arc<Content>>) {
        let (content, kept) = match read(upstreams, app, app_catalogs, context).await {
            Ok((content, kept)) => (Ok(app_catalogs.keep(content, &self.hasher).await), kept),
            Err(rejection) => (Err(rejection), FAILURE_KEPT),
        };
        let doubted = Arc::<AtomicBool>::default();
        match &content {
            Ok(content) => {
                let catalog = AppCatalog::new(Arc::clone(content), &doubted);
                upstreams.apps.lists(
                    app.name.as_str(),
                    catalog.exported_tools().len(),
                    upstreams.parts.clock.now(),
                );
                // The names of a list that broke off are not all that the app has.
                if catalog.broken().is_none() {
                    self.known_names.add(app, &catalog, context).await;
                }
            }
            Err(rejection) => {
                upstreams.apps.fails(app.name.as_str(), rejection.reason, upstreams.parts.clock.now());
                let detail = &*rejection.detail();
                tracing::warn!(app = %app.name, reason = rejection.reason, detail, "the tools of an app cannot be listed");
            }
        }
        let answer = content.as_ref().map(Arc::downgrade).map_err(Rejection::clone);
        (CachedAnswer { answer, until: upstreams.parts.clock.now().plus(kept), doubted }, content.ok())
    }
}

impl AppCatalogs {
    fn new(room: u64) -> Self {
        let weigh = |_: &u64, content: &Arc<Content>| saturated(content.bytes());
        let contents = Cache::builder().max_capacity(room).weigher(weigh).time_to_live(KEPT);
        Self {
            contents: contents.eviction_policy(EvictionPolicy::lru()).build(),
            room,
            slots: Arc::new(Semaphore::new(READ_AT_ONCE)),
            used: Mutex::new(Instant::now()),
        }
    }

    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `content`, or the one that is here already and says the same.
    async fn keep(&self, content: Content, hasher: &RandomState) -> Arc<Content> {
        let digest = content.digest(hasher);
        let same = self.contents.get(&digest).await.filter(|kept| kept.says(&content));
        let kept = same.unwrap_or_else(|| Arc::new(content));
        // Anew, so that it stays as long as the latest answer that it is.
        self.contents.insert(digest, Arc::clone(&kept)).await;
        kept
    }
}

impl CachedAnswer {
    /// The answer, while it stands.
    fn listed(&self, now: Timestamp) -> Option<CatalogResult> {
        if self.until <= now || self.doubted.load(Ordering::Relaxed) {
            return None;
        }
        match &self.answer {
            Ok(content) => content.upgrade().map(|content| Ok(AppCatalog::new(content, &self.doubted))),
            Err(rejection) => Some(Err(rejection.clone())),
        }
    }

    fn weigh(&self) -> usize {
        let said = match &self.answer {
            Ok(_) => 0,
            Err(rejection) => {
                rejection.public.capacity() + rejection.internal.as_ref().map_or(0, String::capacity)
            }
        };
        size_of::<Self>() + said + 64
    }
}

impl Key {
    fn weigh(&self) -> usize {
        size_of::<Self>() + self.revision.capacity() + self.app.capacity()
    }
}

async fn read(
    upstreams: &Upstreams,
    app: &McpApp,
    app_catalogs: &AppCatalogs,
    context: &Context<Verified>,
) -> Result<(Content, Duration), Rejection> {
    match &app.upstream {
        Upstream::Bridge { bridge, .. } => {
            let tools = bridge.tools.iter().map(|tool| tool.tool().clone()).collect();
            let left_out = LeftOut { tools: bridge.left_out, unread: false };
            if bridge.left_out > 0 {
                context.limits.hit(Limit::AppTools);
            }
            Ok((Content::new(app, tools, left_out, None)?, KEPT))
        }
        Upstream::Proxy(proxy) => {
            let found = upstream::list::list(upstreams, app, proxy, &app_catalogs.slots, context).await?;
            let broken = found.broken().cloned();
            let kept = match &broken {
                Some(_) => KEPT_AT_LEAST,
                None => found.ttl.unwrap_or(KEPT).clamp(KEPT_AT_LEAST, KEPT),
            };
            let content = Content::new(app, found.tools, found.left_out, Some(found.held))?;
            Ok((content.broken_by(broken), kept))
        }
    }
}

fn key(app: &McpApp, context: &Context<Verified>) -> Key {
    let holder = match (&app.upstream, &app.outbound) {
        (Upstream::Proxy(_), Outbound::TokenExchange(_)) => {
            let token = context.who.caller().token.as_ref();
            Holder::Caller(token.map(|token| token.hash))
        }
        _ => Holder::Service,
    };
    Key { revision: context.snapshot.revision.clone(), app: app.name.to_string(), holder }
}

fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
