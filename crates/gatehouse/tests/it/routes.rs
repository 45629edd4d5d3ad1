//! Every route that the binary serves, against everything that is no credential.
//!
//! The list of routes is the one that the gateway itself serves from, so a new route is in the matrix by being there.

mod clients;
mod credentials;
mod h2;
mod open;
mod paths;
mod protected;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatehouse::gateway::load::load;
use gatehouse::gateway::{Gateway as InProcess, HostDeps};
use gatehouse::host::{SystemClock, SystemRng};
use gatehouse_edge::server::routes::Route;
use gatehouse_testkit::fixture::World;
use gatehouse_testkit::process::Gateway;
use gatehouse_testkit::raw_http::{Request, Response};
use serde_json::Value;

/// Which socket a route is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Public,
    Admin,
}

/// One route of the binary.
#[derive(Clone, Debug)]
struct Entry {
    side: Side,
    name: &'static str,
    method: String,
    /// As it stands in the table.
    pattern: String,
    /// With variables filled in.
    path: String,
    protected: bool,
}

impl Entry {
    fn of(side: Side, route: &Route) -> Self {
        Self {
            side,
            name: route.name,
            method: route.method.to_string(),
            pattern: route.path.clone(),
            path: route.path.replace("{*id}", "claude-opus-4-7"),
            protected: route.is_protected(),
        }
    }

    /// The plainest request for it.
    fn request(&self) -> Request {
        Request::new(&self.method, &self.path)
    }
}

/// Every route of both listeners of `world`, asked from a gateway that is assembled in this process.
fn catalogue(world: &World) -> Vec<Entry> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in world.files() {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let loaded = load(Some(folder.path().join("gatehouse.yaml"))).unwrap();
    let surroundings =
        HostDeps { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), folder: loaded.folder() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let gateway = runtime.block_on(InProcess::start(loaded.snapshot, &surroundings)).unwrap();
    let public = gateway.public_routes();
    let admin = gateway.admin_routes();
    let entries: Vec<Entry> = public
        .iter()
        .map(|route| Entry::of(Side::Public, route))
        .chain(admin.iter().map(|route| Entry::of(Side::Admin, route)))
        .collect();
    assert!(entries.len() > 30, "only {} routes", entries.len());
    assert!(entries.iter().all(|entry| !entry.path.contains('{')), "a variable is not filled in");
    entries
}

fn send(gateway: &Gateway, side: Side, request: &Request) -> Response {
    match side {
        Side::Public => gateway.send(request),
        Side::Admin => gateway.ask_admin(request),
    }
}

/// The methods of every path.
fn methods(catalogue: &[Entry]) -> BTreeMap<(Side, &str), BTreeSet<&str>> {
    let mut paths: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for entry in catalogue {
        paths.entry((entry.side, entry.path.as_str())).or_default().insert(entry.method.as_str());
    }
    paths
}

/// Asserts that nothing behind the gateway was even connected to.
#[track_caller]
fn assert_untouched(world: &World) {
    for (name, upstream) in world.upstreams() {
        assert_eq!((name, upstream.connections(), upstream.bytes().len()), (name, 0, 0));
    }
}

/// Whether a refusal is worded as clients of the door below this path expect.
fn in_dialect(side: Side, path: &str, response: &Response) -> bool {
    let body = response.json();
    let below =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let media_type = response.header("content-type");
    if side == Side::Public && below("/mcp") {
        return media_type == "application/json"
            && body["jsonrpc"] == "2.0"
            && body["error"]["code"].is_i64();
    }
    if side == Side::Public && (below("/v1") || below("/api")) {
        return media_type == "application/json"
            && body["type"] == "error"
            && body["error"]["type"].is_string();
    }
    let pages = ["/oauth2/auth", "/login", "/consent", "/federation"];
    if side == Side::Public && pages.iter().any(|page| below(page)) {
        return media_type.starts_with("text/html");
    }
    if side == Side::Public && below("/oauth2") {
        return media_type == "application/json" && body["error"].is_string();
    }
    media_type == "application/problem+json" && body["status"] == response.status
}

/// The audit records of `gateway` by request id, once every one of `ids` is among them.
fn audited<'a>(gateway: &Gateway, ids: impl Iterator<Item = &'a str> + Clone) -> BTreeMap<String, Value> {
    let complete = gatehouse_testkit::process::wait_for(|| {
        let records: BTreeMap<String, Value> = gateway
            .audit()
            .into_iter()
            .filter_map(|record| Some((record["request"]["id"].as_str()?.to_owned(), record)))
            .collect();
        ids.clone().all(|id| records.contains_key(id)).then_some(records)
    });
    complete.unwrap_or_else(|| {
        let text = gateway.audit_text();
        let missing: Vec<&str> = ids.filter(|id| !text.contains(id)).collect();
        panic!("{} requests left no audit record, first {:?}", missing.len(), missing.first())
    })
}
