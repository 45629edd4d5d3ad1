//! A gateway between the tests: one listener, one snapshot, one issuer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use gatehouse_config::snapshot::Snapshot;
use gatehouse_edge::authn::client::ClientDirectory;
use gatehouse_edge::authn::resource::{CredentialPlaces, KeySource, ResourceServer, TrustedIssuer};
use gatehouse_edge::door::{ActiveConfig, DoorDeps};
use gatehouse_edge::issuer::TokenIssuer;
use gatehouse_edge::issuer::keys::LocalKeys;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::limits::{Limit, Limits};
use gatehouse_edge::memory::{Memory, MemoryLimits};
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::delegate::Delegation;
use gatehouse_edge::partial_lists::PartialLists;
use gatehouse_edge::server::routes::RouteTable;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::rng::Rng;
use gatehouse_identity::static_key::KeyTable;
use gatehouse_mcp_gateway::{McpGateway, Parts, Timeouts};
use gatehouse_testkit::authority::Authority;
use gatehouse_testkit::configuration::snapshot;
use gatehouse_testkit::host::{HandClock, SystemRng, deps};
use gatehouse_testkit::recorded::Records;
use gatehouse_testkit::serving::{Port, Serving, running};

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
  - name: another-client
    type: oidc
    clientID: another-client
    public: true
    redirectURLs: ["http://127.0.0.1/callback"]
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
                result := {"allowed": true} if {
                  input.user.id != "mallory"
                  not held_back
                }
                held_back if {
                  input.user.id == "heather"
                  not input.request.http.headers["X-Ticket"]
                }
"#;

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) records: Arc<Records>,
    pub(crate) clock: Arc<HandClock>,
    /// What is held for others.
    pub(crate) memory: Memory,
    limits: Arc<Limits>,
    lists: Arc<PartialLists>,
    own: Authority,
    _serving: Serving,
}

impl Gateway {
    /// Starts a gateway with the apps of `yaml`, list items indented by two spaces.
    pub(crate) async fn start(yaml: &str) -> Self {
        Self::start_with(FRAME, yaml, Timeouts::default(), Memory::default()).await
    }

    /// The same with so much memory.
    pub(crate) async fn within(yaml: &str, total: usize, per_holder: usize) -> Self {
        let memory = Memory::new(MemoryLimits { total, per_holder });
        Self::start_with(FRAME, yaml, Timeouts::default(), memory).await
    }

    /// The same with limits of the whole gateway.
    pub(crate) async fn with_limits(limits: &str, yaml: &str) -> Self {
        let frame = FRAME
            .replace("  enabled: true\napps", &format!("  enabled: true\n  limits: {{ {limits} }}\napps"));
        Self::start_with(&frame, yaml, Timeouts::default(), Memory::default()).await
    }

    /// The same with short timeouts.
    pub(crate) async fn impatient(yaml: &str) -> Self {
        let timeouts = Timeouts {
            silence: Duration::from_secs(3),
            call: Duration::from_secs(5),
            listing: Duration::from_secs(10),
        };
        Self::start_with(FRAME, yaml, timeouts, Memory::default()).await
    }

    /// The same without sessions.
    pub(crate) async fn without_sessions(yaml: &str) -> Self {
        let frame = FRAME.replace(
            "  enabled: true\napps",
            "  enabled: true\n  transports: { stream: { session: { enabled: false } } }\napps",
        );
        Self::start_with(&frame, yaml, Timeouts::default(), Memory::default()).await
    }

    async fn start_with(frame: &str, yaml: &str, timeouts: Timeouts, memory: Memory) -> Self {
        let port = Port::take().await;
        let address = port.address;
        let snapshot = Arc::new(snapshot(&format!("{frame}{yaml}").replace("ADDRESS", &address.to_string())));
        let (clock, records) = (Arc::<HandClock>::default(), Arc::<Records>::default());
        let own = Authority::new(format!("http://{address}"));
        let lists = Arc::<PartialLists>::default();
        let running = run(&snapshot, &own, &clock, timeouts, &memory, &lists);
        let limits = Arc::<Limits>::default();
        for limit in Limit::ALL {
            limits.set(*limit, 1);
        }
        let (memory_used, limits_met) = (memory.clone(), Arc::clone(&limits));
        let deps = DoorDeps { memory: memory_used, limits: limits_met, ..deps(&clock, &records) };
        let serving = port.serve(running, deps);
        Self { address, records, clock, memory, limits, lists, own, _serving: serving }
    }

