//! The operations routes as a probe or a person meets them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use gatehouse_audit::event::Event;
use gatehouse_audit::sink::{AuditError, AuditSink};
use gatehouse_console::Console;
use gatehouse_edge::apps::Apps;
use gatehouse_edge::door::{ActiveConfig, DoorDeps};
use gatehouse_edge::lane::policy::PolicyLane;
use gatehouse_edge::limits::{Limit, Limits};
use gatehouse_edge::memory::Memory;
use gatehouse_edge::partial_lists::PartialLists;
use gatehouse_edge::server::admission::HostRules;
use gatehouse_edge::server::routes::RouteTable;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_store::Store;
use gatehouse_testkit::configuration::snapshot;
use gatehouse_testkit::host::{HandClock, SystemRng};
use gatehouse_testkit::log_capture::LogCapture;
use gatehouse_testkit::outage::{FickleStore, OUTAGE};
use gatehouse_testkit::serving::{Port, Serving, running};

/// A console on a listener.
struct Site {
    address: SocketAddr,
    store: Arc<FickleStore>,
    spool: Arc<Spool>,
    console: Arc<Console>,
    limits: Arc<Limits>,
    apps: Arc<Apps>,
    lists: Arc<PartialLists>,
    clock: Arc<HandClock>,
    _serving: Serving,
}

/// No record is expected here: the spool has no room, and nobody minds.
struct FullSpool;

#[async_trait]
impl AuditSink for FullSpool {
    async fn append(&self, _event: Event) -> Result<(), AuditError> {
        Err(AuditError::Closed)
    }

    fn submit(&self, event: Event) -> Result<(), AuditError> {
        panic!("operations leave no records: {event:?}")
    }

    fn has_room(&self) -> bool {
        false
    }
}

/// The spool of the gateway's own records.
struct Spool(AtomicBool);

#[async_trait]
impl AuditSink for Spool {
    async fn append(&self, _event: Event) -> Result<(), AuditError> {
        Ok(())
    }

    fn submit(&self, _event: Event) -> Result<(), AuditError> {
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serves {
    AuthorizationServer,
    Models,
    Both,
    Tools,
}

impl Serves {
    fn sections(self) -> String {
        let server = "oidcProvider: { discovery: { issuer: \"http://127.0.0.1:9420\" } }\n\
             connectors: [{ name: staff, type: local, users: [] }]\n";
        let models = format!(
            "llmProvider:\n  enabled: true\n  authorization:\n    keys: [{{ name: team, hash: \"sha256:{}\" }}]\n  models: [{{ id: m, routes: [{{ app: a }}] }}]\n\
             apps: [{{ name: a, type: llm, provider: anthropic, credentials: {{ apiKey: k }} }}]\n",
            "a".repeat(64)
        );
        match self {
            Self::AuthorizationServer => server.to_owned(),
            Self::Models => models,
            Self::Both => format!("{server}{models}"),
            Self::Tools => format!(
                "{server}mcpProvider: {{ enabled: true }}\napps: [{{ name: crm, type: mcpProxy, upstream: {{ stream: {{ url: \"http://127.0.0.1:1/mcp\" }} }}, authorization: {{ outbound: {{ type: unprotected }} }} }}]\n"
            ),
        }
    }
}

impl Site {
    async fn open(location: &str) -> Self {
        Self::serving(Serves::Models, location).await
    }

    async fn serving(serves: Serves, location: &str) -> Self {
        let port = Port::take().await;
        let address = port.address;
        let text = format!(
            "http: {{ address: \"127.0.0.1:9420\", publicURL: \"http://127.0.0.1:9420\" }}\n\
             health: {{ location: {location} }}\n\
             {}",
            serves.sections()
        );
        let snapshot = Arc::new(snapshot(&text));
        let store = Arc::new(FickleStore::create());
        let limits = Arc::<Limits>::default();
        limits.set(Limit::PerAddress, 7);
        let spool = Arc::new(Spool(AtomicBool::new(true)));
        let apps = Arc::<Apps>::default();
        let lists = Arc::<PartialLists>::default();
        let console = Console::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&spool) as Arc<dyn AuditSink>,
            Arc::clone(&limits),
            Arc::clone(&apps),
            Arc::clone(&lists),
        );
        let routes =
            RouteTable::build(console.routes(&snapshot), Vec::new(), gatehouse_console::render).unwrap();
        let hosts = HostRules::new([address.to_string()]);
        let running = ActiveConfig { hosts, ..running(snapshot, routes) };
        let clock = Arc::new(HandClock::new());
        let deps = DoorDeps {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(SystemRng),
            audit: Arc::new(FullSpool),
            limits: Arc::default(),
            memory: Memory::default(),
            policies: Arc::new(PolicyLane::start().unwrap()),
        };
        Self {
            address,
            store,
            spool,
            console,
            limits,
            apps,
            lists,
            clock,
            _serving: port.serve(running, deps),
        }
    }

