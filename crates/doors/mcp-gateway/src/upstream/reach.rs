//! How an MCP server is reached: the same for its list of tools and for calls of them.

use gatehouse_config::snapshot::mcp::{McpApp, ProxyUpstream};
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::outbound::delegate::OutboundCredential;
use gatehouse_edge::permit::Destination;
use gatehouse_edge::rejection::Rejection;

use super::Upstreams;
use super::peer::PeerKey;
use super::wire::{Line, Refusal, Room, path_of};
use crate::session::Party;

/// Whom to reach, and how much it may answer.
pub(super) struct Reach<'a> {
    pub(super) app: &'a McpApp,
    pub(super) proxy: &'a ProxyUpstream,
    /// Where the permitted act leads.
    pub(super) to: Destination,
    pub(super) largest: usize,
}

impl Reach<'_> {
    pub(super) fn line(
        &self,
        credential: OutboundCredential,
        upstreams: &Upstreams,
        context: &Context<Verified>,
    ) -> Result<Line, Rejection> {
        let outbound = &upstreams.parts.outbound;
        let (memory, holder) = (outbound.memory().clone(), super::holder(&self.app.name));
        Ok(Line {
            client: outbound.upstreams(self.proxy.tls.as_ref(), self.proxy.connection).clone(),
            to: self.to.clone(),
            url: self.proxy.url.clone(),
            path: path_of(&self.proxy.url)?,
            credential,
            traceparent: context.trace.traceparent(),
            refusal: Refusal::default(),
            room: Room { memory, holder, largest: self.largest },
        })
    }
}

/// Whether the server refused the token, and another one can be had.
pub(super) async fn is_renewable(line: &Line, upstreams: &Upstreams, context: &Context<Verified>) -> bool {
    line.refusal.is_all() && upstreams.parts.delegation.forget(&line.credential, context.now).await
}

pub(super) fn peer_key(app: &McpApp, context: &Context<Verified>) -> PeerKey {
    PeerKey {
        revision: context.snapshot.revision.clone(),
        app: app.name.to_string(),
        party: Party::of(&context.who.caller().principal),
    }
}
