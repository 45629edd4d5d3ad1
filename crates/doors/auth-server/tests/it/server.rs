//! An authorization server: one configuration, one store in a folder of its own, one listener, one clock to wind.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use argon2::{Algorithm as Variant, Argon2, Params, PasswordHasher as _, Version};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use serde_json::{Map, Value};

use gatehouse_auth_server::{AuthServer, Parts, SignIns};
use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::source::loader::MemoryLoader;
use gatehouse_edge::authn::client::ClientDirectory;
use gatehouse_edge::authn::resource::{CredentialPlaces, KeySource, ResourceServer, TrustedIssuer};
use gatehouse_edge::context::Head;
use gatehouse_edge::door::{ActiveConfig, OriginRules};
use gatehouse_edge::issuer::TokenIssuer;
use gatehouse_edge::issuer::keys::LocalKeys;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::memory::Memory;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::routes::RouteTable;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::rng::Rng;
use gatehouse_identity::static_key::KeyTable;
use gatehouse_store::Store;
use gatehouse_testkit::configuration::snapshot_with;
use gatehouse_testkit::host::{HandClock, SystemRng, deps};
use gatehouse_testkit::recorded::Records;
use gatehouse_testkit::serving::{Port, Serving, running};
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
    serving: Serving,
    setup: Setup,
    _kept: TemporaryStore,
}

/// What outlives a configuration.
struct Surroundings {
    keys: Arc<LocalKeys>,
    revocations: Arc<Revocations>,
    outbound: Arc<Outbound>,
    sign_ins: Arc<SignIns>,
}

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
        snapshot_with(&text, &self.files)
    }

    pub(crate) async fn start(self) -> Server {
        self.start_behind(|store| store).await
    }

    /// A server whose store stands behind something that the test puts before it.
    pub(crate) async fn start_behind(self, front: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Server {
        let kept = TemporaryStore::create();
        let store = front(kept.shared());
        let port = Port::take().await;
        let address = port.address;
        let (clock, records) = (Arc::<HandClock>::default(), Arc::<Records>::default());
        let parts = Surroundings {
            keys: Arc::new(LocalKeys::new(vec![key_pair(Algorithm::Es256), key_pair(Algorithm::Rs256)])),
            revocations: Arc::default(),
            outbound: Arc::new(Outbound::new([], Memory::default()).unwrap()),
            sign_ins: Arc::new(SignIns::start().unwrap()),
        };
        let running = run(self.snapshot(address), &parts, &store, &clock);
        let serving = port.serve(running, deps(&clock, &records));
        let issuer = format!("http://{address}{}", self.issuer_path);
        Server { address, clock, records, store, issuer, parts, serving, setup: self, _kept: kept }
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
        self.serving.door.replace(run(snapshot, &self.parts, &self.store, &self.clock));
    }

    /// Tells the store which tokens were seen in use, as a running gateway does twice a second.
    pub(crate) async fn settle(&self) {
        let token_use = self.parts.revocations.token_use();
        token_use.flush(self.store.as_ref(), self.clock.now()).await.unwrap();
    }

    /// Calls the MCP gateway of this process with a token, as far as its gate.
    pub(crate) async fn call_with(&self, token: &str) {
        let admitted = self.knock(token).await;
        assert!(admitted.is_ok(), "{:?}", admitted.err());
    }

    /// What the gate of the MCP gateway says to a token, once it has read and tidied the list of revoked ones.
    pub(crate) async fn knock(&self, token: &str) -> Result<(), Rejection> {
        self.parts.revocations.refresh(self.store.as_ref(), self.clock.now()).await.unwrap();
        let running = self.serving.door.running();
        let settings = running.snapshot.mcp.as_ref().unwrap();
        let issuers = settings.protection.servers.iter().map(|server| TrustedIssuer {
            id_tokens: None,
            audiences: vec![Audience::new(settings.resource.clone())],
            ..TrustedIssuer::of(server, KeySource::Local(Arc::clone(&self.parts.keys)), &[])
        });
        let no_keys = KeyTable::new(Issuer::new("unused"), []);
        let revocations = Arc::clone(&self.parts.revocations);
        let gate = ResourceServer::new(CredentialPlaces::Bearer, issuers.collect(), no_keys, revocations);
        let mut parts = Request::new(()).into_parts().0;
        parts.headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
        let head = Head::admit(Arc::new(parts)).unwrap();
        gate.authenticate(&head, &running.snapshot, self.clock.now()).await.map(drop)
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

    /// Every claim of a token that this server issued, after its signature was verified with the published keys.
    pub(crate) fn claims(&self, token: &str) -> Map<String, Value> {
        crate::client::verified_claims(token, self.parts.keys.verification_keys())
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

fn run(
    snapshot: Snapshot,
    parts: &Surroundings,
    store: &Arc<dyn Store>,
    clock: &Arc<HandClock>,
) -> ActiveConfig {
    let server = snapshot.authorization_server.as_ref().unwrap();
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let door = AuthServer::new(Parts {
        store: Arc::clone(store),
        issuer: TokenIssuer::new(
            server.issuer.clone(),
            Arc::clone(&parts.keys),
            Arc::clone(&parts.revocations),
            Arc::clone(&rng),
        )
        .unwrap(),
        clients: ClientDirectory::new(parts.outbound.egress(None).fetcher.clone()),
        outbound: Arc::clone(&parts.outbound),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        rng,
        sign_ins: Arc::clone(&parts.sign_ins),
    });
    let routes = door.routes(&snapshot);
    let fallbacks = AuthServer::fallbacks(&snapshot);
    let origins = OriginRules::new([snapshot.ingress.origin.clone()]);
    let table = RouteTable::build(routes, fallbacks, gatehouse_auth_server::render).unwrap();
    ActiveConfig { origins, ..running(Arc::new(snapshot), table) }
}