    /// Status, media type and body.
    async fn ask(&self, line: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = String::new();
        stream.read_to_string(&mut read).await.unwrap();
        let (head, body) = read.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let media_type =
            head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        (status, media_type.to_owned(), body.to_owned())
    }

    async fn status_of(&self, path: &str) -> u16 {
        self.ask(&format!("GET {path}")).await.0
    }
}

#[tokio::test]
async fn status_says_what_runs_and_nothing_about_anybody() {
    let site = Site::open("/status").await;
    site.limits.hit(Limit::PerAddress);
    let (status, media_type, body) = site.ask("GET /status").await;
    assert_eq!((status, media_type.as_str()), (200, "application/json"));
    let document: Value = serde_json::from_str(&body).unwrap();
    let mut members: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["apps", "limits", "revision", "serves", "status", "version"]);
    assert_eq!(document.pointer("/serves/llm"), Some(&Value::Bool(true)));
    assert_eq!(document.pointer("/serves/mcp"), Some(&Value::Bool(false)));
    assert_eq!(document["limits"], json!({ "http.limits.perAddress": { "limit": 7, "hits": 1 } }));
}

#[tokio::test]
async fn a_node_is_ready_while_some_of_what_it_serves_works() {
    for (serves, without_store) in
        [(Serves::AuthorizationServer, 503), (Serves::Models, 200), (Serves::Both, 200)]
    {
        let site = Site::serving(serves, "/status").await;
        for (down, ready) in [(false, 200), (true, without_store), (false, 200)] {
            site.store.set_away(down);
            assert_eq!(site.status_of("/healthz").await, 200);
            let (status, media_type, body) = site.ask("GET /readyz").await;
            assert_eq!(status, ready, "{serves:?} {down}: {body}");
            if status == 200 {
                assert_eq!(media_type, "application/json");
                let body: Value = serde_json::from_str(&body).unwrap();
                let degraded = if down { json!(["store"]) } else { json!([]) };
                assert_eq!(body, json!({ "ready": true, "degraded": degraded }));
            }
        }
    }
}

#[tokio::test]
async fn without_room_for_records_nothing_is_served_so_no_node_is_ready() {
    for serves in [Serves::AuthorizationServer, Serves::Models, Serves::Both] {
        let site = Site::serving(serves, "/status").await;
        site.spool.0.store(false, Ordering::Relaxed);
        let (status, media_type, _) = site.ask("GET /readyz").await;
        assert_eq!((status, media_type.as_str()), (503, "application/problem+json"), "{serves:?}");
        assert_eq!(site.status_of("/healthz").await, 200);
        site.spool.0.store(true, Ordering::Relaxed);
        assert_eq!(site.status_of("/readyz").await, 200);
    }
}

#[tokio::test]
async fn whoever_asks_for_it_is_told_of_each_component_and_nothing_more() {
    let site = Site::serving(Serves::Both, "/status").await;
    site.store.set_away(true);
    for query in ["verbose", "verbose=1", "a=b&verbose"] {
        let (status, _, body) = site.ask(&format!("GET /readyz?{query}")).await;
        assert_eq!(status, 200);
        assert!(!body.contains(OUTAGE), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let expected = json!({
            "ready": true,
            "degraded": ["store"],
            "components": { "store": "unavailable", "audit": "ok" },
            "serves": { "authorizationServer": "unavailable", "llm": "ok" },
        });
        assert_eq!(body, expected);
    }
    site.spool.0.store(false, Ordering::Relaxed);
    let (status, _, body) = site.ask("GET /readyz?verbose").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["ready"], &body["degraded"]), (503, &json!(false), &json!(["store", "audit"])));
    assert!(body["serves"]["llm"] == "unavailable");
}

