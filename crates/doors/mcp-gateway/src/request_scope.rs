//! One request of a client, with everything that its handling may ask for.

use std::sync::Arc;

use serde_json::{Map, Value};

use gatehouse_audit::event::{EventKind, Outcome, RequestFacts, Target};
use gatehouse_audit::fingerprint::Fingerprint;
use gatehouse_config::snapshot::mcp::{McpApp, McpGateway as Settings};
use gatehouse_edge::authorize::Hidden;
use gatehouse_edge::context::{Context, Named, Verified};
use gatehouse_edge::rejection::{Rejection, excerpt};
use gatehouse_identity::id::RequestId;
use gatehouse_mcp::error::RpcError;
use gatehouse_mcp::message::{Id, RawObject, Request, compose};
use gatehouse_mcp::mirror::HeaderFacts;
use gatehouse_mcp::rewrite::{call_result, tool_error};
use gatehouse_mcp::version::{Era, Version};

use crate::McpGateway;
use crate::client_info::Introduced;
use crate::reply::Message;
use crate::resource::Endpoint;

/// The most characters of an error that the log repeats: names in it are as long as their senders want.
const LONGEST_DETAIL: usize = 200;

/// The surroundings of one request.
pub(crate) struct RequestScope<'a> {
    pub(crate) door: &'a Arc<McpGateway>,
    pub(crate) settings: &'a Settings,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) context: &'a Context<Verified>,
    /// The request's MCP headers.
    pub(crate) facts: &'a HeaderFacts<'a>,
    /// The client's revision.
    pub(crate) version: Version,
    /// What the client says about itself.
    pub(crate) client_info: Introduced,
    /// The session that the request belongs to.
    pub(crate) session: Option<&'a str>,
    /// The size of the whole body.
    pub(crate) bytes: usize,
    /// Whether an event stream may answer.
    pub(crate) may_stream: bool,
}

impl<'a> RequestScope<'a> {
    /// The apps that the endpoint serves.
    pub(crate) fn apps(&self) -> impl Iterator<Item = &'a Arc<McpApp>> {
        let only = self.endpoint.app.as_ref();
        self.settings.apps.iter().filter(move |app| only.is_none_or(|only| *only == app.name))
    }

    /// Says in the audit record what the request is.
    pub(crate) fn note_request(
        &self,
        kind: EventKind,
        request: &Request<'_>,
        arguments: Option<Fingerprint>,
    ) {
        let facts = RequestFacts {
            rpc_id: Some(request.id().as_json().to_owned()),
            bytes: Some(self.bytes as u64),
            arguments_hash: arguments,
            ..RequestFacts::default()
        };
        self.context.note(|event| event.with_kind(kind).with_request(facts));
    }

    /// Says in the audit record what the request is for.
    pub(crate) fn note_target(&self, target: Target) {
        self.context.note(|event| event.with_target(target));
    }

    /// A result of our own.
    pub(crate) fn result(id: &Id, result: &RawObject<'_>) -> Message {
        Message::ok(compose::result(id, result))
    }

    /// A JSON-RPC error of our own.
    pub(crate) fn error(&self, id: &Id, error: RpcError) -> Message {
        refuse(self.context, self.version.era(), Some(id), error)
    }

    /// The answer to a call of a tool that a listing policy hides. Record and log have the policy, the caller has what
    /// it would read of a tool that does not exist.
    pub(crate) fn hidden(&self, request: &Request<'_>, why: &Hidden) -> Message {
        why.note(self.context);
        let name = request.text_param("name").ok().flatten().unwrap_or_default();
        let detail = format!("hidden by {}", why.story());
        let era = self.version.era();
        refuse_quoting(self.context, era, Some(request.id()), RpcError::unknown_tool(&name), &detail)
    }

    /// The same for arguments that the error may quote.
    pub(crate) fn arguments_error(&self, id: &Id, error: RpcError) -> Message {
        let detail = "the arguments make no request; the caller was told why";
        refuse_quoting(self.context, self.version.era(), Some(id), error, detail)
    }
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
    door: &McpGateway,
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
    dressed(door, version, id, tool_error(&text))
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
    door: &McpGateway,
    context: &Context<Verified>,
    version: Version,
    id: &Id,
) -> Message {
    context.note(|event| event.with_outcome(Outcome::Error).with_reason("call_cancelled"));
    dressed(door, version, id, tool_error("The client cancelled this call."))
}

/// A tool result for the client's revision.
pub(crate) fn dressed(door: &McpGateway, version: Version, id: &Id, result: RawObject<'_>) -> Message {
    match call_result(result, version, &door.server) {
        Ok(result) => Message::ok(compose::result(id, &result)),
        Err(error) => {
            Message::with_status(compose::error(Some(id), &error), error.http_status(version.era()))
        }
    }
}
