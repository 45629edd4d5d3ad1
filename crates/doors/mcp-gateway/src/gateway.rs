//! The door itself: what it keeps, and what it serves.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use tokio_util::task::TaskTracker;

use gatehouse_audit::event::EventKind;
use gatehouse_audit::fingerprint::FingerprintKey;
use gatehouse_config::snapshot::mcp::McpGateway as Settings;
use gatehouse_edge::apps::Apps;
use gatehouse_edge::authn::resource::ResourceServer;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::delegate::Delegation;
use gatehouse_edge::partial_lists::PartialLists;
use gatehouse_edge::server::routes::{ProtectedSpec, Route};
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::AppName;
use gatehouse_identity::rng::Rng;
use gatehouse_mcp::discover::ServerFacts;
use gatehouse_mcp::message::Id;

use crate::cancellation::Cancellations;
use crate::catalog_cache::CatalogCache;
use crate::dialect::render;
use crate::endpoint;
use crate::resource::{self, Endpoint};
use crate::session::Sessions;
use crate::unreachable::KnownNames;
use crate::upstream::peer::Peers;

/// The door to tools. Sessions, upstream lists and upstream sessions live here and outlast a configuration.
pub struct McpGateway {
    pub(crate) parts: Parts,
    pub(crate) timeouts: Timeouts,
    /// Arguments in the audit log can be compared while this process lives, and are guessed by nobody.
    pub(crate) fingerprints: FingerprintKey,
    pub(crate) server: ServerFacts,
    pub(crate) sessions: Sessions,
    pub(crate) catalogs: CatalogCache,
    pub(crate) apps: Arc<Apps>,
    pub(crate) known_names: KnownNames,
    pub(crate) peers: Peers,
    pub(crate) cancellations: Cancellations,
    /// What is told to upstreams beside calls.
    pub(crate) tasks: TaskTracker,
    next_id: AtomicU64,
}

/// What the door works with.
pub struct Parts {
    /// Credentials for upstreams.
    pub delegation: Arc<Delegation>,
    /// The way to upstreams.
    pub outbound: Arc<Outbound>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for session ids.
    pub rng: Arc<dyn Rng>,
    /// Where it is said whose lists of tools are not whole.
    pub lists: Arc<PartialLists>,
}

/// How long upstreams may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Without a sign of life during a call: neither the answer nor progress.
    pub silence: Duration,
    /// For a whole call, however much progress it reports; clients hang up after four minutes.
    pub call: Duration,
    /// For everything that it takes to list the tools of one app.
    pub listing: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { silence: seconds(60), call: seconds(230), listing: seconds(10) }
    }
}

impl McpGateway {
    /// A gateway without sessions yet.
    pub fn new(parts: Parts) -> Arc<Self> {
        Self::with_timeouts(parts, Timeouts::default())
    }

    /// The same with other limits of time.
    pub fn with_timeouts(parts: Parts, timeouts: Timeouts) -> Arc<Self> {
        let mut key = [0; 32];
        parts.rng.fill(&mut key);
        let server = ServerFacts {
            name: "gatehouse".to_owned(),
            title: Some("Gatehouse".to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instructions: None,
        };
        let peers = Peers::new(&server);
        Arc::new(Self {
            parts,
            timeouts,
            fingerprints: FingerprintKey::new(&key),
            server,
            sessions: Sessions::default(),
            catalogs: CatalogCache::default(),
            apps: Arc::default(),
            known_names: KnownNames::default(),
            peers,
            cancellations: Cancellations::default(),
            tasks: TaskTracker::new(),
            next_id: AtomicU64::new(1),
        })
    }

    /// Everything that is served for `settings`: the endpoint for all apps behind the gate `all`, and for each app
    /// with a gate in `by_app` an endpoint of its own, at the path and under the resource URL of the whole followed
    /// by `/` and its name. Gates must accept that URL as an audience.
    pub fn routes(
        self: &Arc<Self>,
        settings: &Settings,
        all: &Arc<ResourceServer>,
        by_app: &HashMap<AppName, Arc<ResourceServer>>,
    ) -> Vec<Route> {
        let endpoints = Endpoint::all(settings);
        let mut routes = resource::routes(settings, &endpoints, all);
        for endpoint in endpoints {
            let gate = match &endpoint.app {
                None => Some(all),
                Some(app) => by_app.get(app),
            };
            if let Some(gate) = gate {
                routes.extend(self.endpoint_routes(&Arc::new(endpoint), gate));
            }
        }
        routes
    }

    fn endpoint_routes(self: &Arc<Self>, endpoint: &Arc<Endpoint>, gate: &Arc<ResourceServer>) -> [Route; 3] {
        let spec = |name, method| ProtectedSpec {
            name,
            method,
            path: endpoint.path.clone(),
            audit: EventKind::McpMessage,
            gate: Arc::clone(gate),
        };
        let (door, served, ended) = (Arc::clone(self), Arc::clone(endpoint), Arc::clone(self));
        [
            Route::protected(spec("mcp", Method::POST), render, move |body, context| {
                endpoint::post(Arc::clone(&door), Arc::clone(&served), body, context)
            }),
            Route::protected(spec("mcp.end", Method::DELETE), render, move |_body, context| {
                let door = Arc::clone(&ended);
                async move { endpoint::delete(&door, &context) }
            }),
            Route::protected(spec("mcp.stream", Method::GET), render, |_body, context| async move {
                endpoint::get(&context)
            }),
        ]
    }

    /// How the apps do.
    pub fn apps(&self) -> &Arc<Apps> {
        &self.apps
    }

    /// Lets go of lists, names and sessions that are over. What is used is cleaned up on the way; this is for what is
    /// not used any more.
    pub async fn sweep(&self) {
        self.catalogs.sweep().await;
        self.known_names.sweep().await;
        self.peers.sweep().await;
    }

    /// An id in the gateway's own id space.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The same as an id of a message.
    pub(crate) fn message_id(&self) -> Id {
        Id::number(self.next_id())
    }
}
