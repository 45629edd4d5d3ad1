//! What the answer of a provider is held against, and how it is refused.

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::connector::OidcConnector;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_identity::clock::Timestamp;
use gatehouse_oauth::grant::UpstreamLeg;

/// Largest answer of a token or userinfo endpoint.
pub(super) const LIMIT: usize = 128 * 1024;

/// What the answer is checked against.
pub(crate) struct Expected<'a> {
    /// The configuration in force.
    pub(crate) snapshot: &'a Snapshot,
    /// The connector of the transaction.
    pub(crate) connector: &'a OidcConnector,
    /// What was sent.
    pub(crate) leg: &'a UpstreamLeg,
    /// Where the answer came in.
    pub(crate) redirect_uri: &'a str,
    /// The oldest acceptable sign-in, in seconds, when the provider was told one.
    pub(crate) max_age: Option<u64>,
    /// The time of the request.
    pub(crate) now: Timestamp,
}

/// What came together with an ID token, which may say that it did (OpenID Connect Core §3.1.3.6, §3.3.2.11).
pub(super) struct Beside<'a> {
    pub(super) access_token: Option<&'a str>,
    pub(super) code: &'a str,
    pub(super) state: Option<&'a str>,
}

/// An answer that proves nothing. `why` is for operators.
pub(super) fn refused(connector: &OidcConnector, why: &str) -> Rejection {
    let public = "The identity provider's answer does not prove who you are. Go back and start again.";
    Rejection::new(RejectionKind::Forbidden, "upstream_answer_refused", public)
        .because(format!("connector {}: {why}", connector.name))
}
