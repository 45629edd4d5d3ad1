//! An attempt that came to nothing.

use http::Response;

use gatehouse_edge::outbound::coding::Received;
use gatehouse_llm::route::Failure;

/// An attempt without a reply: with the provider's answer, if there was one, and what operators may read of it.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) response: Option<Response<Received>>,
    pub(crate) detail: String,
}
