//! What each app offers: the tools of bridges from the configuration, those of proxies from their upstreams.
//!
//! A list is kept for a minute, for one revision of the configuration and, where the upstream is asked with the
//! caller's delegated token, for that token only. Names are unique within a list: tools that claim one exported
//! name are all left out, none is picked by its place.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moka::future::Cache;
use serde_json::Value;

use gatehouse_config::snapshot::mcp::{McpApp, Upstream};
use gatehouse_config::snapshot::outbound::Outbound;
use gatehouse_edge::authorize::Permit;
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::static_key::KeyHash;
use gatehouse_mcp::namespace::{AppTools, Collision, Namespace, ToolTable};
use gatehouse_mcp::tool::Tool;

use crate::resource::Endpoint;
use crate::{McpGateway, upstream};

/// How long a list is kept at most.
const KEPT: Duration = Duration::from_secs(60);
/// How long it is kept at least, whatever the upstream says: calls look tools up in it.
const KEPT_AT_LEAST: Duration = Duration::from_secs(5);
/// How long an app that could not be asked is left alone.
const FAILURE_KEPT: Duration = Duration::from_secs(3);
/// Room for all lists, in KiB of definitions.
const ROOM: u64 = 256 * 1024;

/// The tools of one app.
pub(crate) struct Listing {
    tools: Vec<Offer>,
    qualified: ToolTable,
    bare: ToolTable,
    /// Names at the endpoint for all apps that were left out, because several of its tools claim them.
    contested: Vec<String>,
    kib: u32,
    doubted: AtomicBool,
}

/// One tool of an app.
pub(crate) struct Offer {
    pub(crate) tool: Tool,
    /// Its name at the endpoint for all apps, which policies and audit use everywhere.
    pub(crate) qualified: String,
    /// Its name at the endpoint for its app.
    pub(crate) bare: String,
    /// Hints for policies.
    pub(crate) annotations: Value,
}

/// All lists that are held.
pub(crate) struct Listings(Cache<Key, Arc<Held>>);

/// What one upstream said, or why it did not.
pub(crate) type Listed = Result<Arc<Listing>, Rejection>;

struct Held {
    listed: Listed,
    until: Timestamp,
}

impl Held {
    fn is_over(&self, now: Timestamp) -> bool {
        let doubted = |listing: &Arc<Listing>| listing.doubted.load(Ordering::Relaxed);
        self.until <= now || self.listed.as_ref().is_ok_and(doubted)
    }
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

impl Default for Listings {
    fn default() -> Self {
        let weigh = |_: &Key, held: &Arc<Held>| held.listed.as_ref().map_or(1, |listing| listing.kib);
        Self(Cache::builder().max_capacity(ROOM).weigher(weigh).time_to_live(KEPT).build())
    }
}

impl Listings {
    /// The tools of `app` for the caller; those who want the same list wait for one request.
    ///
    /// The token that a list was asked for with may have been given for what stood in one request (a header, the time),
    /// so whoever did not ask is shown it only when their request would be given that token as well.
    pub(crate) async fn of(&self, door: &McpGateway, app: &McpApp, context: &Context<Verified>) -> Listed {
        let key = key(app, context);
        if self.0.get(&key).await.is_some_and(|held| held.is_over(context.now)) {
            self.0.invalidate(&key).await;
        }
        // What was refused to another request says nothing about this one: then it is asked once more.
        for _ in 0..2 {
            let asked_here = AtomicBool::new(false);
            let asking = self.0.get_with(key.clone(), async {
                asked_here.store(true, Ordering::Relaxed);
                Arc::new(Box::pin(fresh(door, app, context)).await)
            });
            let held = asking.await;
            if asked_here.load(Ordering::Relaxed) || key.holder == Holder::Service {
                return held.listed.clone();
            }
            match &held.listed {
                Err(refusal) if !refusal.kind.is_failure() => self.0.invalidate(&key).await,
                Err(failure) => return Err(failure.clone()),
                Ok(listing) => {
                    let permit = Permit::discovery();
                    let delegation = &door.parts.delegation;
                    Box::pin(delegation.confirm_listing(&permit, &app.outbound, context)).await?;
                    return Ok(Arc::clone(listing));
                }
            }
        }
        Box::pin(fresh(door, app, context)).await.listed
    }
}

impl Listing {
    fn new(app: &McpApp, mut tools: Vec<Tool>) -> Self {
        let name = app.name.as_str();
        let mut left_out = Vec::new();
        for namespace in [&app.namespace, &Namespace::Disabled] {
            if let Err(collisions) = table(name, namespace, &tools) {
                let contested: HashSet<String> = collisions.into_iter().map(|one| one.exported).collect();
                tracing::warn!(app = name, names = ?contested, "tools that claim one name are left out");
                let (out, kept) =
                    tools.into_iter().partition(|tool| contested.contains(&namespace.export(tool.name())));
                tools = kept;
                left_out.extend(Vec::<Tool>::into_iter(out).map(|tool| app.namespace.export(tool.name())));
            }
        }
        let qualified = table(name, &app.namespace, &tools).unwrap_or_default();
        let bare = table(name, &Namespace::Disabled, &tools).unwrap_or_default();
        let bytes: usize = tools.iter().map(|tool| tool.definition().get().len()).sum();
        let offer = |(index, tool): (usize, Tool)| Offer {
            qualified: qualified.exported(0, index).unwrap_or_default().to_owned(),
            bare: bare.exported(0, index).unwrap_or_default().to_owned(),
            annotations: tool.annotations(),
            tool,
        };
        let tools = tools.into_iter().enumerate().map(offer).collect();
        Self {
            tools,
            qualified,
            bare,
            contested: left_out,
            kib: u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX),
            doubted: AtomicBool::new(false),
        }
    }

