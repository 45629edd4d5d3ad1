//! What a running gateway does on the side: revocations from other nodes, expired rows and lists, renewed certificates.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_audit::sink::AuditSink;
use gatehouse_config::snapshot::tls::{Certificate as CertificateSettings, MAX_PEM_BYTES};
use gatehouse_config::source::loader::Loader as _;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::server::tls::Certificate;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::SubjectId;
use gatehouse_mcp_gateway::McpGateway;
use gatehouse_store::Store;

use crate::host::DiskLoader;

/// How often revocations of other nodes are read.
const REVOCATIONS_EVERY: Duration = Duration::from_millis(500);
/// How often certificate files are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);
/// How often expired rows are removed, and lists of tools that nobody wants any more.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Background {
    pub(super) store: Arc<dyn Store>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) audit: Arc<dyn AuditSink>,
    pub(super) revision: String,
    pub(super) certificates: Vec<WatchedCertificate>,
    pub(super) mcp: Option<Arc<McpGateway>>,
}

/// A certificate whose files may be renewed while we run.
pub(super) struct WatchedCertificate {
    certificate: Arc<Certificate>,
    loader: DiskLoader,
    chain_file: String,
    key_file: String,
    seen: (Vec<u8>, Vec<u8>),
}

impl Background {
    /// Works until `stop` is cancelled. A failure is logged once, when it begins, and tried again at the next turn.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut revocations = interval(REVOCATIONS_EVERY);
        let mut sweep = interval(SWEEP_EVERY);
        revocations.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut certificates = interval(CERTIFICATES_EVERY);
        certificates.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reading = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = revocations.tick() => {
                    // First, because revocations that a store has lost are not to be waited for.
                    if let Err(error) = self.store.maintenance().keep_watch().await {
                        tracing::debug!(error = %error, "whether the store went back is not known");
                    }
                    reading = self.read_revocations(reading).await;
                    let told = self.revocations.token_use().flush(self.store.as_ref(), self.clock.now()).await;
                    if let Err(error) = told {
                        tracing::debug!(error = %error, "uses of tokens are not in the store yet");
                    }
                }
                _ = certificates.tick() => self.certificates.iter_mut().for_each(WatchedCertificate::look),
                _ = sweep.tick() => self.sweep().await,
            }
        }
    }

    /// Whether they could be read; that they could not is told when it begins.
    async fn read_revocations(&self, were_readable: bool) -> bool {
        match self.revocations.refresh(self.store.as_ref(), self.clock.now()).await {
            Ok(ended) => {
                for user in ended {
                    self.note_ended(&user);
                }
                true
            }
            Err(error) => {
                if were_readable {
                    tracing::error!(error = %error, "revocations of other nodes cannot be read");
                }
                false
            }
        }
    }

    /// From here on this node takes nothing of the person's.
    fn note_ended(&self, user: &SubjectId) {
        tracing::warn!(user = %user, "an operator ended the sign-ins of a user");
        let event = Event::new(EventKind::TokenRevoke, Outcome::Allow, self.clock.now())
            .with_revision(&self.revision)
            .with_reason("user_ended")
            .with_user(user);
        if let Err(error) = self.audit.submit(event) {
            tracing::error!(error = %error, "audit record lost");
        }
    }

    async fn sweep(&self) {
        if let Some(mcp) = &self.mcp {
            mcp.sweep().await;
        }
        loop {
            match self.store.maintenance().sweep(self.clock.now()).await {
                Ok(swept) if swept.is_full() => {}
                Ok(_) => return,
                Err(error) => return tracing::warn!(error = %error, "expired rows were not removed"),
            }
        }
    }
}

impl WatchedCertificate {
    pub(super) fn new(
        settings: &CertificateSettings,
        certificate: Arc<Certificate>,
        loader: DiskLoader,
    ) -> Self {
        Self {
            certificate,
            loader,
            chain_file: settings.chain_file.clone(),
            key_file: settings.key_file.clone(),
            seen: (settings.chain.clone(), settings.key.expose().as_bytes().to_vec()),
        }
    }

    /// Takes over renewed files. While a renewal is half written, or is unusable, the present certificate stays.
    fn look(&mut self) {
        let (Ok(chain), Ok(key)) = (
            self.loader.read(&self.chain_file, MAX_PEM_BYTES),
            self.loader.read(&self.key_file, MAX_PEM_BYTES),
        ) else {
            return;
        };
        if (&chain, &key) == (&self.seen.0, &self.seen.1) {
            return;
        }
        match self.certificate.replace(&chain, &key) {
            Ok(()) => tracing::info!(tls.file = %self.chain_file, "certificate renewed"),
            Err(error) => {
                tracing::error!(tls.file = %self.chain_file, error = %error, "renewed certificate refused");
            }
        }
        self.seen = (chain, key);
    }
}
