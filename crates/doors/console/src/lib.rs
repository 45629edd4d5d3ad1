//! Operations routes on the admin listener: status, liveness, readiness.
//!
//! They show nothing about users and need no credential; the admin listener is on loopback unless configured
//! otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use serde_json::json;

use gatehouse_config::snapshot::Snapshot;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::{Outcome, Refused, Route};
use gatehouse_store::Store;

/// The door for operators.
pub struct Console {
    store: Arc<dyn Store>,
    draining: AtomicBool,
}

impl Console {
    /// A console over `store`.
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, draining: AtomicBool::new(false) })
    }

    /// From now on the process finishes what it has begun: it is not ready any more, so that balancers send
    /// nothing more to it.
    pub fn announce_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// What is served. A configured path of the status wins over the usual path of something else.
    pub fn routes(self: &Arc<Self>, snapshot: &Snapshot) -> Vec<Route> {
        let (console, location) = (Arc::clone(self), snapshot.health.location.clone());
        let usual = [
            Route::public("healthz", Method::GET, "/healthz", render, |_body, _context| async {
                Ok(text("ok"))
            }),
            Route::public("readyz", Method::GET, "/readyz", render, move |_body, _context| {
                readyz(Arc::clone(&console))
            }),
        ];
        let mut routes: Vec<_> = usual.into_iter().filter(|route| route.path != location).collect();
        routes.push(Route::public("status", Method::GET, location, render, |_body, context| async move {
            Ok(status(&context))
        }));
        routes
    }
}

/// Ready means: new requests are taken and the store answers. The process itself answers by answering.
async fn readyz(console: Arc<Console>) -> Outcome {
    if console.draining.load(Ordering::Relaxed) {
        return Err(Rejection::unavailable("draining", "the process was told to stop"));
    }
    match console.store.maintenance().ping().await {
        Ok(()) => Ok(text("ready")),
        Err(error) => Err(Rejection::unavailable("store_unavailable", error.to_string())),
    }
}

fn status(context: &Context<Public>) -> Response<Body> {
    let document = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "revision": context.snapshot.revision,
        "serves": {
            "authorizationServer": context.snapshot.authorization_server.is_some(),
            "mcp": context.snapshot.mcp.is_some(),
            "llm": context.snapshot.llm.is_some(),
        },
    });
    let mut response = Response::new(body::full(document.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(word: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(word));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Refusals as problem details (RFC 9457).
pub fn render(rejection: &Rejection, refused: &Refused<'_>) -> Response<Body> {
    let status: StatusCode = rejection.kind.status();
    let document = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": rejection.public,
        "instance": refused.request_id,
    });
    let mut response = Response::new(body::full(document.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
