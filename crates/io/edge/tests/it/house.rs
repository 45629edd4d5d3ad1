//! A listener, its door and whatever routes a test puts behind it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Response};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use gatehouse_audit::event::EventKind;
use gatehouse_config::snapshot::Snapshot;
use gatehouse_edge::authn::resource::{CredentialPlaces, KeySource, ResourceServer, TrustedIssuer};
use gatehouse_edge::door::{ActiveConfig, Door, DoorDeps, OriginRules};
use gatehouse_edge::issuer::TokenIssuer;
use gatehouse_edge::issuer::keys::LocalKeys;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::memory::Memory;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::address::TrustedProxies;
use gatehouse_edge::server::admission::HostRules;
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::{Outcome, ProtectedSpec, Refused, Route, RouteTable};
use gatehouse_edge::server::{Drain, Listener, ListenerLimits};
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::groups::IncompleteGroups;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::verify::TokenType;
use gatehouse_identity::principal::ClaimRules;
use gatehouse_identity::rng::Rng;
use gatehouse_identity::static_key::{KeyHash, KeyTable, StaticKey};
use gatehouse_testkit::authority::Authority;
use gatehouse_testkit::configuration::snapshot;
use gatehouse_testkit::host::{HandClock, SystemRng, deps};
use gatehouse_testkit::recorded::Records;

/// The static key of `team`.
pub(crate) const TEAM_KEY: &str = "gwk_team";
/// A static key that expires 100 s after the start.
pub(crate) const BRIEF_KEY: &str = "gwk_brief";
/// The secret of the client that exchanges.
const SECRET: &str = "kQ3vT9xW2mN8pL5s";

const FRAME: &str = r#"
http: { address: "ADDRESS", publicURL: "http://ADDRESS", readTimeoutSeconds: 1 }
store: { type: sqlite, sqlite: { path: unused.db } }
audit: { onBlocked: { timeout: 300ms } }
connectors:
  - name: staff
    type: local
    users:
      - username: ada
        passwordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"
      - username: gateway
        passwordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"
oidcProvider:
  discovery: { issuer: "http://ADDRESS" }
  clientIDMetadata: { enabled: true, allowedHosts: [clients.example] }
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
    authorization:
      tokenMinting:
        accessToken:
          policies:
            - name: minting
              rego: |
                package orchestrator
                default result := {"allowed": true}
                result := {"allowed": false, "external_message": "Not from here.", "internal_message": "source"} if {
                  input.request.http.headers["X-Denied"] == "yes"
                }
  - name: gateway
    type: oidc
    clientID: gateway
    credentials: { secrets: ["SECRET"] }
    grantTypes: [client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"]
    allowedAudiences: ["https://tools.example/", "https://other.example/", "http://ADDRESS/mcp"]
    accessToken: { type: jwt }
    customScopes: { scopes: [{ name: "tools:use" }, { name: "tools:admin" }] }
    authorization:
      tokenMinting:
        accessToken:
          policies:
            - name: exchange
              rego: |
                package orchestrator
                default result := {"allowed": false, "internal_message": "mallory is out"}
                result := {"allowed": true} if {
                  input.user.id != "mallory"
                  not held_back
                }
                held_back if {
                  input.user.id == "heather"
                  input.request.http.headers["X-Ticket"] != "17"
                }
                held_back if {
                  input.user.id == "heather"
                  not input.request.http.headers["X-Ticket"]
                }
                held_back if {
                  input.user.id == "pat"
                  input.request.http.path != "/other"
                }
                held_back if {
                  input.user.id == "ira"
                  input.source.ip != "192.0.2.1"
                }
                held_back if {
                  input.user.id == "tim"
                  input.time.now_ns > 1800000060 * 1000000000
                }
"#;

/// What routes are made of.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) keys: Arc<LocalKeys>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) outbound: Arc<Outbound>,
    own: Authority,
    kept: Mutex<HashMap<String, String>>,
}

