//! A call of a REST API.

use std::sync::Arc;

use http::Response;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::method::InvalidMethod;

use gatehouse_config::snapshot::mcp::McpApp;
use gatehouse_config::snapshot::tls::TlsProfile;
use gatehouse_edge::limits::Limit;
use gatehouse_edge::memory::Held;
use gatehouse_edge::outbound::client::OutboundRequest;
use gatehouse_edge::outbound::coding::Received;
use gatehouse_edge::outbound::delegate::OutboundCredential;
use gatehouse_edge::permit::Permitted;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body;
use gatehouse_mcp::error::RpcError;
use gatehouse_mcp::message::RawObject;
use gatehouse_mcp::openapi::BridgeTool;
use gatehouse_mcp::openapi::request::{self, HttpRequestParts};
use gatehouse_mcp::openapi::result::{Content, HttpAnswer, carried_out, cost, to_content};

use super::answer_reader::{over_budget, read_whole};
use super::failed;
use super::wire::{self, Deadline};
use crate::request_scope::RequestScope;
use crate::tool_call::ToolCall;

/// A permitted call of one operation of an API.
pub(crate) struct Api<'p> {
    call: &'p Permitted<ToolCall<'p>>,
    tool: &'p BridgeTool,
    tls: Option<&'p Arc<TlsProfile>>,
}

/// What the API answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As a tool result.
    pub(crate) result: RawObject<'static>,
    /// What the result takes in memory.
    pub(crate) held: Held,
}

impl<'p> Api<'p> {
    /// The operation that `call` is for.
    pub(crate) fn new(
        call: &'p Permitted<ToolCall<'p>>,
        tool: &'p BridgeTool,
        tls: Option<&'p Arc<TlsProfile>>,
    ) -> Self {
        Self { call, tool, tls }
    }

    /// The HTTP request that the call stands for; nothing is sent.
    pub(crate) fn prepare(&self) -> Result<HttpRequestParts, RpcError> {
        request::build(self.tool, self.call.act().arguments.raw()).map_err(|error| error.to_rpc())
    }

    /// Sends a prepared request.
    pub(crate) async fn send(
        &self,
        parts: HttpRequestParts,
        credential: &OutboundCredential,
        scope: &RequestScope<'_>,
    ) -> Result<Answer, Rejection> {
        let deadline = Deadline::of_call(scope.door.upstreams.timeouts);
        let request = assemble(parts, credential, &scope.context.trace.traceparent())?;
        let client = &scope.door.upstreams.parts.outbound.egress(self.tls).upstreams;
        let response = client.send(&self.call.destination()?, request, deadline.left()).await?;
        let status = response.status().as_u16();
        // From here on something may have been done, and whoever reads of a failure does it again.
        self.read(response, deadline, scope).await.map_err(|rejection| match carried_out(self.tool, status) {
            Some(told) => answer_lost(&told, &rejection),
            None => rejection,
        })
    }

    fn app(&self) -> &McpApp {
        self.call.act().app
    }

    async fn read(
        &self,
        response: Response<Received>,
        deadline: Deadline,
        scope: &RequestScope<'_>,
    ) -> Result<Answer, Rejection> {
        let (head, body) = response.into_parts();
        let account = scope.door.upstreams.parts.outbound.memory().account(&super::holder(&self.app().name));
        let mut held = account.hold(0).map_err(over_budget)?;
        let largest = self.app().largest_response;
        let body = match body.check() {
            // The status of a failure says enough.
            Err(_) if !head.status.is_success() => Vec::new(),
            Err(unreadable) => return Err(unreadable.into()),
            Ok(()) => read_whole(body, &mut held, largest, deadline.next()).await?,
        };
        let status = head.status.as_u16();
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if body.len() > largest {
            scope.context.limits.hit(Limit::Response);
        }
        let answer = HttpAnswer { status, content_type, body: &body, largest };
        held.grow(cost(self.tool, answer)).map_err(over_budget)?;
        let Content { result, breach } = to_content(self.tool, answer);
        drop(body);
        if let Some(detail) = breach {
            let (app, tool, request_id) =
                (&self.app().name, self.tool.tool().name(), &scope.context.request_id);
            tracing::warn!(%app, tool, request.id = %request_id, detail, "an API's answer is not what its description says");
        }
        held.shrink_to(result.written_len());
        Ok(Answer { status, result, held })
    }
}

/// A call that the API says it has carried out, and whose answer could not be had.
fn answer_lost(told: &str, rejection: &Rejection) -> Rejection {
    let detail = format!("{}: {}", rejection.reason, rejection.detail());
    failed("upstream_answer_lost", format!("{told} Its answer could not be read.")).because(detail)
}

fn assemble(
    parts: HttpRequestParts,
    credential: &OutboundCredential,
    traceparent: &str,
) -> Result<OutboundRequest, Rejection> {
    let mut headers = HeaderMap::with_capacity(parts.headers.len() + 3);
    for (name, value) in &parts.headers {
        headers.append(wire::header_name(name)?, wire::header_value(value)?);
    }
    wire::dress(&mut headers, credential, traceparent)?;
    let unsendable = |error: String| Rejection::internal("upstream_request", error);
    Ok(OutboundRequest {
        method: parts.method.parse().map_err(|error: InvalidMethod| unsendable(error.to_string()))?,
        path: wire::path_of(&parts.url)?,
        headers,
        body: parts.body.map_or_else(body::empty, body::full),
    })
}
