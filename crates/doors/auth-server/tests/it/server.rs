//! An authorization server: one configuration, one store in a folder of its own, one listener, one clock to wind.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use argon2::{Algorithm as Variant, Argon2, Params, PasswordHasher as _, Version};
use async_trait::async_trait;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use gatehouse_audit::event::Event;
use gatehouse_audit::sink::{AuditError, AuditSink};
use gatehouse_auth_server::{AuthServer, Parts};
use gatehouse_config::document::Document;
use gatehouse_config::snapshot::{Snapshot, compile};
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::MemoryLoader;
use gatehouse_edge::authn::client::ClientDirectory;
use gatehouse_edge::authn::resource::{CredentialPlaces, KeySource, ResourceServer, TrustedIssuer};
use gatehouse_edge::door::{Door, Fittings, OriginRules, Running};
use gatehouse_edge::issuer::TokenIssuer;
use gatehouse_edge::issuer::keys::LocalKeys;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::address::TrustedProxies;
use gatehouse_edge::server::admission::HostRules;
use gatehouse_edge::server::routes::RouteTable;
use gatehouse_edge::server::{Listener, ListenerLimits};
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::rng::Rng;
use gatehouse_identity::static_key::KeyTable;
use gatehouse_store::Store;
use gatehouse_testkit::store::TemporaryStore;

use crate::client::Client;

/// The password of every user here.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// The secret of every confidential client here; it has characters that need encoding.
pub(crate) const SECRET: &str = "s3cr&t:with%odd+chars";

const FRAME: &str = r#"
http: { address: "ADDRESS", publicURL: "http://ADDRESS" }
store: { type: sqlite, sqlite: { path: unused.db } }
session: { lifetime: { maxTimeout: 8h, idleTimeout: 1h } }
connectors:
  - name: staff
    type: local
    users:
      - username: ada
        passwordHash: "HASH"
        claims: { name: "Ada <b>Byron</b>", email: ada@example.com, groups: [eng, leads], department: compute }
      - { username: bob, passwordHash: "HASH", claims: { name: Bob, groups: [sales] } }
CONNECTORS
oidcProvider:
  discovery: { issuer: "http://ADDRESSISSUERPATH" }
PROVIDER
mcpProvider: { enabled: true }
apps:
  # A program on the user's computer.
  - name: cli
    type: oidc
    clientID: cli
    public: true
    redirectURLs: ["http://127.0.0.1/callback", "http://localhost:29352/callback"]
    allowedAudiences: ["http://ADDRESS/mcp", "https://tools.example/api", "https://files.example/"]
    customScopes: { scopes: [{ name: "tools:use" }, { name: "tools:admin" }] }
    authentication: { idps: [staff] }
  # A web application.
  - name: The-Portal
    type: oidc
    clientID: portal
    credentials: { secrets: ["SECRET"] }
    redirectURLs: ["https://portal.example/cb?env=1", "https://portal.example/other"]
    allowedAudiences: ["http://ADDRESS/mcp", "https://tools.example/api"]
    customScopes: { scopes: [{ name: "tools:use" }] }
    authentication: { idps: [staff] }
  # What calls tools for people.
  - name: gateway
    type: oidc
    clientID: gateway
    credentials: { secrets: ["SECRET", "the-older-secret"] }
    grantTypes: [client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"]
    allowedAudiences: ["https://tools.example/api", "https://files.example/", "http://ADDRESS/mcp"]
    customScopes: { scopes: [{ name: "tools:use" }, { name: "tools:admin" }, { name: "ledger:read" }] }
APPS
"#;

/// What a test adds to the configuration.
#[derive(Default)]
pub(crate) struct Setup {
    connectors: String,
    provider: String,
    apps: String,
    issuer_path: String,
    edits: Vec<(String, String)>,
    files: MemoryLoader,
}

/// A running authorization server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) records: Arc<Records>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) issuer: String,
    parts: Surroundings,
    door: Arc<Door>,
    setup: Setup,
    stop: CancellationToken,
    _kept: TemporaryStore,
}

/// What outlives a configuration.
struct Surroundings {
    keys: Arc<LocalKeys>,
    revocations: Arc<Revocations>,
    outbound: Arc<Outbound>,
}

/// Audit records in memory, or a log that cannot be written.
#[derive(Default)]
pub(crate) struct Records {
    written: Mutex<Vec<Value>>,
    refusing: AtomicBool,
}

/// A clock that tests wind.
pub(crate) struct HandClock(Mutex<Timestamp>);

/// Randomness of the system.
pub(crate) struct SystemRng;

impl Setup {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One more connector, indented by two spaces.
    pub(crate) fn connector(mut self, yaml: &str) -> Self {
        self.connectors.push_str(yaml);
        self
    }

