//! Calls of an MCP server.

use std::sync::Arc;

use gatehouse_config::snapshot::mcp::{McpApp, ProxyUpstream};
use gatehouse_edge::authorize::{Permit, ToolUse};
use gatehouse_edge::outbound::delegate::OutboundCredential;
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::arguments::Arguments;
use gatehouse_mcp::message::{Id, Request, json_text};
use gatehouse_mcp::tool::Tool;
use gatehouse_mcp::upstream::{Peer, Retarget};
use gatehouse_mcp::version::meta;

use super::peer::Conversation;
use super::reach::{Reach, is_renewable, peer_key};
use super::wire::{Deadline, Wire};
use crate::request_scope::RequestScope;
use crate::upstream_call::{Completion, Progress, UpstreamCall};

/// What is asked of an MCP server.
pub(crate) struct Ask<'a> {
    pub(crate) app: &'a McpApp,
    pub(crate) proxy: &'a ProxyUpstream,
    pub(crate) tool: &'a Tool,
    pub(crate) arguments: Arguments<'a>,
}

/// Sends a client's call, in the server's words. A server that refuses the token is shown another one, once.
pub(crate) async fn call(
    ask: &Ask<'_>,
    permit: Permit<ToolUse>,
    credential: OutboundCredential,
    request: &Request<'_>,
    scope: &RequestScope<'_>,
    completion: Completion,
) -> Result<UpstreamCall, Rejection> {
    let (permit, deadline) = (Arc::new(permit), Deadline::of_call(scope.door.upstreams.timeouts));
    let reach = Reach { app: ask.app, proxy: ask.proxy, largest: ask.app.largest_response };
    let line = reach.line(Arc::clone(&permit), credential, &scope.door.upstreams, scope.context);
    let mut wire = Wire { line: Arc::new(line), deadline };
    let mut conversation = ask.converse(&wire, request, scope).await;
    if conversation.is_err() && is_renewable(&wire.line, &scope.door.upstreams, scope.context).await {
        let (delegation, tool) = (&scope.door.upstreams.parts.delegation, ask.tool.name());
        let renewed = delegation.credential(&permit, &ask.app.outbound, tool, scope.context).await;
        let renewed = completion.or_settle(renewed)?;
        wire.line = Arc::new(reach.line(permit, renewed, &scope.door.upstreams, scope.context));
        conversation = ask.converse(&wire, request, scope).await;
    }
    let Conversation { id, reader, cancel } = completion.or_settle(conversation)?;
    let token = request.meta().and_then(|meta| meta.get(meta::PROGRESS_TOKEN));
    let progress = token.map(|token| Progress { sent: json_text::to_raw(&id), original: token.to_owned() });
    Ok(UpstreamCall { reader, sent: Id::number(id), progress, deadline: wire.deadline, cancel, completion })
}

impl Ask<'_> {
    async fn converse(
        &self,
        wire: &Wire<ToolUse>,
        request: &Request<'_>,
        scope: &RequestScope<'_>,
    ) -> Result<Conversation<ToolUse>, Rejection> {
        let key = peer_key(self.app, scope.context);
        let compose = |peer: &Peer<'_>, id| {
            let to = Retarget {
                id: &Id::number(id),
                tool: self.tool,
                arguments: self.arguments,
                received: scope.facts,
                progress_token: Some(&json_text::to_raw(&id)),
                traceparent: Some(&wire.line.traceparent),
            };
            peer.call_tool(request, to)
        };
        scope.door.upstreams.converse(wire, &key, compose).await
    }
}
