//! Calls of an MCP server.

use std::sync::Arc;

use gatehouse_config::snapshot::mcp::ProxyUpstream;
use gatehouse_edge::permit::Permitted;
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::message::{Id, Request, json_text};
use gatehouse_mcp::upstream::{Peer, Retarget};
use gatehouse_mcp::version::meta;

use super::peer::Conversation;
use super::reach::{Reach, is_renewable, peer_key};
use super::wire::{Deadline, Wire};
use crate::request_scope::RequestScope;
use crate::tool_call::ToolCall;
use crate::upstream_call::{Completion, Progress, UpstreamCall};

/// Sends a client's call to `proxy`, in the server's words. A server that refuses the token is shown another one, once.
pub(crate) async fn call(
    permitted: &Permitted<ToolCall<'_>>,
    proxy: &ProxyUpstream,
    request: &Request<'_>,
    scope: &RequestScope<'_>,
    completion: Completion,
) -> Result<UpstreamCall, Rejection> {
    let (call, upstreams) = (permitted.act(), &scope.door.upstreams);
    let delegation = &upstreams.parts.delegation;
    let credential = completion.or_settle(delegation.credential(permitted, scope.context).await)?;
    let deadline = Deadline::of_call(upstreams.timeouts);
    let reach =
        Reach { app: call.app, proxy, to: permitted.destination()?, largest: call.app.largest_response };
    let line = reach.line(credential, upstreams, scope.context)?;
    let mut wire = Wire { line: Arc::new(line), deadline };
    let mut conversation = converse(call, &wire, request, scope).await;
    if conversation.is_err() && is_renewable(&wire.line, upstreams, scope.context).await {
        let renewed = completion.or_settle(delegation.credential(permitted, scope.context).await)?;
        wire.line = Arc::new(reach.line(renewed, upstreams, scope.context)?);
        conversation = converse(call, &wire, request, scope).await;
    }
    let Conversation { id, reader, cancel } = completion.or_settle(conversation)?;
    let token = request.meta().and_then(|meta| meta.get(meta::PROGRESS_TOKEN));
    let progress = token.map(|token| Progress { sent: json_text::to_raw(&id), original: token.to_owned() });
    Ok(UpstreamCall { reader, sent: Id::number(id), progress, deadline: wire.deadline, cancel, completion })
}

async fn converse(
    call: &ToolCall<'_>,
    wire: &Wire,
    request: &Request<'_>,
    scope: &RequestScope<'_>,
) -> Result<Conversation, Rejection> {
    let key = peer_key(call.app, scope.context);
    let compose = |peer: &Peer<'_>, id| {
        let to = Retarget {
            id: &Id::number(id),
            tool: &call.exported_tool.tool,
            arguments: call.arguments,
            received: scope.facts,
            progress_token: Some(&json_text::to_raw(&id)),
            traceparent: Some(&wire.line.traceparent),
        };
        peer.call_tool(request, to)
    };
    scope.door.upstreams.converse(wire, &key, compose).await
}
