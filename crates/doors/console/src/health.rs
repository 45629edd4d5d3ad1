//! What operators and balancers ask: does it live, does it take work, what is it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::mcp::Upstream;
use gatehouse_edge::apps::{Apps, Seen, State};
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::limits::Limits;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Outcome;

use crate::Console;
use crate::dialect::problem;

/// How long a probe waits for the store: less than probes are usually waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What this node needs to serve, as far as it is not the node itself.
struct Components {
    /// Why the store does not answer, if so.
    store: Result<(), String>,
    /// Whether records of new requests are taken.
    audit: bool,
    /// Apps of which not all tools are known, and why.
    lists: Vec<(String, &'static str)>,
}

/// One of the things that a node may serve.
struct Served {
    name: &'static str,
    works: bool,
}

/// The process answers, so it lives.
pub(crate) fn healthz() -> Response<Body> {
    text("ok")
}

/// Ready means: new requests are taken, and some of what this node serves works. What is missing beside that is named.
/// That the process was told to stop is what a probe is to learn, and no failure that somebody has to act on.
pub(crate) async fn readyz(console: Arc<Console>, context: Context<Public>) -> Outcome {
    if console.draining.load(Ordering::Relaxed) {
        let detail = "The process was told to stop; it finishes what it has begun.";
        return Ok(problem(StatusCode::SERVICE_UNAVAILABLE, detail, context.request_id.as_str()));
    }
    let components = Components::ask(&console, &context).await;
    let served = components.served(&context.snapshot);
    let ready = served.iter().any(|one| one.works);
    if is_verbose(&context) {
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        return Ok(document(status, &components.in_full(ready, &served)));
    }
    match &components {
        _ if ready => {
            Ok(document(StatusCode::OK, &json!({ "ready": true, "degraded": components.degraded() })))
        }
        Components { audit: false, .. } => {
            Err(Rejection::unavailable("audit_unavailable", "the audit spool has no room"))
        }
        Components { store, .. } => {
            let reason = store.as_ref().err().cloned().unwrap_or_default();
            Err(Rejection::unavailable("store_unavailable", reason))
        }
    }
}

impl Components {
    async fn ask(console: &Console, context: &Context<Public>) -> Self {
        let store = match timeout(PATIENCE, console.store.maintenance().ping()).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        let is_served = |app: &str| {
            let mcp = context.snapshot.mcp.as_ref();
            mcp.is_some_and(|mcp| mcp.apps.iter().any(|one| one.name.as_str() == app))
        };
        let mut lists = console.lists.at(context.now);
        lists.retain(|(app, _)| is_served(app));
        Self { store, audit: console.audit.has_room(), lists }
    }

    /// What does not work, by name.
    fn degraded(&self) -> Vec<String> {
        let broken = [("store", self.store.is_err()), ("audit", !self.audit)];
        let broken = broken.into_iter().filter(|(_, is_broken)| *is_broken).map(|(name, _)| name.to_owned());
        broken.chain(self.lists.iter().map(|(app, _)| format!("tools:{app}"))).collect()
    }

    /// What this node serves, and whether that works: tokens that can be verified need no store, but nothing is done
    /// without a record.
    fn served(&self, snapshot: &Snapshot) -> Vec<Served> {
        let all = [
            ("authorizationServer", snapshot.authorization_server.is_some(), self.store.is_ok()),
            ("mcp", snapshot.mcp.is_some(), true),
            ("llm", snapshot.llm.is_some(), true),
        ];
        let served = all.into_iter().filter(|(_, is_served, _)| *is_served);
        served.map(|(name, _, has_its_store)| Served { name, works: has_its_store && self.audit }).collect()
    }

    /// Everything, for people.
    fn in_full(&self, ready: bool, served: &[Served]) -> Value {
        let word = |works: bool| if works { "ok" } else { "unavailable" };
        let served: Map<String, Value> =
            served.iter().map(|one| (one.name.to_owned(), word(one.works).into())).collect();
        let mut all = json!({
            "ready": ready,
            "degraded": self.degraded(),
            "components": { "store": word(self.store.is_ok()), "audit": word(self.audit) },
            "serves": served,
        });
        if let (false, Some(members)) = (self.lists.is_empty(), all.as_object_mut()) {
            let lists: Map<String, Value> =
                self.lists.iter().map(|(app, reason)| (app.clone(), (*reason).into())).collect();
            members.insert("incompleteLists".to_owned(), Value::Object(lists));
        }
        all
    }
}

/// Whether the request asks for everything: `?verbose`, with or without a value.
fn is_verbose(context: &Context<Public>) -> bool {
    let query = context.head.uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair.split('=').next() == Some("verbose"))
}

/// What runs, what it serves, and how the apps behind it do.
pub(crate) fn status(context: &Context<Public>, limits: &Limits, apps: &Apps) -> Response<Body> {
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
        "apps": states(&context.snapshot, apps),
        "limits": limits,
    });
    self::document(StatusCode::OK, &document)
}

/// Each app with how it does, as far as anybody has asked for it.
fn states(snapshot: &Snapshot, seen: &Apps) -> Map<String, Value> {
    let of = |name: &str, kind: &str| {
        let state = match seen.of(name) {
            None => json!({ "type": kind, "state": "unknown" }),
            Some(Seen { state: State::Works { tools }, since }) => {
                json!({ "type": kind, "state": "ok", "since": since.to_string(), "tools": tools })
            }
            Some(Seen { state: State::Fails(reason), since }) => {
                json!({ "type": kind, "state": "failing", "since": since.to_string(), "reason": reason })
            }
        };
        (name.to_owned(), state)
    };
    let tools = snapshot.mcp.iter().flat_map(|mcp| &mcp.apps).map(|app| {
        let kind = match app.upstream {
            Upstream::Bridge { .. } => "mcpBridge",
            Upstream::Proxy(_) => "mcpProxy",
        };
        of(app.name.as_str(), kind)
    });
    let models = snapshot.llm.iter().flat_map(|llm| llm.accounts.keys());
    tools.chain(models.map(|name| of(name.as_str(), "llm"))).collect()
}

fn document(status: StatusCode, document: &Value) -> Response<Body> {
    let mut response = Response::new(body::full(document.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(word: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(word));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
