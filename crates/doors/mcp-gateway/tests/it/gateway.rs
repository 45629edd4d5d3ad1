//! A gateway between the tests: one listener, one snapshot, one issuer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use gatehouse_audit::event::Event;
use gatehouse_audit::sink::{AuditError, AuditSink};
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
use gatehouse_edge::outbound::delegate::Delegation;
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
use gatehouse_mcp_gateway::{McpGateway, Parts, Patience};

/// What every gateway here has besides its apps.
const FRAME: &str = r#"
http: { address: "ADDRESS", publicURL: "http://ADDRESS" }
store: { type: sqlite, sqlite: { path: unused.db } }
connectors:
  - name: staff
    type: local
    users:
      - username: ada
        passwordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"
  - name: own
    type: oidc
    oidcWellKnownURL: http://ADDRESS/.well-known/openid-configuration
    oauthClientID: gateway
    oauthClientSecret: "kQ3vT9xW2mN8pL5s"
oidcProvider:
  discovery: { issuer: "http://ADDRESS" }
mcpProvider:
  enabled: true
apps:
  - name: cli
    type: oidc
    clientID: cli
    public: true
    redirectURLs: ["http://127.0.0.1/callback"]
    defaultAudience: http://ADDRESS/mcp
    allowedAudiences: ["http://ADDRESS/mcp"]
    authentication: { idps: [staff] }
  - name: gateway
    type: oidc
    clientID: gateway
    credentials: { secrets: ["kQ3vT9xW2mN8pL5s"] }
    grantTypes: [client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"]
    allowedAudiences: ["https://tools.example/", "http://ADDRESS/mcp"]
    accessToken: { type: jwt }
    customScopes: { scopes: [{ name: "tools:use" }] }
    authorization:
      tokenMinting:
        accessToken:
          policies:
            - name: minting
              rego: |
                package orchestrator
                default result := {"allowed": false, "external_message": "Mallory gets no token."}
                result := {"allowed": true} if input.user.id != "mallory"
"#;

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) records: Arc<Records>,
    pub(crate) clock: Arc<HandClock>,
    key: SigningKey,
    stop: CancellationToken,
}

/// Audit records in memory.
#[derive(Default)]
pub(crate) struct Records(Mutex<Vec<Value>>);

/// A clock that tests wind.
pub(crate) struct HandClock(Mutex<Timestamp>);

struct SystemRng;

impl Gateway {
    /// Starts a gateway with the apps of `yaml`, list items indented by two spaces.
    pub(crate) async fn start(yaml: &str) -> Self {
        Self::start_with(FRAME, yaml, Patience::default()).await
    }

    /// The same with little patience.
    pub(crate) async fn impatient(yaml: &str) -> Self {
        let patience = Patience {
            silence: Duration::from_secs(3),
            call: Duration::from_secs(5),
            listing: Duration::from_secs(10),
        };
        Self::start_with(FRAME, yaml, patience).await
    }

    /// The same without sessions.
    pub(crate) async fn without_sessions(yaml: &str) -> Self {
        let frame = FRAME.replace(
            "  enabled: true\napps",
            "  enabled: true\n  transports: { stream: { session: { enabled: false } } }\napps",
        );
        Self::start_with(&frame, yaml, Patience::default()).await
    }

