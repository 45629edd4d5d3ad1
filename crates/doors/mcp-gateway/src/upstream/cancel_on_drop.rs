//! What a server of the older kind is told beside a request that it is working on.
//!
//! Its sessions survive their connections: that nobody listens any more has to be said. Servers of the newer kind
//! take the end of the connection for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use gatehouse_mcp::message::Id;
use gatehouse_mcp::upstream::{self, UpstreamRequest};
use gatehouse_mcp::version::Era;

use super::negotiated::Negotiated;
use super::wire::Line;

/// How long such a message may take.
const WAIT: Duration = Duration::from_secs(5);

/// The session of one request under way. Dropped before it is settled, it cancels the request.
pub(crate) struct CancelOnDrop {
    line: Arc<Line>,
    negotiated: Arc<Negotiated>,
    tasks: TaskTracker,
    /// The request, until it is settled.
    id: Option<Id>,
}

impl CancelOnDrop {
    /// For the request `id` about to be sent, if the server is of the older kind.
    pub(crate) fn of(
        line: &Arc<Line>,
        negotiated: &Arc<Negotiated>,
        id: u64,
        tasks: &TaskTracker,
    ) -> Option<Self> {
        (negotiated.version.era() == Era::Legacy).then(|| Self {
            line: Arc::clone(line),
            negotiated: Arc::clone(negotiated),
            tasks: tasks.clone(),
            id: Some(Id::number(id)),
        })
    }

    /// The server is done with the request.
    pub(crate) fn settle(cancel: &mut Option<Self>) {
        if let Some(mut cancel) = cancel.take() {
            cancel.id = None;
        }
    }

    /// Answers a `ping` of the server.
    pub(crate) fn pong(&self, id: &Id) {
        self.tell(upstream::pong(id, self.negotiated.version));
    }

    fn tell(&self, message: UpstreamRequest) {
        // Without a runtime the process is ending, and its connections with it.
        let Ok(runtime) = Handle::try_current() else { return };
        let (line, negotiated) = (Arc::clone(&self.line), Arc::clone(&self.negotiated));
        let told = async move {
            if let Err(rejection) = line.post(message, negotiated.session.as_deref(), WAIT).await {
                let detail = &*rejection.detail();
                tracing::info!(reason = rejection.reason, detail, "an upstream could not be told");
            }
        };
        drop(self.tasks.spawn_on(told, &runtime));
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.tell(upstream::cancelled(&id, self.negotiated.version));
        }
    }
}