    /// More keys of `oidcProvider`, indented by two spaces.
    pub(crate) fn provider(mut self, yaml: &str) -> Self {
        self.provider.push_str(yaml);
        self
    }

    /// One more app, indented by two spaces.
    pub(crate) fn app(mut self, yaml: &str) -> Self {
        self.apps.push_str(yaml);
        self
    }

    /// Replaces text of the configuration.
    pub(crate) fn edit(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }

    /// An issuer with a path.
    pub(crate) fn issuer_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.issuer_path);
        self
    }

    /// A file that the configuration names.
    pub(crate) fn file(mut self, path: &str, bytes: &str) -> Self {
        self.files = self.files.with(path, bytes);
        self
    }

    fn snapshot(&self, address: SocketAddr) -> Snapshot {
        let frame = FRAME
            .replace("CONNECTORS", &self.connectors)
            .replace("PROVIDER", &self.provider)
            .replace("APPS", &self.apps)
            .replace("ISSUERPATH", &self.issuer_path)
            .replace("ADDRESS", &address.to_string())
            .replace("HASH", password_hash())
            .replace("SECRET", SECRET);
        let text = self.edits.iter().fold(frame, |text, (from, to)| {
            assert!(text.contains(from.as_str()), "{from:?} does not stand in the configuration");
            text.replace(from, to)
        });
        load(&text, &self.files)
    }

    pub(crate) async fn start(self) -> Server {
        self.start_behind(|store| store).await
    }

    /// A server whose store stands behind something that the test puts before it.
    pub(crate) async fn start_behind(self, front: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Server {
        let kept = TemporaryStore::create();
        let store = front(kept.shared());
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(HandClock(Mutex::new(Timestamp::from_unix_seconds(1_800_000_000))));
        let records = Arc::<Records>::default();
        let parts = Surroundings {
            keys: Arc::new(LocalKeys::new(vec![key_pair(Algorithm::Es256), key_pair(Algorithm::Rs256)])),
            revocations: Arc::default(),
            outbound: Arc::new(Outbound::new([]).unwrap()),
        };
        let running = run(self.snapshot(address), &parts, &store, &clock);
        let fittings = Fittings {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(SystemRng),
            audit: Arc::clone(&records) as Arc<dyn AuditSink>,
        };
        let door = Arc::new(Door::new(running, fittings));
        let stop = CancellationToken::new();
        let limits = ListenerLimits {
            header_read_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(1),
            max_age: ListenerLimits::MAX_AGE,
        };
        TaskTracker::new().spawn(listener.serve(Arc::clone(&door), stop.clone(), limits));
        let issuer = format!("http://{address}{}", self.issuer_path);
        Server { address, clock, records, store, issuer, parts, door, setup: self, stop, _kept: kept }
    }
}

impl Server {
    /// A server with nothing added.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// Swaps the configuration for one with other text in it, as a reload does.
    pub(crate) fn reconfigure(&mut self, from: &str, to: &str) {
        self.reconfigure_all(&[(from, to)]);
    }

