//! Doors, gates and routes of one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use gatehouse_auth_server::{AuthServer, SignIns};
use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::connector::Connector;
use gatehouse_config::snapshot::mcp::{Connection, McpGateway as McpSettings, Upstream};
use gatehouse_config::snapshot::outbound::{Outbound as OutboundRule, Reach};
use gatehouse_config::snapshot::platform::{Ingress, Listener as ListenerSettings};
use gatehouse_config::snapshot::protection::{KeySource as ConfiguredKeys, Protection};
use gatehouse_config::snapshot::tls::{ClientAuth, TlsProfile, TlsVersion};
use gatehouse_console::Console;
use gatehouse_edge::authn::client::ClientDirectory;
use gatehouse_edge::authn::resource::{CredentialPlaces, ResourceServer};
use gatehouse_edge::door::{ActiveConfig, DoorDeps, OriginRules};
use gatehouse_edge::issuer::TokenIssuer;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::delegate::Delegation;
use gatehouse_edge::partial_lists::PartialLists;
use gatehouse_edge::server::address::TrustedProxies;
use gatehouse_edge::server::admission::HostRules;
use gatehouse_edge::server::routes::{Render, Route, RouteTable};
use gatehouse_edge::server::tls::{
    Certificate, ClientCertificates, OldestVersion, TlsError, certificates_from_pem, server_config,
};
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::static_key::KeyTable;
use gatehouse_llm_gateway::LlmGateway;
use gatehouse_mcp_gateway::McpGateway;
use gatehouse_store::Store;

use super::gates::Gatekeeper;
use super::{HostDeps, StartError, keys};

/// Everything that is built from a snapshot.
pub(super) struct Assembled {
    pub(super) public: ActiveConfig,
    pub(super) admin: ActiveConfig,
    pub(super) revocations: Arc<Revocations>,
    pub(super) console: Arc<Console>,
    pub(super) mcp: Option<Arc<McpGateway>>,
}

/// What the doors share.
struct Shared<'a> {
    snapshot: &'a Arc<Snapshot>,
    store: &'a Arc<dyn Store>,
    host: &'a HostDeps,
    outbound: Arc<Outbound>,
    clients: ClientDirectory,
    revocations: Arc<Revocations>,
    issuer: Option<TokenIssuer>,
    lists: Arc<PartialLists>,
}

/// Routes of one door and who words refusals below which paths.
#[derive(Default)]
struct Served {
    routes: Vec<Route>,
    fallback: Vec<(String, Render)>,
}

pub(super) async fn assemble(
    snapshot: &Arc<Snapshot>,
    (store, sign_ins): (&Arc<dyn Store>, &Arc<SignIns>),
    deps: &DoorDeps,
    host: &HostDeps,
) -> Result<Assembled, StartError> {
    let profiles = outbound_profiles(snapshot);
    let outbound = Outbound::new(profiles.iter().map(AsRef::as_ref), deps.memory.clone())?;
    let outbound = Arc::new(outbound.with_connections(connections(snapshot)));
    let revocations = Arc::new(Revocations::default());
    revocations.refresh(store.as_ref(), host.clock.now()).await?;
    let issuer = match &snapshot.authorization_server {
        None => None,
        Some(server) => {
            let clock = host.clock.as_ref();
            let audit = deps.audit.as_ref();
            let registrar = keys::Registrar { audit, clock, revision: &snapshot.revision };
            let keys = keys::local_keys(server, store.as_ref(), &registrar).await?;
            let rng = Arc::clone(&host.rng);
            let issuer = TokenIssuer::new(server.issuer.clone(), keys, Arc::clone(&revocations), rng);
            Some(issuer.map_err(StartError::Signers)?)
        }
    };
    let clients = ClientDirectory::new(outbound.egress(None).fetcher.clone());
    let lists = Arc::default();
    let shared = Shared { snapshot, store, host, outbound, clients, revocations, issuer, lists };
    let mut served = Served::default();
    let mut gatekeeper = Gatekeeper {
        local: shared.issuer.as_ref().map(|issuer| Arc::clone(issuer.keys())),
        outbound: &shared.outbound,
        clock: Arc::clone(&host.clock),
        remote: HashMap::new(),
    };
    auth_server(&shared, sign_ins, &mut served);
    let mcp = mcp_gateway(&shared, &mut gatekeeper, &mut served);
    llm_gateway(&shared, &mut gatekeeper, &mut served);
    let landing = gatehouse_auth_server::landing_routes(snapshot).into_iter();
    let is_free = |route: &Route| !served.routes.iter().any(|served| served.path == route.path);
    let landing: Vec<Route> = landing.filter(is_free).collect();
    served.routes.extend(landing);
    let apps = mcp.as_ref().map(|door| Arc::clone(door.apps())).unwrap_or_default();
    let (audit, limits) = (Arc::clone(&deps.audit), Arc::clone(&deps.limits));
    let console = Console::new(Arc::clone(store), audit, limits, apps, Arc::clone(&shared.lists));
    let admin_routes = RouteTable::build(console.routes(snapshot), Vec::new(), gatehouse_console::render)?;
    let public_routes = RouteTable::build(served.routes, served.fallback, gatehouse_console::render)?;
    let Ingress { allowed_hosts, allowed_origins, .. } = &snapshot.ingress;
    let mut public = running(snapshot, public_routes, allowed_hosts.clone(), allowed_origins);
    if snapshot.ingress.origin.starts_with("https://") {
        public.hosts = public.hosts.by_https_only();
    }
    Ok(Assembled {
        public,
        admin: running(snapshot, admin_routes, admin_hosts(&snapshot.admin), &[]),
        revocations: shared.revocations,
        console,
        mcp,
    })
}

