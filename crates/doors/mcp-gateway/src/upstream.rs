//! What is behind: REST APIs and MCP servers.

pub(crate) mod answer_reader;
pub(crate) mod bridge;
pub(crate) mod cancel_on_drop;
pub(crate) mod list;
pub(crate) mod peer;
pub(crate) mod proxy;
pub(crate) mod wire;

use gatehouse_edge::memory::Holder;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_identity::id::AppName;

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
