//! A gateway between the tests: one listener, one snapshot, whatever providers a test starts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use gatehouse_audit::event::Event;
use gatehouse_audit::sink::{AuditError, AuditSink};
use gatehouse_config::document::Document;
use gatehouse_config::snapshot::protection::KeySource as ConfiguredKeys;
use gatehouse_config::snapshot::{Snapshot, compile};
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::MemoryLoader;
use gatehouse_edge::authn::resource::{CredentialPlaces, KeySource, ResourceServer, TrustedIssuer};
use gatehouse_edge::door::{Door, Fittings, OriginRules, Running};
use gatehouse_edge::issuer::keys::LocalKeys;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::jwks::IssuerKeys;
use gatehouse_edge::server::address::TrustedProxies;
use gatehouse_edge::server::admission::HostRules;
use gatehouse_edge::server::routes::RouteTable;
use gatehouse_edge::server::{Listener, ListenerLimits};
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::rng::Rng;
use gatehouse_identity::static_key::KeyHash;
use gatehouse_llm_gateway::{LlmGateway, Patience};

use crate::provider::Provider;

/// The static key of `team`.
pub(crate) const TEAM_KEY: &str = "gwk_team";
/// What the gateway sends to providers in its own name.
pub(crate) const PROVIDER_KEY: &str = "sk-provider-credential";

const FRAME: &str = r#"
http: { address: "ADDRESS", publicURL: "http://ADDRESS" }
store: { type: sqlite, sqlite: { path: unused.db } }
connectors:
  - name: staff
    type: local
    users:
      - username: ada
        passwordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"
oidcProvider:
  discovery: { issuer: "http://ADDRESS" }
llmProvider:
  enabled: true
  authorization:
    oauth:
      servers:
        - wellKnownEndpoint: http://ADDRESS/.well-known/openid-configuration
          tokenValidation: { method: jwt, expectedAudiences: ["http://ADDRESS/v1"] }
SERVERS    keys: [{ name: team, hash: "TEAM", groups: [eng] }]
INBOUND  models:
    - { id: claude-opus, displayName: Claude Opus, family: opus, routes: [{ app: first }], price: { input: "5.00", output: "25.00", cacheWrite: "6.25", cacheRead: "0.50" } }
    - { id: alias, routes: [{ app: first, model: "vendor/claude-opus-4-7" }] }
    - { id: twice, routes: [{ app: first }, { app: second, model: claude-opus }] }
    - { id: secret, routes: [{ app: first }] }
apps:
  - name: cli
    type: oidc
    clientID: cli
    public: true
    redirectURLs: ["http://127.0.0.1/callback"]
    defaultAudience: http://ADDRESS/v1
    allowedAudiences: ["http://ADDRESS/v1"]
    authentication: { idps: [staff] }
  - { name: first, type: llm, provider: anthropic, baseURL: "http://FIRST/prefix/", region: eu-central-1, residency: eu, credentials: { apiKey: KEY } }
  - { name: second, type: llm, provider: anthropic, baseURL: "http://SECOND", credentials: { bearerToken: KEY } }
"#;

/// How a gateway differs from others.
#[derive(Default)]
pub(crate) struct Plan<'a> {
    /// More trusted servers, as items of the YAML list.
    pub(crate) servers: &'a str,
    /// A policy of model calls, as Rego after the package line.
    pub(crate) policy: &'a str,
    /// The provider behind the second account.
    pub(crate) second: Option<&'a Provider>,
    pub(crate) patience: Patience,
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<HandClock>,
    records: Arc<Records>,
    key: SigningKey,
    stop: CancellationToken,
}

#[derive(Default)]
struct Records {
    written: Mutex<Vec<Value>>,
    full: AtomicBool,
}

/// A clock that tests wind.
pub(crate) struct HandClock(Mutex<Timestamp>);

struct SystemRng;

impl Gateway {
    pub(crate) async fn before(provider: &Provider) -> Self {
        Self::start(provider, &Plan::default()).await
    }

    pub(crate) async fn start(provider: &Provider, plan: &Plan<'_>) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let address = listener.local_addr().unwrap();
        let snapshot = Arc::new(load(&text(address, provider, plan)));
        let start = Timestamp::from_unix_seconds(1_800_000_000);
        let (clock, records) = (Arc::new(HandClock(Mutex::new(start))), Arc::<Records>::default());
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let copy =
            SigningKey::from_pkcs8_pem(Algorithm::Es256, key.to_pkcs8_pem().unwrap().expose()).unwrap();
        let fittings = Fittings {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(SystemRng),
            audit: Arc::clone(&records) as Arc<dyn AuditSink>,
        };
        let door = Arc::new(Door::new(run(&snapshot, copy, &clock, plan.patience), fittings));
        let stop = CancellationToken::new();
        let limits = ListenerLimits {
            header_read_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(1),
            max_age: ListenerLimits::MAX_AGE,
        };
        TaskTracker::new().spawn(listener.serve(door, stop.clone(), limits));
        Self { address, clock, records, key, stop }
    }

