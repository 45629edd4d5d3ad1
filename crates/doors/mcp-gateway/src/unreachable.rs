//! Apps that cannot say what they offer, and which names may be theirs all the same.
//!
//! While an app is down, another one must not get its calls: a name that both offer is contested whether both can be
//! asked or not. So the names that an app has offered are remembered for as long as the configuration stands. Of an
//! app that was never heard, everything is believed that its namespace allows, with one exception: bare names do not
//! reach into the prefix that the configuration gives to somebody else.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use moka::future::Cache;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;

use gatehouse_config::snapshot::mcp::{McpApp, Upstream};
use gatehouse_config::snapshot::outbound::Outbound;
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::namespace::Namespace;

use crate::app_catalog::AppCatalog;
use crate::resource::Endpoint;
use crate::session::Party;

/// Room for all names, in bytes. An app whose names gave way counts as never heard.
const ROOM: u64 = 32 * 1024 * 1024;

/// The names that apps have offered. Only digests of them are kept, eight bytes each under a key that nobody knows: two
/// names with one digest would only keep a name from being called while an app is down.
pub(crate) struct KnownNames {
    names: Cache<Key, Arc<Names>>,
    hasher: RandomState,
}

/// An app that does not say what it offers, or not all of it.
pub(crate) struct UnreachableApp<'a> {
    pub(crate) app: &'a Arc<McpApp>,
    /// Why it does not.
    pub(crate) rejection: Rejection,
    /// What it has offered before, as far as that is known.
    names: Option<Arc<Names>>,
    hasher: &'a RandomState,
}

/// Exported names of one app at the endpoint for all apps as digests in order, or that there were too many.
enum Names {
    These(Box<[u64]>),
    Any,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    revision: String,
    app: String,
    /// Who asked, where the app answers to its callers and not to the gateway.
    party: Option<Party>,
}

impl Default for KnownNames {
    fn default() -> Self {
        let weigh = |key: &Key, names: &Arc<Names>| key.weigh().saturating_add(names.weigh());
        let cache = Cache::builder().max_capacity(ROOM).weigher(weigh);
        Self { names: cache.eviction_policy(EvictionPolicy::lru()).build(), hasher: RandomState::new() }
    }
}

impl KnownNames {
    /// Adds what `app` offers now to what it has offered before.
    pub(crate) async fn add(&self, app: &McpApp, catalog: &AppCatalog, context: &Context<Verified>) {
        if matches!(app.upstream, Upstream::Bridge { .. }) {
            return;
        }
        let mut offered: Vec<u64> = catalog.claims().map(|name| self.hasher.hash_one(name)).collect();
        offered.sort_unstable();
        offered.dedup();
        let entry = self.names.entry(key(app, context));
        entry
            .and_compute_with(|known| {
                let known = known.map(moka::Entry::into_value);
                let grown = Names::grown(known.as_deref(), offered, 2 * app.most_tools);
                std::future::ready(grown.map_or(Op::Nop, |names| Op::Put(Arc::new(names))))
            })
            .await;
    }

    /// Lets go of what is over.
    pub(crate) async fn sweep(&self) {
        self.names.run_pending_tasks().await;
    }

    /// `app` as one that is unreachable because of `rejection`.
    pub(crate) async fn unreachable<'a>(
        &'a self,
        app: &'a Arc<McpApp>,
        rejection: Rejection,
        context: &Context<Verified>,
    ) -> UnreachableApp<'a> {
        UnreachableApp {
            app,
            rejection,
            names: self.names.get(&key(app, context)).await,
            hasher: &self.hasher,
        }
    }
}

impl UnreachableApp<'_> {
    /// What a caller is told who asks for a tool that may be the app's.
    pub(crate) fn into_rejection(self) -> Rejection {
        let Self { app, rejection, .. } = self;
        let detail = rejection.detail();
        let internal = format!("the app `{}` may have this tool and cannot be asked: {detail}", app.name);
        rejection.because(internal)
    }

    /// Whether a name that `owner` offers may be the name of another app's tool, this one's.
    pub(crate) fn rivals(&self, owner: &McpApp, endpoint: &Endpoint, exported: &str) -> bool {
        self.app.name != owner.name && self.may_claim(owner, endpoint, exported)
    }

    /// Whether a name that `owner` offers may be this app's as well.
    fn may_claim(&self, owner: &McpApp, endpoint: &Endpoint, exported: &str) -> bool {
        match (self.names.as_deref(), &self.app.namespace, &owner.namespace) {
            (Some(Names::These(names)), _, _) => names.binary_search(&self.hasher.hash_one(exported)).is_ok(),
            (_, Namespace::Disabled, Namespace::Prefix(_)) => false,
            _ => endpoint.may_export(self.app, exported),
        }
    }
}

impl Names {
    /// `known` with what is `offered`, in order; `None` if that adds nothing. An app that has offered more than `most`
    /// names may have any.
    fn grown(known: Option<&Self>, offered: Vec<u64>, most: usize) -> Option<Self> {
        let mut names = offered;
        match known {
            Some(Self::Any) => return None,
            Some(Self::These(known)) => {
                names.retain(|name| known.binary_search(name).is_err());
                if names.is_empty() {
                    return None;
                }
                names.extend(known);
                names.sort_unstable();
            }
            None => {}
        }
        Some(if names.len() > most { Self::Any } else { Self::These(names.into()) })
    }

    fn weigh(&self) -> u32 {
        let bytes = match self {
            Self::These(names) => size_of_val(&**names),
            Self::Any => 0,
        };
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl Key {
    fn weigh(&self) -> u32 {
        let party = self.party.as_ref().map_or(0, Party::held_bytes);
        let bytes = size_of::<Self>() + self.revision.len() + self.app.len() + party + 128;
        u32::try_from(bytes).unwrap_or(u32::MAX)
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