    async fn start_with(frame: &str, yaml: &str, patience: Patience) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let address = listener.local_addr().unwrap();
        let snapshot = Arc::new(load(&format!("{frame}{yaml}").replace("ADDRESS", &address.to_string())));
        let (clock, records) =
            (Arc::new(HandClock(Mutex::new(Timestamp::from_unix_seconds(1_800_000_000)))), Arc::default());
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let copy =
            SigningKey::from_pkcs8_pem(Algorithm::Es256, key.to_pkcs8_pem().unwrap().expose()).unwrap();
        let running = run(&snapshot, copy, &clock, patience);
        let fittings = Fittings {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(SystemRng),
            audit: Arc::clone(&records) as Arc<dyn AuditSink>,
        };
        let door = Arc::new(Door::new(running, fittings));
        let stop = CancellationToken::new();
        let limits = ListenerLimits {
            header_read_timeout: Duration::from_secs(5),
            drain: Duration::from_secs(1),
            max_age: ListenerLimits::MAX_AGE,
        };
        TaskTracker::new().spawn(listener.serve(door, stop.clone(), limits));
        Self { address, records, clock, key, stop }
    }

    /// A token of `subject` for the whole gateway, from the client `cli`.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.token_for(subject, &format!("http://{}/mcp", self.address), "cli")
    }

    pub(crate) fn token_for(&self, subject: &str, audience: &str, client: &str) -> String {
        let now = self.clock.now().unix_seconds();
        let Value::Object(claims) = json!({
            "iss": format!("http://{}", self.address), "sub": subject, "aud": audience, "client_id": client,
            "iat": now, "exp": now + 600, "jti": format!("jti-{subject}-{client}-{now}"), "scope": "tools:use",
        }) else {
            unreachable!()
        };
        let claims: Map<String, Value> = claims;
        self.key.sign("at+jwt", &claims).unwrap()
    }

    /// The audit records so far, once there are `count` of them.
    pub(crate) async fn records(&self, count: usize) -> Vec<Value> {
        for _ in 0..200 {
            let records = self.records.0.lock().unwrap().clone();
            if records.len() >= count {
                return records;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("fewer than {count} audit records: {:#?}", self.records.0.lock().unwrap());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
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
        self.0.lock().unwrap().push(serde_json::to_value(&event).unwrap());
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }
}

fn load(text: &str) -> Snapshot {
    let loader = MemoryLoader::empty();
    let environment: Environment = std::iter::empty::<(String, String)>().collect();
    let printed = |problems: &[gatehouse_config::problem::Problem]| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let document = Document::read(&Source::new("gatehouse.yaml", text), &environment, &loader)
        .unwrap_or_else(|problems| panic!("{}", printed(&problems)));
    compile(document, &loader).unwrap_or_else(|problems| panic!("{}", printed(&problems)))
}

fn run(snapshot: &Arc<Snapshot>, key: SigningKey, clock: &Arc<HandClock>, patience: Patience) -> Running {
    let settings = snapshot.mcp.as_ref().unwrap();
    let server = snapshot.authorization_server.as_ref().unwrap();
    let outbound = Arc::new(Outbound::new([]).unwrap());
    let (keys, revocations) = (Arc::new(LocalKeys::new(vec![key])), Arc::<Revocations>::default());
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let issuer = TokenIssuer::new(
        server.issuer.clone(),
        Arc::clone(&keys),
        Arc::clone(&revocations),
        Arc::clone(&rng),
    );
    let clients = ClientDirectory::new(outbound.egress(None).fetcher.clone());
    let door = McpGateway::with_patience(
        Parts {
            delegation: Arc::new(Delegation::new(Some(issuer), clients, Arc::clone(&outbound))),
            outbound,
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            rng,
        },
        patience,
    );
    let gate = |path: &str| {
        let trusted = settings.protection.servers.iter().map(|server| TrustedIssuer {
            issuer: server.issuer.clone(),
            keys: KeySource::Local(Arc::clone(&keys)),
            audiences: server
                .audiences
                .iter()
                .cloned()
                .chain([Audience::new(format!("{}{path}", settings.resource))])
                .collect(),
            algorithms: server.algorithms.clone(),
            token_type: server.token_type,
            leeway: server.clock_skew,
            claims: server.claims.clone(),
        });
        let no_keys = KeyTable::new(Issuer::new("unused"), []);
        let metadata = format!(
            "{}{}{}{path}",
            snapshot.ingress.origin, settings.protection.metadata_path, settings.path
        );
        let gate = ResourceServer::new(
            CredentialPlaces::Bearer,
            trusted.collect(),
            no_keys,
            Arc::clone(&revocations),
        );
        Arc::new(gate.with_challenge(metadata, None))
    };
    let by_app: HashMap<_, _> =
        settings.apps.iter().map(|app| (app.name.clone(), gate(&format!("/{}", app.name)))).collect();
    let routes = door.routes(settings, &gate(""), &by_app);
    let fallback = vec![(settings.path.clone(), gatehouse_mcp_gateway::render as _)];
    Running {
        snapshot: Arc::clone(snapshot),
        routes: RouteTable::build(routes, fallback, gatehouse_mcp_gateway::render).unwrap(),
        hosts: HostRules::new(snapshot.ingress.allowed_hosts.clone()),
        origins: OriginRules::new([]),
        proxies: TrustedProxies::new(Vec::new()),
    }
}
