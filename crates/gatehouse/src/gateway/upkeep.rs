//! What a running gateway does on the side: revocations from other nodes, expired rows, renewed certificates.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use gatehouse_config::snapshot::tls::TlsProfile;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::server::tls::Certificate;
use gatehouse_identity::clock::Clock;
use gatehouse_store::Store;

/// How often revocations of other nodes are read.
const REVOCATIONS_EVERY: Duration = Duration::from_millis(500);
/// How often expired rows are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Upkeep {
    pub(super) store: Arc<dyn Store>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) certificates: Vec<(Arc<TlsProfile>, Arc<Certificate>)>,
}

impl Upkeep {
    /// Works until `stop` is cancelled. A failure is logged once, when it begins, and tried again at the next turn.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut revocations = interval(REVOCATIONS_EVERY);
        let mut sweep = interval(SWEEP_EVERY);
        revocations.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reading = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = revocations.tick() => {
                    let read = self.revocations.refresh(self.store.as_ref(), self.clock.now()).await;
                    if let Err(error) = &read && reading {
                        tracing::error!(error = %error, "revocations of other nodes cannot be read");
                    }
                    reading = read.is_ok();
                }
                _ = sweep.tick() => self.sweep().await,
            }
        }
    }

    async fn sweep(&self) {
        loop {
            match self.store.maintenance().sweep(self.clock.now()).await {
                Ok(swept) if swept.is_full() => {}
                Ok(_) => return,
                Err(error) => return tracing::warn!(error = %error, "expired rows were not removed"),
            }
        }
    }
}
