//! What the handlers of the door work with.

use std::sync::Arc;

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::llm::{LlmGateway as Settings, Timeouts};
use gatehouse_edge::context::Context;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::rejection::Rejection;

use crate::providers::Providers;
use crate::recurring::Recurring;

/// The door as the routes of one snapshot have it.
pub(crate) struct Serving {
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) timeouts: Timeouts,
    pub(crate) providers: Providers,
    pub(crate) recurring: Arc<Recurring>,
}

/// The settings of this door; a request cannot reach it while there are none.
pub(crate) fn settings<Who>(context: &Context<Who>) -> Result<&Settings, Rejection> {
    let snapshot: &Snapshot = &context.snapshot;
    snapshot
        .llm
        .as_ref()
        .ok_or_else(|| Rejection::internal("no_llm_gateway", "the snapshot has no LLM gateway"))
}