    /// The upstream contradicts the list: the next caller asks it again.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// The tools in their app's order.
    pub(crate) fn offers(&self) -> &[Offer] {
        &self.tools
    }

    /// Every name at the endpoint for all apps that is this app's, whether it can be called or not.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &str> {
        self.tools
            .iter()
            .map(|offer| offer.qualified.as_str())
            .chain(self.contested.iter().map(String::as_str))
    }

    /// Whether the app has claimed `name` at `endpoint` more than once, so that nobody gets it.
    pub(crate) fn contests(&self, endpoint: &Endpoint, name: &str) -> bool {
        endpoint.app.is_none() && self.contested.iter().any(|contested| contested == name)
    }

    /// The tool that `endpoint` exports as `name`, and its place in the app's order.
    pub(crate) fn find(&self, endpoint: &Endpoint, name: &str) -> Option<(usize, &Offer)> {
        let table = if endpoint.app.is_some() { &self.bare } else { &self.qualified };
        let index = table.resolve(name)?.tool;
        Some((index, self.tools.get(index)?))
    }
}

impl Offer {
    /// The name that `endpoint` exports the tool under.
    pub(crate) fn exported(&self, endpoint: &Endpoint) -> &str {
        if endpoint.app.is_some() { &self.bare } else { &self.qualified }
    }
}

/// Whether `app` could export a tool under `name`: the others need not be asked.
pub(crate) fn could_export(app: &McpApp, endpoint: &Endpoint, name: &str) -> bool {
    match &app.namespace {
        Namespace::Prefix(prefix) if endpoint.app.is_none() => name.starts_with(prefix.as_str()),
        Namespace::Prefix(_) | Namespace::Disabled => true,
    }
}

async fn fresh(door: &McpGateway, app: &McpApp, context: &Context<Verified>) -> Held {
    let (asked, kept) = match &app.upstream {
        Upstream::Bridge { bridge, .. } => {
            (Ok(bridge.tools.iter().map(|tool| tool.tool().clone()).collect()), KEPT)
        }
        Upstream::Proxy(proxy) => match upstream::proxy::list(door, app, proxy, context).await {
            Ok(found) => (Ok(found.tools), found.ttl.unwrap_or(KEPT).clamp(KEPT_AT_LEAST, KEPT)),
            Err(rejection) => (Err(rejection), FAILURE_KEPT),
        },
    };
    let listed = asked.map(|tools: Vec<Tool>| Arc::new(Listing::new(app, tools)));
    match &listed {
        Ok(listing) => door.remembered.add(app, listing, context).await,
        Err(rejection) => {
            let detail = rejection.detail();
            tracing::warn!(app = %app.name, reason = rejection.reason, detail, "the tools of an app cannot be listed");
        }
    }
    Held { listed, until: door.parts.clock.now().plus(kept) }
}

fn key(app: &McpApp, context: &Context<Verified>) -> Key {
    let holder = match (&app.upstream, &app.outbound) {
        (Upstream::Proxy(_), Outbound::TokenExchange(_)) => {
            let token = context.who.caller().token.as_ref();
            Holder::Caller(token.map(|token| KeyHash::of(token.text.expose())))
        }
        _ => Holder::Service,
    };
    Key { revision: context.snapshot.revision.clone(), app: app.name.to_string(), holder }
}

fn table(app: &str, namespace: &Namespace, tools: &[Tool]) -> Result<ToolTable, Vec<Collision>> {
    let names: Vec<String> = tools.iter().map(|tool| tool.name().to_owned()).collect();
    ToolTable::build(&[AppTools { app, namespace, names: &names }])
}
