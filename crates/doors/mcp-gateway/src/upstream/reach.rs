//! How an MCP server is reached: the same for its list of tools and for calls of them.

use std::sync::Arc;

use gatehouse_config::snapshot::mcp::{McpApp, ProxyUpstream};
use gatehouse_edge::authorize::Permit;
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::outbound::delegate::OutboundCredential;

use super::Upstreams;
use super::peer::PeerKey;
use super::wire::{Line, Refusal, Room};
use crate::session::Party;

/// Whom to reach, and how much it may answer.
pub(super) struct Reach<'a> {
    pub(super) app: &'a McpApp,
    pub(super) proxy: &'a ProxyUpstream,
    pub(super) largest: usize,
}

impl Reach<'_> {
    pub(super) fn line<P>(
        &self,
        permit: Arc<Permit<P>>,
        credential: OutboundCredential,
        upstreams: &Upstreams,
        context: &Context<Verified>,
    ) -> Line<P> {
        let outbound = &upstreams.parts.outbound;
        let (memory, holder) = (outbound.memory().clone(), super::holder(&self.app.name));
        Line {
            client: outbound.upstreams(self.proxy.tls.as_ref(), self.proxy.connection).clone(),
            permit,
            url: self.proxy.url.clone(),
            credential,
            traceparent: context.trace.traceparent(),
            refusal: Refusal::default(),
            room: Room { memory, holder, largest: self.largest },
        }
    }
}

/// Whether the server refused the token, and another one can be had.
pub(super) async fn is_renewable<P>(
    line: &Line<P>,
    upstreams: &Upstreams,
    context: &Context<Verified>,
) -> bool {
    line.refusal.is_all() && upstreams.parts.delegation.forget(&line.credential, context.now).await
}

pub(super) fn peer_key(app: &McpApp, context: &Context<Verified>) -> PeerKey {
    PeerKey {
        revision: context.snapshot.revision.clone(),
        app: app.name.to_string(),
        party: Party::of(&context.who.caller().principal),
    }
}