#[tokio::test]
async fn apps_of_which_not_all_tools_are_known_are_named_until_they_are() {
    let site = Site::serving(Serves::Tools, "/status").await;
    let ask = async |line: &str| {
        let (status, _, body) = site.ask(line).await;
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let whole = json!({ "ready": true, "degraded": [] });
    assert_eq!(ask("GET /readyz").await, (200, whole.clone()));
    // Apps of an earlier configuration are not served any more.
    for app in ["crm", "gone"] {
        site.lists.note(app, None, "upstream_status", site.clock.now());
    }
    let degraded = json!({ "ready": true, "degraded": ["tools:crm"] });
    assert_eq!(ask("GET /readyz").await, (200, degraded.clone()));
    let verbose = ask("GET /readyz?verbose").await.1;
    assert_eq!(verbose["incompleteLists"], json!({ "crm": "upstream_status" }));
    site.lists.clear("crm", None);
    assert_eq!(ask("GET /readyz").await, (200, whole.clone()));
    site.lists.note("crm", None, "list_in_a_circle", site.clock.now());
    assert_eq!(ask("GET /readyz").await, (200, degraded));
    site.clock.advance(std::time::Duration::from_secs(121));
    assert_eq!(ask("GET /readyz").await, (200, whole));
}

#[tokio::test]
async fn a_process_that_is_told_to_stop_is_not_ready_any_more() {
    let heard = LogCapture::here();
    let site = Site::open("/status").await;
    site.console.announce_drain();
    let (status, media_type, body) = site.ask("GET /readyz").await;
    assert_eq!((status, media_type.as_str()), (503, "application/problem+json"));
    assert!(body.contains("told to stop"), "{body}");
    assert_eq!(site.status_of("/healthz").await, 200);
    let lines = heard.from_info_up();
    assert!(lines.is_empty(), "nobody has to act: {lines:#?}");
}

#[tokio::test]
async fn whoever_watches_the_log_reads_of_a_store_that_is_down() {
    let heard = LogCapture::here();
    let site = Site::serving(Serves::AuthorizationServer, "/status").await;
    site.store.set_away(true);
    assert_eq!(site.status_of("/readyz").await, 503);
    let lines = heard.from_info_up();
    let [line] = lines.as_slice() else { panic!("expected one line, found {lines:#?}") };
    assert_eq!((line.level, line.field("message")), ("ERROR", "request failed"));
    assert_eq!(line.field("reason"), "store_unavailable");
}

/// Each app is there with how it does, and since when.
#[tokio::test]
async fn the_status_says_how_each_app_does() {
    let site = Site::open("/status").await;
    let (now, later) =
        (Timestamp::from_unix_seconds(1_800_000_000), Timestamp::from_unix_seconds(1_800_000_060));
    let state = async || {
        let body: Value = serde_json::from_str(&site.ask("GET /status").await.2).unwrap();
        body["apps"]["a"].clone()
    };
    assert_eq!(state().await, json!({ "type": "llm", "state": "unknown" }));
    site.apps.lists("a", 7, now);
    let since = "2027-01-15T08:00:00Z";
    assert_eq!(state().await, json!({ "type": "llm", "state": "ok", "since": since, "tools": 7 }));
    site.apps.fails("a", "upstream_timeout", later);
    let expected = json!({ "type": "llm", "state": "failing", "since": "2027-01-15T08:01:00Z", "reason": "upstream_timeout" });
    assert_eq!(state().await, expected);
    // What is not in the configuration is not there, whatever was seen of it before.
    site.apps.fails("gone", "upstream_timeout", later);
    assert!(!site.ask("GET /status").await.2.contains("gone"));
}

#[tokio::test]
async fn the_status_may_be_where_something_else_usually_is() {
    for location in ["/healthz", "/readyz", "/elsewhere"] {
        let site = Site::open(location).await;
        let (status, media_type, _) = site.ask(&format!("GET {location}")).await;
        assert_eq!((status, media_type.as_str()), (200, "application/json"), "{location}");
    }
}

#[tokio::test]
async fn refusals_are_problem_details() {
    let site = Site::serving(Serves::AuthorizationServer, "/status").await;
    site.store.set_away(true);
    for (line, expected) in [("GET /nothing", 404), ("POST /readyz", 405), ("GET /readyz", 503)] {
        let (status, media_type, body) = site.ask(line).await;
        assert_eq!((status, media_type.as_str()), (expected, "application/problem+json"), "{line}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem.pointer("/status"), Some(&Value::from(expected)));
        assert!(!body.contains(OUTAGE), "{body}");
    }
}
