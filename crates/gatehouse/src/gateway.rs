//! The wiring: one snapshot becomes a running gateway.

mod assemble;
mod background;
mod evidence;
mod gates;
mod heartbeat;
mod keys;
mod limits;
pub mod load;
mod memory;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use gatehouse_audit::checkpoint::CheckpointKey;
use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::sink::{AuditError, AuditSink};
use gatehouse_audit::tally::Handful;
use gatehouse_auth_server::SignIns;
use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::platform::{
    Listener as ListenerSettings, LogLevel, Migrate as MigrateSetting, Pooler as PoolerSetting,
    PostgresPlace, Store as StoreSettings, StorePlace,
};
use gatehouse_console::Console;
use gatehouse_edge::door::{Door, DoorDeps};
use gatehouse_edge::lane::policy::PolicyLane;
use gatehouse_edge::limits::Limits;
use gatehouse_edge::memory::Memory;
use gatehouse_edge::outbound::OutboundTlsError;
use gatehouse_edge::server::routes::{Route, RouteConflict};
use gatehouse_edge::server::tls::TlsError;
use gatehouse_edge::server::{ConnectionLimits, Drain, Listener, ListenerLimits};
use gatehouse_identity::clock::Clock;
use gatehouse_identity::rng::Rng;
use gatehouse_store::Store;
use gatehouse_store::error::StoreError;
use gatehouse_store_sql::schema::Migrate;
use gatehouse_store_sql::{postgres, sqlite};
use gatehouse_telemetry::audit_file::{self, AuditFileOptions, CheckpointOptions, FileAudit};

use self::evidence::Evidence;
use self::keys::KeyError;
use crate::host::{DiskLoader, open_files, usable_memory};

/// How long what runs on the admin listener may take at the end: answers there are short.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);
/// Random bytes of the name of a run.
const RUN_BYTES: usize = 12;

/// A gateway that listens.
pub struct Gateway {
    public: (Listener, Arc<Door>),
    admin: (Listener, Arc<Door>),
    limits: ListenerLimits,
    audit: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
    console: Arc<Console>,
    heartbeat: Option<LogLevel>,
    evidence: Evidence,
    background: background::Background,
}