fn auth_server(shared: &Shared<'_>, sign_ins: &Arc<SignIns>, served: &mut Served) {
    let Some(issuer) = &shared.issuer else { return };
    let door = AuthServer::new(gatehouse_auth_server::Parts {
        issuer: issuer.clone(),
        store: Arc::clone(shared.store),
        clients: shared.clients.clone(),
        outbound: Arc::clone(&shared.outbound),
        clock: Arc::clone(&shared.host.clock),
        rng: Arc::clone(&shared.host.rng),
        sign_ins: Arc::clone(sign_ins),
    });
    served.routes.extend(door.routes(shared.snapshot));
    served.fallback.extend(AuthServer::fallbacks(shared.snapshot));
    served.fallback.push(("/oauth2".to_owned(), gatehouse_auth_server::render));
}

fn mcp_gateway(
    shared: &Shared<'_>,
    gatekeeper: &mut Gatekeeper<'_>,
    served: &mut Served,
) -> Option<Arc<McpGateway>> {
    let settings = shared.snapshot.mcp.as_ref()?;
    let delegation =
        Delegation::new(shared.issuer.clone(), shared.clients.clone(), Arc::clone(&shared.outbound));
    let door = McpGateway::new(gatehouse_mcp_gateway::Parts {
        delegation: Arc::new(delegation),
        outbound: Arc::clone(&shared.outbound),
        clock: Arc::clone(&shared.host.clock),
        rng: Arc::clone(&shared.host.rng),
        lists: Arc::clone(&shared.lists),
    });
    let gates = McpGates { settings, shared };
    let all = gates.gate(gatekeeper, &settings.resource, "");
    let by_app: HashMap<_, _> = settings
        .apps
        .iter()
        .map(|app| {
            let resource = format!("{}/{}", settings.resource, app.name);
            (app.name.clone(), gates.gate(gatekeeper, &resource, app.name.as_str()))
        })
        .collect();
    served.routes.extend(door.routes(settings, &all, &by_app));
    served.fallback.push((settings.path.clone(), gatehouse_mcp_gateway::render));
    Some(door)
}

/// Gates of the MCP endpoints: one for all apps, one for each app alone.
struct McpGates<'a> {
    settings: &'a McpSettings,
    shared: &'a Shared<'a>,
}

impl McpGates<'_> {
    fn gate(&self, gatekeeper: &mut Gatekeeper<'_>, resource: &str, app: &str) -> Arc<ResourceServer> {
        let protection: &Protection = &self.settings.protection;
        let issuers = gatekeeper.issuers(protection, &[Audience::new(resource)]);
        let origin = &self.shared.snapshot.ingress.origin;
        let separator = if app.is_empty() { "" } else { "/" };
        let metadata = format!("{origin}{}{}{separator}{app}", protection.metadata_path, self.settings.path);
        let no_keys = KeyTable::new(Issuer::new(origin.clone()), []);
        let gate = ResourceServer::new(
            CredentialPlaces::Bearer,
            issuers,
            no_keys,
            Arc::clone(&self.shared.revocations),
        );
        Arc::new(gate.with_challenge(metadata, None))
    }
}

fn llm_gateway(shared: &Shared<'_>, gatekeeper: &mut Gatekeeper<'_>, served: &mut Served) {
    let Some(settings) = &shared.snapshot.llm else { return };
    let issuers = settings.protection.as_ref().map(|protection| gatekeeper.issuers(protection, &[]));
    let gate = Arc::new(ResourceServer::new(
        CredentialPlaces::BearerOrApiKey,
        issuers.unwrap_or_default(),
        settings.keys.clone(),
        Arc::clone(&shared.revocations),
    ));
    let door = LlmGateway::new(Arc::clone(&shared.outbound));
    served.routes.extend(door.routes(settings, &gate));
    for place in gatehouse_llm_gateway::PLACES {
        served.fallback.push((format!("{}{place}", settings.path), gatehouse_llm_gateway::render));
    }
}

