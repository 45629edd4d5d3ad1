//! The door itself: what it keeps, and what it serves.

use std::sync::Arc;

use gatehouse_audit::fingerprint::FingerprintKey;
use gatehouse_edge::apps::Apps;

use crate::cancellation::Cancellations;
use crate::catalog_cache::CatalogCache;
use crate::session::Sessions;
use crate::upstream::{Parts, Timeouts, Upstreams};

/// The door to tools. Sessions, upstream lists and upstream sessions live here and outlast a configuration.
pub struct McpGateway {
    pub(crate) upstreams: Arc<Upstreams>,
    /// Arguments in the audit log can be compared while this process lives, and are guessed by nobody.
    pub(crate) fingerprints: FingerprintKey,
    pub(crate) sessions: Sessions,
    pub(crate) catalogs: CatalogCache,
    pub(crate) cancellations: Cancellations,
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
        Arc::new(Self {
            upstreams: Arc::new(Upstreams::new(parts, timeouts)),
            fingerprints: FingerprintKey::new(&key),
            sessions: Sessions::default(),
            catalogs: CatalogCache::default(),
            cancellations: Cancellations::default(),
        })
    }

    /// How the apps do.
    pub fn apps(&self) -> &Arc<Apps> {
        &self.upstreams.apps
    }

    /// Lets go of lists, names and sessions that are over. What is used is cleaned up on the way; this is for what is
    /// not used any more.
    pub async fn sweep(&self) {
        self.catalogs.sweep().await;
        self.upstreams.sweep().await;
    }
}