    /// The same with several changes at once.
    pub(crate) fn reconfigure_all(&mut self, edits: &[(&str, &str)]) {
        self.setup.edits.extend(edits.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())));
        let snapshot = self.setup.snapshot(self.address);
        self.door.replace(run(snapshot, &self.parts, &self.store, &self.clock));
    }

    /// Tells the store which tokens were seen in use, as a running gateway does twice a second.
    pub(crate) async fn settle(&self) {
        let sightings = self.parts.revocations.sightings();
        sightings.flush(self.store.as_ref(), self.clock.now()).await.unwrap();
    }

    /// Calls the MCP gateway of this process with a token, as far as its gate.
    pub(crate) async fn call_with(&self, token: &str) {
        let admitted = self.knock(token).await;
        assert!(admitted.is_ok(), "{:?}", admitted.err());
    }

    /// What the gate of the MCP gateway says to a token, once it has read and tidied the list of revoked ones.
    pub(crate) async fn knock(&self, token: &str) -> Result<(), Rejection> {
        self.parts.revocations.refresh(self.store.as_ref(), self.clock.now()).await.unwrap();
        let running = self.door.running();
        let settings = running.snapshot.mcp.as_ref().unwrap();
        let issuers = settings.protection.servers.iter().map(|server| TrustedIssuer {
            issuer: server.issuer.clone(),
            keys: KeySource::Local(Arc::clone(&self.parts.keys)),
            audiences: vec![Audience::new(settings.resource.clone())],
            algorithms: server.algorithms.clone(),
            token_type: server.token_type,
            leeway: server.clock_skew,
            claims: server.claims.clone(),
        });
        let no_keys = KeyTable::new(Issuer::new("unused"), []);
        let revocations = Arc::clone(&self.parts.revocations);
        let gate = ResourceServer::new(CredentialPlaces::Bearer, issuers.collect(), no_keys, revocations);
        let headers = [(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap())];
        gate.authenticate(&headers.into_iter().collect(), self.clock.now()).await.map(drop)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The public client with a loopback redirect.
    pub(crate) fn cli(&self) -> Client<'_> {
        Client::public(self, "cli", "http://127.0.0.1:50123/callback")
    }

    /// The confidential client with an https redirect.
    pub(crate) fn portal(&self) -> Client<'_> {
        Client::confidential(self, "portal", "https://portal.example/cb?env=1")
    }

    /// The client that exchanges tokens.
    pub(crate) fn gateway(&self) -> Client<'_> {
        Client::confidential(self, "gateway", "")
    }

    /// A token with these claims, signed with the key of `algorithm`.
    pub(crate) fn sign(&self, algorithm: Algorithm, typ: &str, claims: &Value) -> String {
        let key = self.parts.keys.signing_key(Some(algorithm)).unwrap();
        key.sign(typ, claims.as_object().unwrap()).unwrap()
    }

    /// The audit records of one kind so far, once there is one with `reason`.
    pub(crate) async fn record(&self, reason: &str) -> Value {
        for _ in 0..500 {
            let found = self.records.all().into_iter().find(|record| record["reason"] == reason);
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no audit record with reason {reason:?}: {:#?}", self.records.all());
    }

    /// Every claim of a token that this server issued, after its signature was verified with the published keys.
    pub(crate) fn claims(&self, token: &str) -> Map<String, Value> {
        crate::client::verified_claims(token, self.parts.keys.verification_keys())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Records {
    pub(crate) fn all(&self) -> Vec<Value> {
        self.written.lock().unwrap().clone()
    }

    /// Whether writing fails from now on.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.refusing.store(refusing, Ordering::SeqCst);
    }
}

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus(by);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

#[async_trait]
impl AuditSink for Records {
    async fn append(&self, event: Event) -> Result<(), AuditError> {
        self.submit(event)
    }

    fn submit(&self, event: Event) -> Result<(), AuditError> {
        if self.refusing.load(Ordering::SeqCst) {
            return Err(AuditError::Closed);
        }
        self.written.lock().unwrap().push(serde_json::to_value(&event).unwrap());
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }
}

/// A key of `algorithm`, the same for every test of this process: making RSA keys takes long.
pub(crate) fn key_pair(algorithm: Algorithm) -> SigningKey {
    static MADE: OnceLock<[(Algorithm, String); 2]> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        [Algorithm::Es256, Algorithm::Rs256].map(|algorithm| {
            let key = SigningKey::generate(algorithm).unwrap();
            (algorithm, key.to_pkcs8_pem().unwrap().expose().to_owned())
        })
    });
    let (_, pem) = made.iter().find(|(known, _)| *known == algorithm).unwrap();
    SigningKey::from_pkcs8_pem(algorithm, pem).unwrap()
}

/// A hash of [`PASSWORD`] that is quick to check.
fn password_hash() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        let quick = Argon2::new(Variant::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        quick.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
    })
}

fn load(text: &str, files: &MemoryLoader) -> Snapshot {
    let environment: Environment = std::iter::empty::<(String, String)>().collect();
    let printed = |problems: &[gatehouse_config::problem::Problem]| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let document = Document::read(&Source::new("gatehouse.yaml", text), &environment, files)
        .unwrap_or_else(|problems| panic!("{}", printed(&problems)));
    compile(document, files).unwrap_or_else(|problems| panic!("{}", printed(&problems)))
}

fn run(snapshot: Snapshot, parts: &Surroundings, store: &Arc<dyn Store>, clock: &Arc<HandClock>) -> Running {
    let server = snapshot.authorization_server.as_ref().unwrap();
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let door = AuthServer::new(Parts {
        store: Arc::clone(store),
        issuer: TokenIssuer::new(
            server.issuer.clone(),
            Arc::clone(&parts.keys),
            Arc::clone(&parts.revocations),
            Arc::clone(&rng),
        ),
        clients: ClientDirectory::new(parts.outbound.egress(None).fetcher.clone()),
        outbound: Arc::clone(&parts.outbound),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        rng,
    });
    let routes = door.routes(&snapshot);
    let hosts = snapshot.ingress.allowed_hosts.clone();
    Running {
        routes: RouteTable::build(routes, AuthServer::fallbacks(&snapshot), gatehouse_auth_server::render)
            .unwrap(),
        hosts: HostRules::new(hosts),
        origins: OriginRules::new([snapshot.ingress.origin.clone()]),
        proxies: TrustedProxies::new(Vec::new()),
        snapshot: Arc::new(snapshot),
    }
}
