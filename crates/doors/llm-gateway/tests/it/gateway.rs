//! A gateway between the tests: one listener, one snapshot, whatever providers a test starts.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::protection::KeySource as ConfiguredKeys;
use gatehouse_edge::authn::resource::{CredentialPlaces, KeySource, ResourceServer, TrustedIssuer};
use gatehouse_edge::door::ActiveConfig;
use gatehouse_edge::issuer::keys::LocalKeys;
use gatehouse_edge::memory::Memory;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::jwks::IssuerKeys;
use gatehouse_edge::server::routes::RouteTable;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::static_key::KeyHash;
use gatehouse_llm_gateway::LlmGateway;
use gatehouse_testkit::authority::Authority;
use gatehouse_testkit::configuration::snapshot;
use gatehouse_testkit::host::{HandClock, deps};
use gatehouse_testkit::recorded::Records;
use gatehouse_testkit::serving::{Port, Serving, running};

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
  timeouts: { TIMEOUTS }
  authorization:
    oauth:
      servers:
        - wellKnownEndpoint: http://ADDRESS/.well-known/openid-configuration
          tokenValidation: { method: jwt, expectedAudiences: ["http://ADDRESS/v1"], jwt: { tokenType: either } }
SERVERS    keys: [{ name: team, hash: "TEAM", groups: [eng] }]
INBOUND  models:
    - { id: claude-opus, displayName: Claude Opus, family: opus, routes: [{ app: first }], price: { input: "5.00", output: "25.00", cacheWrite: "6.25", cacheRead: "0.50" } }
    - { id: alias, routes: [{ app: first, model: "vendor/claude-opus-4-7" }] }
    - { id: twice, routes: [{ app: first }, { app: second, model: claude-opus }] }
    - { id: secret, routes: [{ app: first }] }
    - { id: "bedrock/us.anthropic.claude-opus-4-7:1", routes: [{ app: first }] }
MODELSapps:
  - name: cli
    type: oidc
    clientID: cli
    public: true
    redirectURLs: ["http://127.0.0.1/callback"]
    defaultAudience: http://ADDRESS/v1
    allowedAudiences: ["http://ADDRESS/v1"]
    authentication: { idps: [staff] }
  - name: other
    type: oidc
    clientID: other
    public: true
    redirectURLs: ["http://127.0.0.1/callback"]
    allowedAudiences: ["http://ADDRESS/mcp"]
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
    /// More models, as items of the YAML list.
    pub(crate) models: &'a str,
    /// The provider behind the second account.
    pub(crate) second: Option<&'a Provider>,
    /// Members of `llmProvider.timeouts`.
    pub(crate) timeouts: &'a str,
    /// What answers of providers may take.
    pub(crate) memory: Memory,
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) records: Arc<Records>,
    own: Authority,
    _serving: Serving,
}

impl Gateway {
    pub(crate) async fn before(provider: &Provider) -> Self {
        Self::start(provider, &Plan::default()).await
    }

    pub(crate) async fn start(provider: &Provider, plan: &Plan<'_>) -> Self {
        let port = Port::take().await;
        let address = port.address;
        let snapshot = Arc::new(snapshot(&text(address, provider, plan)));
        let (clock, records) = (Arc::<HandClock>::default(), Arc::<Records>::default());
        let own = Authority::new(format!("http://{address}"));
        let running = run(&snapshot, &own, &clock, &plan.memory);
        let serving = port.serve(running, deps(&clock, &records));
        Self { address, clock, records, own, _serving: serving }
    }

    /// An access token of our own for `subject`.
    pub(crate) fn token(&self, subject: &str) -> String {
        let issuer = &self.own.issuer;
        self.own.sign("at+jwt", &self.claims(issuer, &format!("{issuer}/v1"), subject))
    }

    /// An ID token of our own for `subject`, made for `client` beside an access token for the gateway.
    pub(crate) fn id_token(&self, client: &str, subject: &str) -> String {
        self.id_token_beside(client, subject, json!([format!("{}/v1", self.own.issuer)]))
    }

    /// The same beside an access token for `audiences`.
    pub(crate) fn id_token_beside(&self, client: &str, subject: &str, audiences: Value) -> String {
        let mut claims = self.claims(&self.own.issuer, client, subject);
        claims.remove("client_id");
        claims.insert("nonce".into(), "n".into());
        claims.insert("grant_audiences".into(), audiences);
        self.own.sign("JWT", &claims)
    }

    /// An access token of our own that says this.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> String {
        self.own.sign("at+jwt", claims)
    }

    pub(crate) fn claims(&self, issuer: &str, audience: &str, subject: &str) -> Map<String, Value> {
        let now = self.clock.now().unix_seconds();
        let claims = json!({
            "iss": issuer, "sub": subject, "aud": audience, "client_id": "cli", "iat": now, "exp": now + 600,
            "jti": format!("jti-{subject}"), "groups": ["eng"],
        });
        claims.as_object().unwrap().clone()
    }
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
        .replace("MODELS", plan.models)
        .replace("TIMEOUTS", plan.timeouts)
}

fn run(snapshot: &Arc<Snapshot>, own: &Authority, clock: &Arc<HandClock>, memory: &Memory) -> ActiveConfig {
    let settings = snapshot.llm.as_ref().unwrap();
    let outbound = Arc::new(Outbound::new([], memory.clone()).unwrap());
    let own = Arc::new(LocalKeys::new(vec![own.signing_key()]));
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
        TrustedIssuer::of(server, keys, &[])
    });
    let gate = ResourceServer::new(
        CredentialPlaces::BearerOrApiKey,
        trusted.collect(),
        settings.keys.clone(),
        Arc::default(),
    );
    let door = LlmGateway::new(Arc::clone(&outbound));
    let fallback = vec![("/v1".to_owned(), gatehouse_llm_gateway::render as _)];
    let routes = door.routes(settings, &Arc::new(gate));
    let table = RouteTable::build(routes, fallback, gatehouse_llm_gateway::render).unwrap();
    running(Arc::clone(snapshot), table)
}
