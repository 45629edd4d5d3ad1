//! A running demo: temporary folder, peers, gateway.

use std::fs::Permissions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use gatehouse_identity::clock::Clock;
use gatehouse_identity::rng::Rng;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use super::configuration::{self, AUDIT_FILE, FILE, OPENAPI_FILE};
use super::credentials::Credentials;
use super::directory::OPENAPI;
use super::peers::{BoundPeers, Tasks};
use super::ports::Ports;
use super::traffic::TrafficLog;
use crate::gateway::load::{LoadFailure, load};
use crate::gateway::{Gateway, HostDeps, StartError};
use crate::host::{SystemClock, SystemRng};

/// How long streams may take when the demo is told to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running demo. Its folder is removed when it is dropped.
pub(crate) struct Stack {
    /// Credentials of everybody.
    pub(crate) cast: Credentials,
    /// What the peers saw.
    pub(crate) seen: Arc<TrafficLog>,
    /// Where clients come in, such as `http://localhost:9420`.
    pub(crate) origin: String,
    /// Where operators look.
    pub(crate) admin: SocketAddr,
    folder: TempDir,
    tasks: Tasks,
}

/// Why the demo did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    /// The temporary folder.
    #[error("the temporary folder: {0}")]
    Folder(#[source] io::Error),
    /// A listener of the peers, or a free port for the gateway.
    #[error("a loopback port for the sample peers: {0}")]
    Port(#[source] io::Error),
    /// A password.
    #[error("hashing a password: {0}")]
    Password(#[source] argon2::password_hash::Error),
    /// The demo's own configuration.
    #[error("the demo's configuration is refused: {0}")]
    Configuration(String),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] StartError),
}

impl Stack {
    /// Starts everything. The gateway listens at `ports`.
    pub(crate) async fn start(ports: Ports) -> Result<Self, StackError> {
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng));
        // The configuration in it holds secrets.
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix("gatehouse-demo-").permissions(Permissions::from_mode(0o700));
        let folder = folder.tempdir().map_err(StackError::Folder)?;
        let (cast, seen, tasks) =
            (Credentials::new(rng.as_ref()), Arc::new(TrafficLog::default()), Tasks::default());
        let peers = BoundPeers::bind().await.map_err(StackError::Port)?;
        let text = configuration::text(ports, &cast, peers.peers()).map_err(StackError::Password)?;
        let file = folder.path().join(FILE);
        std::fs::write(&file, text).map_err(StackError::Folder)?;
        std::fs::write(folder.path().join(OPENAPI_FILE), OPENAPI).map_err(StackError::Folder)?;
        let loaded = load(Some(file)).map_err(|failure| StackError::Configuration(problems(failure)))?;
        peers
            .serve(ports, &cast, (Arc::clone(&clock), Arc::clone(&rng)), &seen, &tasks)
            .map_err(StackError::Port)?;
        let host = HostDeps { clock, rng, folder: folder.path().to_owned() };
        let gateway = Gateway::start(loaded.snapshot, &host).await?;
        let admin = gateway.admin_address().map_err(StackError::Port)?;
        let stop = tasks.stop.clone();
        tasks.running.spawn(async move {
            gateway.serve(stop, CancellationToken::new()).await;
        });
        Ok(Self { cast, seen, origin: ports.origin(), admin, folder, tasks })
    }

    /// The configuration that runs.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// The audit log.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.folder.path().join(AUDIT_FILE)
    }

    /// Stops everything and removes the folder.
    pub(crate) async fn stop(self) {
        self.tasks.stop.cancel();
        self.tasks.running.close();
        // What is still open after that long is cut when the process ends.
        let _ = timeout(PATIENCE, self.tasks.running.wait()).await;
    }
}

/// A loopback port that nobody listens on now.
pub(crate) async fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

fn problems(failure: LoadFailure) -> String {
    match failure {
        LoadFailure::Refused(problems) => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}
