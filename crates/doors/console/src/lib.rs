//! Operations routes on the admin listener: status, liveness, readiness.
//!
//! They show nothing about users and need no credential; the admin listener is on loopback unless configured
//! otherwise.

mod dialect;
mod health;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;

use gatehouse_audit::sink::AuditSink;
use gatehouse_config::snapshot::Snapshot;
use gatehouse_edge::apps::Apps;
use gatehouse_edge::limits::Limits;
use gatehouse_edge::partial_lists::PartialLists;
use gatehouse_edge::server::routes::Route;
use gatehouse_store::Store;

pub use self::dialect::render;
use self::health::{healthz, readyz, status};

/// The door for operators.
pub struct Console {
    store: Arc<dyn Store>,
    limits: Arc<Limits>,
    audit: Arc<dyn AuditSink>,
    apps: Arc<Apps>,
    lists: Arc<PartialLists>,
    draining: AtomicBool,
}

impl Console {
    /// A console over what requests depend on, which shows `limits`, how `apps` do, and which `lists` of tools are not
    /// whole.
    pub fn new(
        store: Arc<dyn Store>,
        audit: Arc<dyn AuditSink>,
        limits: Arc<Limits>,
        apps: Arc<Apps>,
        lists: Arc<PartialLists>,
    ) -> Arc<Self> {
        Arc::new(Self { store, audit, limits, apps, lists, draining: AtomicBool::new(false) })
    }

    /// From now on the process finishes what it has begun: it is not ready any more, so that balancers send
    /// nothing more to it.
    pub fn announce_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// What is served. A configured path of the status wins over the usual path of something else.
    pub fn routes(self: &Arc<Self>, snapshot: &Snapshot) -> Vec<Route> {
        let (console, location) = (Arc::clone(self), snapshot.health.location.clone());
        let (limits, apps) = (Arc::clone(&self.limits), Arc::clone(&self.apps));
        let usual = [
            Route::public("healthz", Method::GET, "/healthz", render, |_body, _context| async {
                Ok(healthz())
            }),
            Route::public("readyz", Method::GET, "/readyz", render, move |_body, context| {
                readyz(Arc::clone(&console), context)
            }),
        ];
        let mut routes: Vec<_> = usual.into_iter().filter(|route| route.path != location).collect();
        routes.push(Route::public("status", Method::GET, location, render, move |_body, context| {
            let (limits, apps) = (Arc::clone(&limits), Arc::clone(&apps));
            async move { Ok(status(&context, &limits, &apps)) }
        }));
        routes
    }
}
