//! What operators and balancers ask: does it live, does it take work, what is it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::limits::Limits;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Outcome;

use crate::Console;
use crate::dialect::problem;

/// The process answers, so it lives.
pub(crate) fn healthz() -> Response<Body> {
    text("ok")
}

/// Ready means: new requests are taken and the store answers. The process itself answers by answering. That it was
/// told to stop is what a probe is to learn, and no failure that somebody has to act on.
pub(crate) async fn readyz(console: Arc<Console>, context: Context<Public>) -> Outcome {
    if console.draining.load(Ordering::Relaxed) {
        let detail = "The process was told to stop; it finishes what it has begun.";
        return Ok(problem(StatusCode::SERVICE_UNAVAILABLE, detail, context.request_id.as_str()));
    }
    match console.store.maintenance().ping().await {
        Ok(()) => Ok(text("ready")),
        Err(error) => Err(Rejection::unavailable("store_unavailable", error.to_string())),
    }
}

/// What runs and what it serves.
pub(crate) fn status(context: &Context<Public>, limits: &Limits) -> Response<Body> {
    let limits: Map<String, Value> = limits
        .standing()
        .map(|one| (one.limit.key().to_owned(), json!({ "limit": one.bound, "hits": one.hits })))
        .collect();
    let document = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "revision": context.snapshot.revision,
        "serves": {
            "authorizationServer": context.snapshot.authorization_server.is_some(),
            "mcp": context.snapshot.mcp.is_some(),
            "llm": context.snapshot.llm.is_some(),
        },
        "limits": limits,
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