/// How a house differs from others.
pub(crate) struct Plan {
    pub(crate) trusted: Vec<&'static str>,
    pub(crate) origins: Vec<&'static str>,
    pub(crate) limits: ListenerLimits,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) memory: Memory,
}

/// A running listener.
pub(crate) struct House {
    pub(crate) site: Site,
    pub(crate) door: Arc<Door>,
    pub(crate) records: Arc<Records>,
    pub(crate) stop: CancellationToken,
    pub(crate) served: tokio::task::JoinHandle<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        let limits = ListenerLimits {
            header_read_timeout: Duration::from_secs(10),
            drain: Drain::within(Duration::from_secs(20)),
            ..ListenerLimits::default()
        };
        Self {
            trusted: Vec::new(),
            origins: vec!["https://page.example"],
            limits,
            tls: None,
            memory: Memory::default(),
        }
    }
}

impl House {
    pub(crate) async fn open(routes: impl FnOnce(&Site) -> Vec<Route>) -> Self {
        Self::with(Plan::default(), routes).await
    }

    pub(crate) async fn with(plan: Plan, routes: impl FnOnce(&Site) -> Vec<Route>) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), plan.tls).await.unwrap();
        let site = Site::at(listener.local_addr().unwrap());
        let records = Arc::<Records>::default();
        let running = ActiveConfig {
            snapshot: Arc::clone(&site.snapshot),
            routes: RouteTable::build(routes(&site), vec![("/tea".to_owned(), tea)], plain).unwrap(),
            hosts: HostRules::new([site.address.to_string(), "gw.example".to_owned()]),
            origins: OriginRules::new(plan.origins.iter().map(ToString::to_string)),
            proxies: TrustedProxies::new(plan.trusted.iter().map(|net| net.parse().unwrap()).collect()),
        };
        let deps = DoorDeps { memory: plan.memory, ..deps(&site.clock, &records) };
        let door = Arc::new(Door::new(running, deps));
        let stop = CancellationToken::new();
        let serving = listener.serve(Arc::clone(&door), stop.clone(), plan.limits);
        let served = TaskTracker::new().spawn(serving);
        Self { site, door, records, stop, served }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.site.address
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Site {
    /// A site for what needs no listener.
    pub(crate) fn anywhere() -> Self {
        Self::at("127.0.0.1:9420".parse().unwrap())
    }

    fn at(address: SocketAddr) -> Self {
        let text = FRAME.replace("ADDRESS", &address.to_string()).replace("SECRET", SECRET);
        let own = Authority::new(format!("http://{address}"));
        Self {
            address,
            snapshot: Arc::new(snapshot(&text)),
            clock: Arc::default(),
            keys: Arc::new(LocalKeys::new(vec![own.signing_key()])),
            revocations: Arc::default(),
            outbound: Arc::new(Outbound::new([], Memory::default()).unwrap()),
            own,
            kept: Mutex::default(),
        }
    }

    pub(crate) fn issuer(&self) -> Issuer {
        Issuer::new(self.own.issuer.clone())
    }

    pub(crate) fn token_issuer(&self) -> TokenIssuer {
        let rng: Arc<dyn Rng> = Arc::new(SystemRng);
        TokenIssuer::new(self.issuer(), Arc::clone(&self.keys), Arc::clone(&self.revocations), rng).unwrap()
    }

    /// A gate that accepts our own tokens and two static keys.
    pub(crate) fn gate(&self, places: CredentialPlaces) -> ResourceServer {
        let own = self.trusting(KeySource::Local(Arc::clone(&self.keys)), self.issuer());
        let static_key = |name: &str, key: &str, expires_at| StaticKey {
            name: name.to_owned(),
            hash: KeyHash::of(key),
            groups: Arc::default(),
            expires_at,
        };
        let expiry = self.clock.now().plus(Duration::from_secs(100));
        let keys = [static_key("team", TEAM_KEY, None), static_key("brief", BRIEF_KEY, Some(expiry))];
        let table = KeyTable::new(Issuer::new("urn:keys"), keys);
        ResourceServer::new(places, vec![own], table, Arc::clone(&self.revocations))
            .with_challenge("http://gw.example/metadata".to_owned(), None)
    }

    pub(crate) fn trusting(&self, keys: KeySource, issuer: Issuer) -> TrustedIssuer {
        TrustedIssuer {
            id_tokens: None,
            resources: None,
            issuer: ExpectedIssuer::Exactly(issuer),
            keys,
            audiences: vec![Audience::new(format!("http://{}/mcp", self.address))],
            algorithms: vec![Algorithm::Es256],
            token_type: TokenType::AccessToken,
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_hours(24),
            claims: ClaimRules { user: "sub".to_owned(), groups: "groups".to_owned(), of_gatehouse: true },
            incomplete_groups: IncompleteGroups::Deny,
        }
    }

    /// A protected route at `path`.
    pub(crate) fn guarded<F, Fut>(&self, path: &str, method: Method, handler: F) -> Route
    where
        F: Fn(hyper::body::Incoming, Verified) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let gate = Arc::new(self.gate(CredentialPlaces::BearerOrApiKey));
        let spec = ProtectedSpec {
            name: "guarded",
            method,
            path: path.to_owned(),
            audit: EventKind::ToolCall,
            gate,
        };
        Route::protected(spec, plain, handler)
    }

    /// The claims of a good token.
    pub(crate) fn claims(&self, subject: &str) -> Map<String, Value> {
        let now = self.clock.now().unix_seconds();
        let claims = json!({
            "iss": self.own.issuer, "sub": subject, "aud": format!("http://{}/mcp", self.address),
            "client_id": "cli", "iat": now, "exp": now + 600, "jti": format!("jti-{subject}"),
            "scope": "tools:use",
        });
        claims.as_object().unwrap().clone()
    }

    /// The same token of `subject` every time.
    pub(crate) fn kept_token(&self, subject: &str) -> String {
        let mut kept = self.kept.lock().unwrap();
        kept.entry(subject.to_owned()).or_insert_with(|| self.token(subject)).clone()
    }

    pub(crate) fn token(&self, subject: &str) -> String {
        self.sign(&self.claims(subject))
    }

    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> String {
        self.sign_as("at+jwt", claims)
    }

    /// The same under another `typ`.
    pub(crate) fn sign_as(&self, typ: &str, claims: &Map<String, Value>) -> String {
        self.own.sign(typ, claims)
    }

    /// The public key of the site.
    pub(crate) fn own_jwk(&self) -> Value {
        self.own.jwks()["keys"][0].clone()
    }
}

