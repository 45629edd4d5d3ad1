//! Answers: messages, and the refusals and failures among them, in the words of JSON-RPC and of MCP.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use gatehouse_audit::event::Outcome;
use gatehouse_edge::context::{Context, Named, Verified};
use gatehouse_edge::memory::Held;
use gatehouse_edge::rejection::{Rejection, excerpt};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_identity::id::RequestId;
use gatehouse_mcp::discover::ServerFacts;
use gatehouse_mcp::error::RpcError;
use gatehouse_mcp::message::{Id, RawObject, compose};
use gatehouse_mcp::rewrite::{call_result, tool_error};
use gatehouse_mcp::version::{Era, Version};

/// Messages beyond this are counted for the caller while they wait to be sent.
const SMALL: usize = 16 * 1024;
/// The most characters of an error that the log repeats: names in it are as long as their senders want.
const LONGEST_DETAIL: usize = 200;

/// One JSON-RPC response and the HTTP status that goes with it.
pub(crate) struct Message {
    pub(crate) json: String,
    pub(crate) status: u16,
    pub(crate) held: Option<Held>,
}

/// Text that stays counted until the last of it is sent.
struct Counted {
    text: String,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Message {
    pub(crate) fn ok(json: String) -> Self {
        Self::with_status(json, 200)
    }

    pub(crate) fn with_status(json: String, status: u16) -> Self {
        Self { json, status, held: None }
    }

    /// The same, counted for the caller unless it is small.
    pub(crate) fn counted(mut self, context: &Context<Verified>) -> Result<Self, Rejection> {
        if self.json.len() > SMALL {
            self.held = Some(context.account().hold(self.json.capacity())?);
        }
        Ok(self)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(body::full(sendable(self.json, self.held)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        dress(&mut response, "application/json");
        response
    }
}

/// Accepted, nothing to say.
pub(crate) fn accepted() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// Refuses a request in JSON-RPC's words. As in all refusals, the request id is among them; operators find it in the
/// log and in the audit record.
pub(crate) fn refuse(context: &Context<Verified>, era: Era, id: Option<&Id>, error: RpcError) -> Message {
    let detail: String = error.message().chars().take(LONGEST_DETAIL).collect();
    refuse_quoting(context, era, id, error, &detail)
}

/// The same for an error that quotes what must not be logged: the log has `detail` instead.
pub(crate) fn refuse_quoting(
    context: &Context<Verified>,
    era: Era,
    id: Option<&Id>,
    error: RpcError,
    detail: &str,
) -> Message {
    let (outcome, reason) = match error.code() {
        -32700 => (Outcome::Deny, "rpc_parse_error"),
        -32600 => (Outcome::Deny, "rpc_invalid_request"),
        -32601 => (Outcome::Deny, "rpc_method_not_found"),
        -32602 => (Outcome::Deny, "rpc_invalid_params"),
        -32020 => (Outcome::Deny, "rpc_header_mismatch"),
        -32021 => (Outcome::Deny, "rpc_missing_capability"),
        -32022 => (Outcome::Deny, "rpc_unsupported_version"),
        _ => (Outcome::Error, "rpc_error"),
    };
    context.note(|event| event.with_outcome(outcome).with_reason(reason));
    let (request_id, ip, path) = (&context.request_id, context.source.ip, excerpt(context.head.uri.path()));
    let detail = excerpt(detail);
    let status = error.http_status(era);
    let Named { client, user, .. } = context.named();
    let (client, user) = (client.as_deref(), user.as_deref());
    if outcome == Outcome::Error {
        tracing::error!(request.id = %request_id, source.ip = %ip, path, status, client.id = client, user, reason, detail, "request failed");
    } else {
        tracing::info!(request.id = %request_id, source.ip = %ip, path, status, client.id = client, user, reason, detail, "request refused");
    }
    let error = with_request_id(error, request_id);
    Message::with_status(compose::error(id, &error), status)
}

/// `error` with the request id beside what its data says already.
pub(crate) fn with_request_id(error: RpcError, request_id: &RequestId) -> RpcError {
    let said = error.data().and_then(|data| serde_json::from_str(data.get()).ok());
    let mut members: Map<String, Value> = said.unwrap_or_default();
    members.insert("requestId".to_owned(), Value::from(request_id.as_str()));
    error.with_data(&Value::Object(members))
}

/// A refused or failed call of a tool that the caller knows of, in words for the model: a result with `isError`
/// that ends in the request id. Operators find the rest in the log and in the audit record.
pub(crate) fn failed_call(
    server: &ServerFacts,
    context: &Context<Verified>,
    version: Version,
    id: &Id,
    rejection: &Rejection,
) -> Message {
    let outcome = if rejection.kind.is_failure() { Outcome::Error } else { Outcome::Deny };
    context.note(|event| event.with_outcome(outcome).with_reason(rejection.reason));
    let (reason, detail) = (rejection.reason, &*rejection.detail());
    let Named { client, user, app, tool, .. } = context.named();
    let (request_id, ip) = (&context.request_id, context.source.ip);
    let (client, user) = (client.as_deref(), user.as_deref());
    let (app, tool) = (app.as_deref(), tool.as_deref());
    if outcome == Outcome::Error {
        tracing::warn!(request.id = %request_id, source.ip = %ip, client.id = client, user, app, tool, reason, detail, "tool call failed");
    } else {
        tracing::info!(request.id = %request_id, source.ip = %ip, client.id = client, user, app, tool, reason, detail, "tool call refused");
    }
    let text = format!("{} (request {})", rejection.public, context.request_id);
    dressed(server, version, id, tool_error(&text))
}

/// A call that reached its upstream, which answered that it failed: a line in the log, and the words that lead the
/// caller to it.
pub(crate) fn failed_upstream(context: &Context<Verified>, reason: &'static str, detail: &str) -> String {
    context.note(|event| event.with_outcome(Outcome::Error).with_reason(reason));
    let Named { client, user, app, tool, .. } = context.named();
    let (client, user, app, tool) = (client.as_deref(), user.as_deref(), app.as_deref(), tool.as_deref());
    let (request_id, ip) = (&context.request_id, context.source.ip);
    tracing::warn!(request.id = %request_id, source.ip = %ip, client.id = client, user, app, tool, reason, detail, "tool call failed");
    format!("(request {request_id})")
}

/// The end of a call that its client cancelled. Clients ignore it, but their connection waits for one.
pub(crate) fn cancelled_call(
    server: &ServerFacts,
    context: &Context<Verified>,
    version: Version,
    id: &Id,
) -> Message {
    context.note(|event| event.with_outcome(Outcome::Error).with_reason("call_cancelled"));
    dressed(server, version, id, tool_error("The client cancelled this call."))
}

/// A tool result for the client's revision.
pub(crate) fn dressed(server: &ServerFacts, version: Version, id: &Id, result: RawObject<'_>) -> Message {
    match call_result(result, version, server) {
        Ok(result) => Message::ok(compose::result(id, &result)),
        Err(error) => {
            Message::with_status(compose::error(Some(id), &error), error.http_status(version.era()))
        }
    }
}

pub(crate) fn dress(response: &mut Response<Body>, media_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

pub(crate) fn sendable(text: String, held: Option<Held>) -> Bytes {
    match held {
        Some(held) => Bytes::from_owner(Counted { text, _held: held }),
        None => Bytes::from(text),
    }
}
