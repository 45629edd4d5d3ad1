//! What is behind: REST APIs and MCP servers, and how they are reached.

pub(crate) mod answer_reader;
pub(crate) mod bridge;
pub(crate) mod cancel_on_drop;
pub(crate) mod list;
mod negotiated;
pub(crate) mod peer;
pub(crate) mod proxy;
mod reach;
pub(crate) mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatehouse_edge::apps::Apps;
use gatehouse_edge::memory::Holder;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::delegate::Delegation;
use gatehouse_edge::partial_lists::PartialLists;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::AppName;
use gatehouse_identity::rng::Rng;
use gatehouse_mcp::discover::ServerFacts;
use gatehouse_mcp::message::Id;
use tokio_util::task::TaskTracker;

use self::peer::Peers;

/// What every exchange with an upstream needs, and the sessions with upstreams. It outlasts a configuration.
pub(crate) struct Upstreams {
    pub(crate) parts: Parts,
    pub(crate) timeouts: Timeouts,
    /// What this gateway says about itself.
    pub(crate) server: ServerFacts,
    pub(crate) apps: Arc<Apps>,
    peers: Peers,
    /// Messages that nobody waits for.
    tasks: TaskTracker,
    next_id: AtomicU64,
}

/// What the door works with.
pub struct Parts {
    /// Credentials for upstreams.
    pub delegation: Arc<Delegation>,
    /// The way to upstreams.
    pub outbound: Arc<Outbound>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for session ids.
    pub rng: Arc<dyn Rng>,
    /// Where it is said whose lists of tools are not whole.
    pub lists: Arc<PartialLists>,
}

/// How long upstreams may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Without a sign of life during a call: neither the answer nor progress.
    pub silence: Duration,
    /// For a whole call, however much progress it reports; clients hang up after four minutes.
    pub call: Duration,
    /// For everything that it takes to list the tools of one app.
    pub listing: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { silence: seconds(60), call: seconds(230), listing: seconds(10) }
    }
}

impl Upstreams {
    /// None of them is known yet.
    pub(crate) fn new(parts: Parts, timeouts: Timeouts) -> Self {
        let server = ServerFacts {
            name: "gatehouse".to_owned(),
            title: Some("Gatehouse".to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instructions: None,
        };
        Self {
            parts,
            timeouts,
            peers: Peers::new(&server),
            server,
            apps: Arc::default(),
            tasks: TaskTracker::new(),
            next_id: AtomicU64::new(1),
        }
    }

    /// Lets go of sessions that are over.
    pub(crate) async fn sweep(&self) {
        self.peers.sweep().await;
    }

    /// An id in the gateway's own id space.
    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The same as an id of a message.
    fn message_id(&self) -> Id {
        Id::number(self.next_id())
    }
}

/// For whom the answers of an app are held.
pub(crate) fn holder(app: &AppName) -> Holder {
    Holder::Upstream(app.as_str().into())
}

/// A failure of an upstream, in a sentence for the caller.
pub(crate) fn failed(reason: &'static str, public: impl Into<String>) -> Rejection {
    Rejection::new(RejectionKind::UpstreamFailed, reason, public)
}

/// An upstream that broke the rules: `what` completes "The tool's server …".
pub(crate) fn unusable(reason: &'static str, what: &str) -> Rejection {
    failed(reason, format!("The tool's server {what}."))
}

/// An upstream that does not accept the gateway's credential. The caller's own is fine, so this is no 401.
pub(crate) fn refused_credential(status: u16) -> Rejection {
    let public = format!("The tool's server refused the gateway's credential with HTTP {status}.");
    failed("upstream_refused_credential", public)
}
