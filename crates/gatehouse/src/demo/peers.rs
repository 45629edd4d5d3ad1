//! The three sample peers behind the demo's gateway, each on a loopback port of its own.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::rng::Rng;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::credentials::Credentials;
use super::directory::{self, DirectoryState};
use super::ledger::{self, LedgerState};
use super::ports::Ports;
use super::provider::{self, ProviderState};
use super::traffic::TrafficLog;

/// Where the peers are.
pub(crate) struct Peers {
    /// Base URL of the employee directory, which is also the audience of its tokens.
    pub(crate) directory: String,
    /// Endpoint of the ledger, which is also the audience of its tokens.
    pub(crate) ledger: Url,
    /// Base URL of the model provider.
    pub(crate) provider: String,
}

/// Listeners that are bound and do not serve yet.
pub(crate) struct BoundPeers {
    peers: Peers,
    directory: TcpListener,
    ledger: TcpListener,
    provider: TcpListener,
}

impl BoundPeers {
    /// Binds three free ports.
    pub(crate) async fn bind() -> io::Result<Self> {
        let directory = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let ledger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let provider = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let peers = Peers {
            directory: format!("http://{}", directory.local_addr()?),
            ledger: url(&format!("http://{}/mcp", ledger.local_addr()?))?,
            provider: format!("http://{}", provider.local_addr()?),
        };
        Ok(Self { peers, directory, ledger, provider })
    }

    /// Where they are.
    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Serves until `stop` is cancelled. The peers trust the gateway at `ports` and fetch its keys from there.
    pub(crate) fn serve(
        self,
        ports: Ports,
        cast: &Credentials,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        seen: &Arc<TrafficLog>,
        tasks: &Tasks,
    ) -> io::Result<()> {
        let issuer = Issuer::new(ports.origin());
        let jwks = url(&format!("http://127.0.0.1:{}/oauth2/jwks", ports.public))?;
        let directory = DirectoryState::new(
            issuer.clone(),
            Audience::new(self.peers.directory.clone()),
            jwks.clone(),
            Arc::clone(&clock),
            Arc::clone(seen),
        );
        let ledger = LedgerState::new(issuer, &self.peers.ledger, jwks, (clock, rng), Arc::clone(seen));
        let provider = ProviderState::new(cast.provider_key.clone(), Arc::clone(seen));
        tasks.serve("directory", self.directory, directory::router(Arc::new(directory)));
        tasks.serve("ledger", self.ledger, ledger::router(Arc::new(ledger)));
        tasks.serve("provider", self.provider, provider::router(Arc::new(provider)));
        Ok(())
    }
}

/// Everything that runs in the background of a demo, and what ends it.
#[derive(Default)]
pub(crate) struct Tasks {
    /// Ends everything.
    pub(crate) stop: CancellationToken,
    /// What runs.
    pub(crate) running: TaskTracker,
}

impl Tasks {
    fn serve(&self, name: &'static str, listener: TcpListener, router: Router) {
        let stop = self.stop.clone();
        self.running.spawn(async move {
            let ended = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
            if let Err(error) = ended {
                tracing::error!(peer = name, error = %error, "a sample peer of the demo has ended");
            }
        });
    }
}

fn url(text: &str) -> io::Result<Url> {
    Url::parse(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}
