//! Apps that cannot say what they offer, and which names may be theirs all the same.
//!
//! While an app is down, another one must not get its calls: a name that both offer is contested whether both can be
//! asked or not. So the names that an app has offered are remembered for as long as the configuration stands. Of an
//! app that was never heard, everything is believed that its namespace allows, with one exception: bare names do not
//! reach into the prefix that the configuration gives to somebody else.

use std::collections::HashSet;
use std::sync::Arc;

use moka::future::Cache;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;

use gatehouse_config::snapshot::mcp::{McpApp, Upstream};
use gatehouse_config::snapshot::outbound::Outbound;
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::listing::MOST_TOOLS;
use gatehouse_mcp::namespace::Namespace;

use crate::listings::{Listing, could_export};
use crate::resource::Endpoint;
use crate::session::Party;

/// Room for all names, in KiB. An app whose names gave way counts as never heard.
const ROOM: u64 = 32 * 1024;
/// The most names of one app. One that has offered more may have any.
const MOST_NAMES: usize = 2 * MOST_TOOLS;

/// The names that apps have offered.
pub(crate) struct Remembered(Cache<Key, Arc<Names>>);

/// An app that does not say what it offers.
pub(crate) struct Silent<'a> {
    pub(crate) app: &'a Arc<McpApp>,
    /// Why it does not.
    pub(crate) rejection: Rejection,
    /// What it has offered before, as far as that is known.
    names: Option<Arc<Names>>,
}

/// Exported names of one app at the endpoint for all apps, or that there were too many.
enum Names {
    These(HashSet<Box<str>>),
    Any,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    revision: String,
    app: String,
    /// Who asked, where the app answers to its callers and not to the gateway.
    party: Option<Party>,
}

impl Default for Remembered {
    fn default() -> Self {
        let weigh = |_: &Key, names: &Arc<Names>| names.kib();
        let cache = Cache::builder().max_capacity(ROOM).weigher(weigh);
        Self(cache.eviction_policy(EvictionPolicy::lru()).build())
    }
}

impl Remembered {
    /// Adds what `app` offers now to what it has offered before.
    pub(crate) async fn add(&self, app: &McpApp, listing: &Listing, context: &Context<Verified>) {
        if matches!(app.upstream, Upstream::Bridge { .. }) {
            return;
        }
        let entry = self.0.entry(key(app, context));
        entry
            .and_compute_with(|known| {
                let known = known.map(moka::Entry::into_value);
                let op =
                    Names::grown(known.as_deref(), listing).map_or(Op::Nop, |names| Op::Put(Arc::new(names)));
                std::future::ready(op)
            })
            .await;
    }

    /// `app` as one that is silent because of `rejection`.
    pub(crate) async fn silent<'a>(
        &self,
        app: &'a Arc<McpApp>,
        rejection: Rejection,
        context: &Context<Verified>,
    ) -> Silent<'a> {
        Silent { app, rejection, names: self.0.get(&key(app, context)).await }
    }
}

impl Silent<'_> {
    /// What a caller is told who asks for a tool that may be the app's.
    pub(crate) fn into_rejection(self) -> Rejection {
        let Self { app, rejection, .. } = self;
        let detail = rejection.detail();
        let internal = format!("the app `{}` may have this tool and cannot be asked: {detail}", app.name);
        rejection.because(internal)
    }

    /// Whether a name that `owner` offers may be this app's as well.
    pub(crate) fn may_claim(&self, owner: &McpApp, endpoint: &Endpoint, exported: &str) -> bool {
        match (self.names.as_deref(), &self.app.namespace, &owner.namespace) {
            (Some(Names::These(names)), _, _) => names.contains(exported),
            (_, Namespace::Disabled, Namespace::Prefix(_)) => false,
            _ => could_export(self.app, endpoint, exported),
        }
    }
}

impl Names {
    /// `known` with what the listing adds; `None` if that is nothing.
    fn grown(known: Option<&Self>, listing: &Listing) -> Option<Self> {
        let mut names = match known {
            Some(Self::Any) => return None,
            Some(Self::These(names)) if listing.claims().all(|name| names.contains(name)) => return None,
            Some(Self::These(names)) => names.clone(),
            None => HashSet::new(),
        };
        names.extend(listing.claims().map(Box::from));
        Some(if names.len() > MOST_NAMES { Self::Any } else { Self::These(names) })
    }

    fn kib(&self) -> u32 {
        let bytes = match self {
            Self::These(names) => names.iter().map(|name| name.len() + 32).sum(),
            Self::Any => 0,
        };
        u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX)
    }
}

fn key(app: &McpApp, context: &Context<Verified>) -> Key {
    let own = matches!(app.outbound, Outbound::TokenExchange(_));
    Key {
        revision: context.snapshot.revision.clone(),
        app: app.name.to_string(),
        party: own.then(|| Party::of(&context.who.caller().principal)),
    }
}
