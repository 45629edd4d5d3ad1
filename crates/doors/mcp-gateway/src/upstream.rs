//! What is behind: REST APIs and MCP servers.

pub(crate) mod aside;
pub(crate) mod bridge;
pub(crate) mod peer;
pub(crate) mod proxy;
pub(crate) mod wire;

use gatehouse_edge::rejection::{Rejection, RejectionKind};

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