    /// How often `limit` was met.
    pub(crate) fn hits(&self, limit: Limit) -> u64 {
        self.limits.standing().find(|standing| standing.limit == limit).unwrap().hits
    }

    /// Whose lists of tools are not whole, and why.
    pub(crate) fn partial_lists(&self) -> Vec<(String, &'static str)> {
        self.lists.at(self.clock.now())
    }

    /// A token of `subject` for the whole gateway, from the client `cli`.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.token_for(subject, &format!("http://{}/mcp", self.address), "cli")
    }

    /// A token of `ada`, who came through a connector that knows her by this reference.
    pub(crate) fn token_from(&self, connector: &str, login: &str) -> String {
        let audience = format!("http://{}/mcp", self.address);
        let mut claims = self.claims("ada", &audience, "cli");
        claims["grant_id"] = json!("g-1");
        claims["grant_connector"] = json!(connector);
        claims["grant_login"] = json!(login);
        self.own.sign("at+jwt", claims.as_object().unwrap())
    }

    /// A token of `ada` with these claims besides.
    pub(crate) fn token_with(&self, more: &Value) -> String {
        let audience = format!("http://{}/mcp", self.address);
        let mut claims = self.claims("ada", &audience, "cli");
        let members = more.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(members);
        self.own.sign("at+jwt", claims.as_object().unwrap())
    }

    /// The issuer of its tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.own.issuer
    }

    pub(crate) fn token_for(&self, subject: &str, audience: &str, client: &str) -> String {
        self.own.sign("at+jwt", self.claims(subject, audience, client).as_object().unwrap())
    }

    fn claims(&self, subject: &str, audience: &str, client: &str) -> Value {
        let now = self.clock.now().unix_seconds();
        json!({
            "iss": self.own.issuer, "sub": subject, "aud": audience, "client_id": client,
            "iat": now, "exp": now + 600, "jti": format!("jti-{subject}-{client}-{now}"), "scope": "tools:use",
        })
    }
}

fn run(
    snapshot: &Arc<Snapshot>,
    own: &Authority,
    clock: &Arc<HandClock>,
    timeouts: Timeouts,
    memory: &Memory,
    lists: &Arc<PartialLists>,
) -> ActiveConfig {
    let settings = snapshot.mcp.as_ref().unwrap();
    let server = snapshot.authorization_server.as_ref().unwrap();
    let outbound = Arc::new(Outbound::new([], memory.clone()).unwrap());
    let keys = Arc::new(LocalKeys::new(vec![own.signing_key()]));
    let revocations = Arc::<Revocations>::default();
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let issuer = TokenIssuer::new(
        server.issuer.clone(),
        Arc::clone(&keys),
        Arc::clone(&revocations),
        Arc::clone(&rng),
    )
    .unwrap();
    let clients = ClientDirectory::new(outbound.egress(None).fetcher.clone());
    let door = McpGateway::with_timeouts(
        Parts {
            delegation: Arc::new(Delegation::new(Some(issuer), clients, Arc::clone(&outbound))),
            outbound,
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            rng,
            lists: Arc::clone(lists),
        },
        timeouts,
    );
    let gate = |path: &str| {
        let audience = Audience::new(format!("{}{path}", settings.resource));
        let trusted = settings.protection.servers.iter().map(|server| {
            TrustedIssuer::of(server, KeySource::Local(Arc::clone(&keys)), std::slice::from_ref(&audience))
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
    let table = RouteTable::build(routes, fallback, gatehouse_mcp_gateway::render).unwrap();
    running(Arc::clone(snapshot), table)
}