    /// An access token of our own for `subject`.
    pub(crate) fn token(&self, subject: &str) -> String {
        let issuer = format!("http://{}", self.address);
        sign(&self.key, "at+jwt", &self.claims(&issuer, &format!("{issuer}/v1"), subject))
    }

    pub(crate) fn claims(&self, issuer: &str, audience: &str, subject: &str) -> Value {
        let now = self.clock.now().unix_seconds();
        json!({
            "iss": issuer, "sub": subject, "aud": audience, "client_id": "cli", "iat": now, "exp": now + 600,
            "jti": format!("jti-{subject}"), "groups": ["eng"],
        })
    }

    /// The audit records so far, once there are `count` of them.
    pub(crate) async fn records(&self, count: usize) -> Vec<Value> {
        let written = || self.records.written.lock().unwrap().clone();
        eventually(|| written().len() >= count, || format!("{count} records: {:#?}", written())).await;
        written()
    }

    /// The one record.
    pub(crate) async fn record(&self) -> Value {
        let mut records = self.records(1).await;
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }

    /// Nothing more can be recorded.
    pub(crate) fn fill_spool(&self) {
        self.records.full.store(true, Ordering::SeqCst);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl HandClock {
    pub(crate) fn advance(&self, seconds: u64) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus(Duration::from_secs(seconds));
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
        self.written.lock().unwrap().push(serde_json::to_value(&event).unwrap());
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }
}

pub(crate) fn sign(key: &SigningKey, typ: &str, claims: &Value) -> String {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    let claims: &Map<String, Value> = claims;
    key.sign(typ, claims).unwrap()
}

/// Waits for a condition with the patience that a busy machine needs.
pub(crate) async fn eventually(condition: impl Fn() -> bool, what: impl Fn() -> String) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain for {}", what());
}

fn text(address: SocketAddr, provider: &Provider, plan: &Plan<'_>) -> String {
    let inbound = if plan.policy.is_empty() {
        String::new()
    } else {
        let rules: String = plan.policy.lines().map(|line| format!("          {line}\n")).collect();
        format!(
            "    inbound:\n      opa:\n        name: models\n        rego: |\n          package orchestrator\n{rules}"
        )
    };
    let second = plan.second.unwrap_or(provider).address;
    FRAME
        .replace("ADDRESS", &address.to_string())
        .replace("FIRST", &provider.address.to_string())
        .replace("SECOND", &second.to_string())
        .replace("TEAM", &KeyHash::of(TEAM_KEY).to_string())
        .replace("KEY", PROVIDER_KEY)
        .replace("SERVERS", plan.servers)
        .replace("INBOUND", &inbound)
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
    let settings = snapshot.llm.as_ref().unwrap();
    let outbound = Arc::new(Outbound::new([]).unwrap());
    let own = Arc::new(LocalKeys::new(vec![key]));
    let trusted = settings.protection.iter().flat_map(|protection| &protection.servers).map(|server| {
        let keys = match &server.keys {
            ConfiguredKeys::Local => KeySource::Local(Arc::clone(&own)),
            ConfiguredKeys::Remote { discovery, refresh_interval, .. } => {
                KeySource::Remote(Arc::new(IssuerKeys::new(
                    server.issuer.clone(),
                    discovery.clone(),
                    *refresh_interval,
                    outbound.egress(None).fetcher.clone(),
                    Arc::clone(clock) as Arc<dyn Clock>,
                )))
            }
        };
        TrustedIssuer {
            issuer: server.issuer.clone(),
            keys,
            audiences: server.audiences.clone(),
            algorithms: server.algorithms.clone(),
            token_type: server.token_type,
            leeway: server.clock_skew,
            claims: server.claims.clone(),
        }
    });
    let gate = ResourceServer::new(
        CredentialPlaces::BearerOrApiKey,
        trusted.collect(),
        settings.keys.clone(),
        Arc::default(),
    );
    let door = LlmGateway::with_patience(Arc::clone(&outbound), patience);
    let fallback = vec![("/v1".to_owned(), gatehouse_llm_gateway::render as _)];
    Running {
        snapshot: Arc::clone(snapshot),
        routes: RouteTable::build(
            door.routes(settings, &Arc::new(gate)),
            fallback,
            gatehouse_llm_gateway::render,
        )
        .unwrap(),
        hosts: HostRules::new(snapshot.ingress.allowed_hosts.clone()),
        origins: OriginRules::new([]),
        proxies: TrustedProxies::new(Vec::new()),
    }
}
