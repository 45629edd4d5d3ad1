//! One request of a client, with everything that its handling may ask for.

use std::sync::Arc;

use gatehouse_audit::event::{EventKind, RequestFacts, Target};
use gatehouse_audit::fingerprint::Fingerprint;
use gatehouse_config::snapshot::mcp::{McpApp, McpGateway as Settings};
use gatehouse_edge::authorize::Hidden;
use gatehouse_edge::context::{Context, Verified};
use gatehouse_mcp::error::RpcError;
use gatehouse_mcp::message::{Id, RawObject, Request, compose};
use gatehouse_mcp::mirror::HeaderFacts;
use gatehouse_mcp::version::Version;

use crate::McpGateway;
use crate::answer::{Message, refuse, refuse_quoting};
use crate::client_info::Introduced;
use crate::resource::Endpoint;

/// The surroundings of one request.
pub(crate) struct RequestScope<'a> {
    pub(crate) door: &'a McpGateway,
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