/// What a gateway needs besides its configuration.
#[derive(Clone)]
pub struct HostDeps {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The folder that relative paths of the configuration start at.
    pub folder: PathBuf,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The audit log.
    #[error("the audit log cannot be opened: {0}")]
    AuditFile(#[from] audit_file::OpenError),
    /// The audit log.
    #[error("the audit log cannot be written: {0}")]
    Audit(#[from] AuditError),
    /// Signing keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Threads that sign.
    #[error("no thread for signing can be started: {0}")]
    Signers(io::Error),
    /// Threads for work that takes long.
    #[error("no thread for passwords or policies can be started: {0}")]
    Lane(io::Error),
    /// Certificates of a listener.
    #[error("TLS of a listener: {0}")]
    Tls(#[from] TlsError),
    /// Certificates for upstreams.
    #[error(transparent)]
    OutboundTls(#[from] OutboundTlsError),
    /// Two routes claim one path.
    #[error(transparent)]
    Routes(#[from] RouteConflict),
    /// A socket.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

impl Gateway {
    /// Opens store, audit log and keys, builds the doors and binds the listeners; nothing is served yet.
    pub async fn start(snapshot: Snapshot, host: &HostDeps) -> Result<Self, StartError> {
        let snapshot = Arc::new(snapshot);
        let log = open_audit(&snapshot, host)?;
        let audit = Arc::clone(&log) as Arc<dyn AuditSink>;
        let store = open_store(&snapshot.store, &host.folder).await?;
        let clock = Arc::clone(&host.clock);
        let file = (node_name(&snapshot), audit_path(&snapshot, host));
        let revision = snapshot.revision.clone();
        let mut evidence = Evidence::new(log, Arc::clone(&store), clock, file, revision);
        evidence.compare().await;
        let limits = Arc::<Limits>::default();
        let connections = limits::public(&snapshot.http_limits, open_files());
        limits::note(&limits, &snapshot, connections);
        let memory = memory::limits(&snapshot.buffers, usable_memory());
        memory::note(&limits, memory);
        let memory = Memory::counting(memory, Arc::clone(&limits));
        let deps = DoorDeps {
            clock: Arc::clone(&host.clock),
            rng: Arc::clone(&host.rng),
            audit: Arc::clone(&audit),
            limits: Arc::clone(&limits),
            memory,
            policies: Arc::new(PolicyLane::start().map_err(StartError::Lane)?),
        };
        let sign_ins = Arc::new(SignIns::start().map_err(StartError::Lane)?);
        let assembled = assemble::assemble(&snapshot, (&store, &sign_ins), &deps, host).await?;
        let public_certificate = assemble::certificate(&snapshot.public)?;
        let admin_certificate = assemble::certificate(&snapshot.admin)?;
        let public = bind(&snapshot.public, public_certificate.as_ref()).await?;
        let admin = bind(&snapshot.admin, admin_certificate.as_ref()).await?;
        for kind in [EventKind::ConfigLoaded, EventKind::NodeStarted] {
            let event = Event::new(kind, Outcome::Allow, host.clock.now());
            audit.append(event.with_revision(&snapshot.revision)).await?;
        }
        Ok(Self {
            public: (public, Arc::new(Door::new(assembled.public, deps.clone()))),
            admin: (admin, Arc::new(Door::new(assembled.admin, deps))),
            limits: listener_limits(&snapshot.public, connections),
            audit: Arc::clone(&audit),
            clock: Arc::clone(&host.clock),
            console: assembled.console,
            heartbeat: snapshot.health.heartbeat,
            evidence,
            background: background::Background {
                store,
                revocations: assembled.revocations,
                clock: Arc::clone(&host.clock),
                audit,
                revision: snapshot.revision.clone(),
                certificates: [(&snapshot.public, public_certificate), (&snapshot.admin, admin_certificate)]
                    .into_iter()
                    .filter_map(|(listener, certificate)| {
                        let settings = listener.tls.as_ref()?.certificate.as_ref()?;
                        let loader = DiskLoader::in_folder(host.folder.clone());
                        Some(background::WatchedCertificate::new(settings, certificate?, loader))
                    })
                    .collect(),
                mcp: assembled.mcp,
            },
        })
    }

    /// The address that clients reach.
    pub fn public_address(&self) -> io::Result<SocketAddr> {
        self.public.0.local_addr()
    }

    /// The address that operators reach.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.0.local_addr()
    }

    /// Everything that the public listener answers.
    pub fn public_routes(&self) -> Vec<Route> {
        self.public.1.running().routes.iter().cloned().collect()
    }

    /// Everything that the admin listener answers.
    pub fn admin_routes(&self) -> Vec<Route> {
        self.admin.1.running().routes.iter().cloned().collect()
    }

    /// Serves until `stop` is cancelled, then drains. Returns how many connections had to be cut, or nothing when
    /// `hurry` was cancelled before all had ended: what still runs is given up then.
    pub async fn serve(self, stop: CancellationToken, hurry: CancellationToken) -> Option<usize> {
        let tasks = TaskTracker::new();
        let background = self.background;
        let upkeep_stop = stop.clone();
        tasks.spawn(async move { background.run(upkeep_stop).await });
        if let Some(level) = self.heartbeat {
            tasks.spawn(heartbeat::run(level, heartbeat::EVERY, stop.clone()));
        }
        // The admin listener outlives the drain, so that health checks see it.
        let admin_stop = CancellationToken::new();
        let remembering = tasks.spawn(self.evidence.run(admin_stop.clone()));
        let (admin, admin_door) = self.admin;
        let connections = limits::admin(self.limits.connections);
        let admin_limits = ListenerLimits { drain: Drain::within(ADMIN_DRAIN), connections, ..self.limits };
        tasks.spawn(admin.serve(admin_door, admin_stop.clone(), admin_limits));
        let (console, draining) = (self.console, stop.clone());
        tasks.spawn(async move {
            draining.cancelled().await;
            console.announce_drain();
        });
        let (public, public_door) = self.public;
        let revision = public_door.running().snapshot.revision.clone();
        let drained = async {
            let cut = public.serve(public_door, stop, self.limits).await;
            admin_stop.cancel();
            tasks.close();
            tasks.wait().await;
            cut
        };
        let cut = hurry.run_until_cancelled(drained).await;
        let outcome = if cut.is_some() { Outcome::Allow } else { Outcome::Error };
        let stopped = Event::new(EventKind::NodeStopped, outcome, self.clock.now()).with_revision(&revision);
        // Whoever is in a hurry does not wait for the disk here: the log writes what it has when it is closed.
        let recorded =
            if cut.is_some() { self.audit.append(stopped).await } else { self.audit.submit(stopped) };
        if let Err(error) = recorded {
            tracing::error!(error = %error, "the end of this run is not in the audit log");
        }
        if cut.is_some()
            && let Ok(evidence) = remembering.await
        {
            evidence.finish().await;
        }
        cut
    }
}

fn listener_limits(settings: &ListenerSettings, connections: ConnectionLimits) -> ListenerLimits {
    ListenerLimits {
        connections,
        header_read_timeout: settings.read_header_timeout,
        idle_timeout: settings.idle_timeout,
        drain: Drain { requests: settings.drain_timeout, streams: settings.drain_stream_timeout },
        ..ListenerLimits::default()
    }
}

async fn bind(
    settings: &ListenerSettings,
    certificate: Option<&Arc<gatehouse_edge::server::tls::Certificate>>,
) -> Result<Listener, StartError> {
    let tls = assemble::server_tls(settings, certificate)?;
    let address = settings.address;
    Listener::bind(address, tls).await.map_err(|error| StartError::Listen { address, error })
}

/// Opens the audit log of a configuration; no other process has it then.
pub(crate) fn open_audit(snapshot: &Snapshot, host: &HostDeps) -> Result<Arc<FileAudit>, StartError> {
    let settings = &snapshot.audit.checkpoints;
    let key = settings.key.clone().map(CheckpointKey::new).transpose().map_err(KeyError::Key)?;
    let options = AuditFileOptions {
        path: audit_path(snapshot, host),
        node: node_name(snapshot),
        // Records have about a kibibyte.
        spool_bytes: usize::try_from(snapshot.audit.spool_records).unwrap_or(usize::MAX).saturating_mul(1024),
        patience: snapshot.audit.timeout,
        refusals: handful(snapshot),
        checkpoints: CheckpointOptions {
            key,
            run: host.rng.token(RUN_BYTES),
            every: settings.every,
            every_records: settings.every_records,
        },
    };
    let (clock, revision) = (Arc::clone(&host.clock), snapshot.revision.clone());
    let event = move |kind| Event::new(kind, Outcome::Allow, clock.now()).with_revision(&revision);
    Ok(Arc::new(audit_file::open(options, event)?))
}

/// How much of what strangers are refused is told whole every second.
pub(crate) fn handful(snapshot: &Snapshot) -> Handful {
    let refusals = snapshot.audit.refusals;
    Handful { per_network: refusals.per_network, in_all: refusals.in_all }
}

fn audit_path(snapshot: &Snapshot, host: &HostDeps) -> PathBuf {
    host.folder.join(&snapshot.audit.path)
}

fn node_name(snapshot: &Snapshot) -> String {
    snapshot.audit.node.clone().unwrap_or_else(host_name)
}

/// The name of this machine, for records.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "gatehouse".to_owned() } else { name.to_owned() }
}

/// Opens the store of a configuration whose relative paths start at `folder`.
pub(crate) async fn open_store(
    settings: &StoreSettings,
    folder: &Path,
) -> Result<Arc<dyn Store>, StoreError> {
    let migrate = match settings.migrate {
        MigrateSetting::Auto => Migrate::Auto,
        MigrateSetting::Manual => Migrate::Manual,
    };
    open_migrated(&settings.place, folder, migrate).await
}

/// Opens the store at a place, and does about its schema what `migrate` says.
pub(crate) async fn open_migrated(
    place: &StorePlace,
    folder: &Path,
    migrate: Migrate,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match place {
        StorePlace::Sqlite { path } => Arc::new(sqlite::open_with(&folder.join(path), migrate)?),
        StorePlace::Postgres(server) => {
            Arc::new(postgres::open_with(&postgres_settings(server, migrate)).await?)
        }
    })
}

/// How the store's adapter reaches a server.
pub(crate) fn postgres_settings(server: &PostgresPlace, migrate: Migrate) -> postgres::Settings {
    postgres::Settings {
        urls: server.urls.clone(),
        max_connections: server.max_connections,
        pooler: match server.pooler {
            PoolerSetting::None => postgres::Pooler::None,
            PoolerSetting::Transaction => postgres::Pooler::Transaction,
        },
        migrate,
    }
}
