//! A call of a REST API.

use std::sync::Arc;

use http::Request;
use http::header::CONTENT_TYPE;

use gatehouse_config::snapshot::tls::TlsProfile;
use gatehouse_edge::authorize::{Permit, ToolUse};
use gatehouse_edge::outbound::delegate::OutboundCredential;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body;
use gatehouse_mcp::error::RpcError;
use gatehouse_mcp::message::{RawObject, Request as RpcRequest};
use gatehouse_mcp::openapi::BridgeTool;
use gatehouse_mcp::openapi::request::{self, HttpRequestParts};
use gatehouse_mcp::openapi::result::{HttpAnswer, LARGEST_BODY, to_content};

use super::wire::{self, Deadline};
use crate::turn::Turn;

/// One operation of an API.
pub(crate) struct Api<'a> {
    pub(crate) tool: &'a BridgeTool,
    pub(crate) tls: Option<&'a Arc<TlsProfile>>,
}

/// What the API answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As a tool result.
    pub(crate) result: RawObject<'static>,
}

/// The HTTP request that the call stands for; nothing is sent.
pub(crate) fn prepare(tool: &BridgeTool, call: &RpcRequest<'_>) -> Result<HttpRequestParts, RpcError> {
    request::build(tool, call.param("arguments")).map_err(|error| error.to_rpc())
}

impl Api<'_> {
    /// Sends a prepared request.
    pub(crate) async fn send(
        &self,
        permit: &Permit<ToolUse>,
        parts: HttpRequestParts,
        credential: &OutboundCredential,
        turn: &Turn<'_>,
    ) -> Result<Answer, Rejection> {
        let deadline = Deadline::of_call(turn.door.patience);
        let request = assemble(parts, credential, &turn.context.trace.to_string())?;
        let client = &turn.door.parts.outbound.egress(self.tls).upstreams;
        let response = client.send(permit, request, deadline.left()).await?;
        let (head, body) = response.into_parts();
        wire::check_encoding(&head.headers)?;
        let body = wire::read_whole(body, LARGEST_BODY, deadline.next()).await?;
        let status = head.status.as_u16();
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let answer = HttpAnswer { status, content_type, body: &body };
        Ok(Answer { status, result: to_content(self.tool, answer) })
    }
}

fn assemble(
    parts: HttpRequestParts,
    credential: &OutboundCredential,
    traceparent: &str,
) -> Result<Request<body::Body>, Rejection> {
    let body = parts.body.map_or_else(body::empty, body::full);
    let mut request = Request::builder()
        .method(parts.method)
        .uri(parts.url.as_str())
        .body(body)
        .map_err(|error| Rejection::internal("upstream_request", error.to_string()))?;
    for (name, value) in &parts.headers {
        request.headers_mut().append(wire::header_name(name)?, wire::header_value(value)?);
    }
    wire::dress(request.headers_mut(), credential, traceparent)?;
    Ok(request)
}
