//! `serve`: run until told to stop.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use gatehouse_config::snapshot::platform::LogLevel;
use gatehouse_identity::clock::Clock as _;
use gatehouse_telemetry::log;

use super::output::Failure;
use crate::gateway::load::load;
use crate::gateway::{Gateway, HostDeps, handful};
use crate::host::{SystemClock, SystemRng};

/// How long work that was given up may hold the process back.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(super) fn run(config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config).map_err(Failure::from)?;
    let lines = log::init(level(loaded.snapshot.logging.level), handful(&loaded.snapshot));
    let lines = lines.map_err(|error| Failure::new("logging", error))?;
    for problem in loaded.snapshot.warnings_at(SystemClock.now()) {
        tracing::warn!(%problem, "configuration");
    }
    let host = HostDeps { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), folder: loaded.folder() };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("starting", error))?;
    let ended = runtime.block_on(async {
        // From here on a signal ends the process in order, even one that comes while it starts.
        let signals = Signals::listen().map_err(|error| Failure::new("starting", error))?;
        let revision = loaded.snapshot.revision.clone();
        let gateway =
            Gateway::start(loaded.snapshot, &host).await.map_err(|error| Failure::new("starting", error))?;
        let address = |address: std::io::Result<std::net::SocketAddr>| {
            address.map(|address| address.to_string()).unwrap_or_default()
        };
        tracing::info!(
            http.address = %address(gateway.public_address()),
            admin.address = %address(gateway.admin_address()),
            revision,
            "serving"
        );
        let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        tasks.spawn(signals.obey(stop.clone(), hurry.clone()));
        tasks.spawn(lines.clone().keep_telling());
        let serving = gateway.serve(stop, hurry).await;
        serving.ok_or_else(|| Failure::new("stopping", "requests under way were given up"))
    });
    // Dropping what still runs writes its audit records.
    runtime.shutdown_timeout(LAST_WORDS);
    lines.tell();
    let cut = ended?;
    tracing::info!(connections.cut = cut, "stopped");
    Ok(())
}

/// What the system and its operators tell the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The first SIGTERM or SIGINT drains, the second gives up what runs, the third ends the process where it stands.
    /// SIGHUP changes nothing yet, and says so.
    async fn obey(mut self, stop: CancellationToken, hurry: CancellationToken) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP: reloading is not built yet; restart to change the configuration");
                    continue;
                }
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            if hurry.is_cancelled() {
                tracing::warn!("stopped where it stood");
                std::process::exit(1);
            }
            if stop.is_cancelled() {
                tracing::warn!("stopping without draining");
                hurry.cancel();
            } else {
                tracing::info!("draining");
                stop.cancel();
            }
        }
    }
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