/// A listener for `hosts`: their own pages may call it, and those of `foreign` origins.
fn running(
    snapshot: &Arc<Snapshot>,
    routes: RouteTable,
    hosts: Vec<String>,
    foreign: &[String],
) -> ActiveConfig {
    let scheme = snapshot.ingress.origin.split_once("://").map_or("https", |(scheme, _)| scheme);
    let own = hosts.iter().map(|host| format!("{scheme}://{host}"));
    ActiveConfig {
        snapshot: Arc::clone(snapshot),
        routes,
        origins: OriginRules::new(own.chain(foreign.iter().cloned())),
        hosts: HostRules::new(hosts),
        proxies: TrustedProxies::new(snapshot.ingress.trusted_proxies.clone()),
    }
}

/// The admin listener answers to its own address and, on loopback, to every loopback name.
fn admin_hosts(listener: &ListenerSettings) -> Vec<String> {
    let address = listener.address;
    let mut hosts = vec![address.to_string()];
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{}", address.port())));
    }
    hosts
}

/// How the MCP servers behind us are connected to.
fn connections(snapshot: &Snapshot) -> impl Iterator<Item = (Option<&Arc<TlsProfile>>, Connection)> {
    let apps = snapshot.mcp.iter().flat_map(|mcp| &mcp.apps);
    apps.filter_map(|app| match &app.upstream {
        Upstream::Bridge { .. } => None,
        Upstream::Proxy(proxy) => Some((proxy.tls.as_ref(), proxy.connection)),
    })
}

/// Every TLS profile that an outbound connection uses.
fn outbound_profiles(snapshot: &Snapshot) -> Vec<Arc<TlsProfile>> {
    let mut profiles: Vec<Arc<TlsProfile>> = Vec::new();
    let protections = snapshot
        .mcp
        .iter()
        .map(|mcp| &mcp.protection)
        .chain(snapshot.llm.iter().filter_map(|llm| llm.protection.as_ref()));
    for server in protections.flat_map(|protection| &protection.servers) {
        if let ConfiguredKeys::Remote { tls, .. } = &server.keys {
            profiles.extend(tls.clone());
        }
    }
    for connector in snapshot.connectors.values() {
        if let Connector::Oidc(oidc) = connector.as_ref() {
            profiles.extend(oidc.tls.clone());
        }
    }
    for app in snapshot.mcp.iter().flat_map(|mcp| &mcp.apps) {
        match &app.upstream {
            Upstream::Bridge { tls, .. } => profiles.extend(tls.clone()),
            Upstream::Proxy(proxy) => profiles.extend(proxy.tls.clone()),
        }
        let authority = match &app.outbound {
            OutboundRule::TokenExchange(exchange) => Some(&exchange.authority),
            OutboundRule::ClientCredentials { authority, .. } => Some(authority),
            OutboundRule::Static { .. } | OutboundRule::Unprotected => None,
        };
        if let Some(Reach::Remote { tls, .. }) = authority.map(|authority| &authority.reach) {
            profiles.extend(tls.clone());
        }
    }
    for account in snapshot.llm.iter().flat_map(|llm| llm.accounts.values()) {
        profiles.extend(account.tls.clone());
    }
    profiles
}

/// The certificate that a listener shows, when it speaks TLS.
pub(super) fn certificate(listener: &ListenerSettings) -> Result<Option<Arc<Certificate>>, TlsError> {
    let shown = listener.tls.as_ref().and_then(|profile| profile.certificate.as_ref());
    shown
        .map(|shown| Certificate::from_pem(&shown.chain, shown.key.expose().as_bytes()).map(Arc::new))
        .transpose()
}

/// The server side of TLS of a listener.
pub(super) fn server_tls(
    listener: &ListenerSettings,
    certificate: Option<&Arc<Certificate>>,
) -> Result<Option<Arc<rustls::ServerConfig>>, TlsError> {
    let (Some(profile), Some(certificate)) = (&listener.tls, certificate) else { return Ok(None) };
    let mut authorities = Vec::new();
    for pem in &profile.client_roots {
        authorities.extend(certificates_from_pem(pem)?);
    }
    let clients = match profile.client_auth {
        ClientAuth::None => ClientCertificates::Ignored,
        ClientAuth::Optional => ClientCertificates::Optional(authorities),
        ClientAuth::Required => ClientCertificates::Required(authorities),
    };
    let oldest = match profile.min_version {
        TlsVersion::V12 => OldestVersion::Tls12,
        TlsVersion::V13 => OldestVersion::Tls13,
    };
    server_config(Arc::clone(certificate), &clients, oldest).map(Some)
}