pub(crate) type Verified = gatehouse_edge::context::Context<gatehouse_edge::context::Verified>;
pub(crate) type Public = gatehouse_edge::context::Context<gatehouse_edge::context::Public>;

#[expect(clippy::unnecessary_wraps, reason = "handlers end with it")]
pub(crate) fn text(text: impl Into<String>) -> Outcome {
    Ok(Response::new(body::full(text.into())))
}

/// A dialect: the reason is in a header, so that tests can tell refusals apart.
pub(crate) fn plain(rejection: &Rejection, refused: &Refused<'_>) -> Response<Body> {
    let mut response = Response::new(body::full(format!("plain: {}", rejection.public)));
    *response.status_mut() = rejection.kind.status();
    let headers = response.headers_mut();
    headers.insert("x-reason", HeaderValue::from_static(rejection.reason));
    headers.insert("x-sent", HeaderValue::from_static(if refused.credential_sent { "yes" } else { "no" }));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if rejection.kind == RejectionKind::Unauthenticated {
        let challenge =
            format!("Bearer resource_metadata=\"{}\"", refused.resource_metadata.unwrap_or_default());
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_str(&challenge).unwrap());
    }
    response
}

/// The dialect below /tea.
fn tea(rejection: &Rejection, refused: &Refused<'_>) -> Response<Body> {
    let mut response = plain(rejection, refused);
    *response.body_mut() = body::full("short and stout");
    response
}
