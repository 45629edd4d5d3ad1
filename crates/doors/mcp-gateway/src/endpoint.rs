//! POST, GET and DELETE of an MCP endpoint.
//!
//! How refusals look: what is wrong before a message could be read is an HTTP error; what is wrong with a message
//! is a JSON-RPC error under the status that its era wants. A policy that denies a call of a tool which the caller
//! may see answers 200 with a tool result, `isError` and the policy's `external_message`: models relay that text,
//! while clients take 401 and 403 for a lost sign-in. A tool that the caller may not see is as unknown as one that
//! does not exist (-32602).

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Incoming;

use gatehouse_audit::event::{EventKind, Target};
use gatehouse_config::snapshot::mcp::McpGateway as Settings;
use gatehouse_edge::context::{Context, List, Single, Verified};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body::{self, Body as HttpBody};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_identity::id::SessionId;
use gatehouse_mcp::discover::{self, CacheHints};
use gatehouse_mcp::era::{self, Front, Session};
use gatehouse_mcp::error::{ErrorCode, RpcError};
use gatehouse_mcp::initialize::{Initialized, pong};
use gatehouse_mcp::message::{Body, Message as Rpc, Request};
use gatehouse_mcp::mirror::{Field, HeaderFacts, SESSION_ID};
use gatehouse_mcp::version::{Era, Version};
use gatehouse_wire::media_type;

use crate::answer::{Message, accepted, refuse, refuse_quoting};
use crate::client_info::{ClientInfo, Introduced};
use crate::reply::Reply;
use crate::request_scope::RequestScope;
use crate::resource::Endpoint;
use crate::session::{Most, Opened, Party};
use crate::{McpGateway, call, tools_list};

/// How long a modern client may keep what is said about the server.
const DISCOVERY_CACHE: CacheHints = CacheHints { ttl_ms: 60_000 };

/// One POST: media types, size, JSON, era and envelope, then the method.
pub(crate) async fn post(
    door: Arc<McpGateway>,
    endpoint: Arc<Endpoint>,
    body: Incoming,
    context: Context<Verified>,
) -> Outcome {
    check_token_lasts(&context)?;
    check_content_type(&context)?;
    let may_stream = check_accept(&context)?;
    let settings = settings(&context)?;
    let read = body::read(&context, body, settings.limits.body).await;
    let bytes = context.limits.counted(Limit::McpBody, read)?;
    // What is parsed of it, and the copy that an upstream may be sent.
    let _built = context.account().hold(Body::most_built(&bytes) + bytes.len())?;
    let facts = header_facts(&context);
    let body = match Body::parse(&bytes) {
        Ok(body) => body,
        Err(error) => {
            let (id, detail) = (error.id.as_ref(), "the message cannot be read; its sender was told why");
            return Ok(refuse_quoting(&context, Era::Modern, id, error.to_rpc(), detail).into_response());
        }
    };
    let (session, opened) = find_session(&door, settings, &facts, &context);
    let front = match era::pick(&facts, session, &body) {
        Ok(front) => front,
        Err(error) => return Ok(refused(&context, request_id(&body), error)),
    };
    let scope = |version, client_info: Option<ClientInfo>| RequestScope {
        door: &door,
        settings,
        endpoint: &endpoint,
        context: &context,
        facts: &facts,
        version,
        client_info: Introduced::from(client_info),
        session: None,
        bytes: bytes.len(),
        may_stream,
    };
    match (front, &body) {
        (Front::Modern(modern), Body::One(Rpc::Request(request))) => {
            let info = modern.client_info.and_then(ClientInfo::new);
            answer(&scope(modern.version, info), request).await.into_outcome()
        }
        (Front::Initialize, Body::One(Rpc::Request(request))) => {
            Ok(initialize(&scope(Version::NEWEST_LEGACY, None), request))
        }
        (Front::Session(version), Body::One(Rpc::Request(request))) => {
            let session = session_id(&facts).filter(|_| opened.is_some());
            let info = opened.and_then(|opened| opened.client_info);
            answer(&RequestScope { session, ..scope(version, info) }, request).await.into_outcome()
        }
        (Front::Session(_), Body::One(Rpc::Notification(note)))
            if note.method() == "notifications/cancelled" && opened.is_some() =>
        {
            let id = note.params().and_then(|params| params.get("requestId"));
            if let (Some(session), Some(id)) = (session_id(&facts), id) {
                door.cancellations.cancel(session, id.get());
            }
            Ok(accepted())
        }
        (Front::Session(version), Body::Batch(messages)) => {
            let info = opened.and_then(|opened| opened.client_info);
            batch(&RequestScope { may_stream: false, ..scope(version, info) }, messages).await
        }
        // Notifications ask for nothing, and nothing that a response could answer was ever asked.
        _ => Ok(accepted()),
    }
}

/// There is no stream to open: whatever a client is told, it is told in answer to its own request.
pub(crate) fn get(context: &Context<Verified>) -> Outcome {
    let deletable = settings(context)?.sessions.allow_client_termination;
    let allow = if deletable { "POST, DELETE" } else { "POST" };
    // Clients of older revisions ask for one after every sign-in.
    Err(not_allowed(allow, "There is no event stream to open here; send messages by POST."))
}

/// Ends a session of the caller.
pub(crate) fn delete(door: &McpGateway, context: &Context<Verified>) -> Outcome {
    let settings = settings(context)?;
    let facts = header_facts(context);
    if !settings.sessions.enabled || !settings.sessions.allow_client_termination {
        return Err(not_allowed("POST", "Sessions end by themselves here."));
    }
    let party = Party::of(&context.who.caller().principal);
    match facts.session_id {
        Field::Absent => Err(not_allowed("POST", "DELETE ends the session that `Mcp-Session-Id` names.")),
        Field::One(id) if door.sessions.end(id, &party) => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        _ => Ok(refused(context, None, RpcError::unknown_session())),
    }
}

/// One request, whatever its era.
async fn answer(scope: &RequestScope<'_>, request: &Request<'_>) -> Reply {
    let id = request.id();
    let message = match (request.method(), scope.version.era()) {
        ("tools/call", _) => return call::call(scope, request).await,
        ("tools/list", _) => tools_list::list(scope, request).await,
        ("server/discover", Era::Modern) => {
            note(scope, EventKind::McpDiscover, request);
            RequestScope::result(id, &discover::result(&scope.door.upstreams.server, DISCOVERY_CACHE))
        }
        ("ping", Era::Legacy) => {
            note(scope, EventKind::McpMessage, request);
            RequestScope::result(id, &pong())
        }
        (method, _) => {
            note(scope, EventKind::McpMessage, request);
            scope.error(id, RpcError::method_not_found(method))
        }
    };
    Reply::Message(message)
}

/// Negotiates, and opens a session where sessions are kept.
fn initialize(scope: &RequestScope<'_>, request: &Request<'_>) -> Response<HttpBody> {
    note(scope, EventKind::McpDiscover, request);
    let agreed = match Initialized::negotiate(request) {
        Ok(agreed) => agreed,
        Err(error) => return scope.error(request.id(), error).into_response(),
    };
    let mut response =
        RequestScope::result(request.id(), &agreed.result(&scope.door.upstreams.server)).into_response();
    if scope.settings.sessions.enabled {
        let id = SessionId::random(scope.door.upstreams.parts.rng.as_ref());
        let party = Party::of(&scope.context.who.caller().principal);
        let client_info = agreed.client_info.as_deref().and_then(ClientInfo::new);
        let limits = &scope.settings.limits;
        let most = Most { in_all: limits.sessions, per_party: limits.sessions_per_caller };
        let opened = Opened { version: agreed.version, client_info };
        if let Some(met) = scope.door.sessions.open(&id, party, opened, most, scope.context.now) {
            scope.context.limits.hit(met);
        }
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(HeaderName::from_static(SESSION_ID), value);
        }
    }
    response
}

/// The messages of a batch, one after the other. Every HTTP request leaves one audit record, so a batch may hold
/// one call at most.
async fn batch(scope: &RequestScope<'_>, messages: &[Rpc<'_>]) -> Outcome {
    let requests: Vec<&Request<'_>> = messages
        .iter()
        .filter_map(|message| match message {
            Rpc::Request(request) => Some(request),
            Rpc::Notification(_) | Rpc::Response(_) => None,
        })
        .collect();
    let calls = requests.iter().filter(|request| request.method() == "tools/call").count();
    if calls > 1 || requests.iter().any(|one| one.method() == "initialize") {
        let message = "a batch may hold at most one `tools/call` and no `initialize`";
        return Ok(refused(scope.context, None, RpcError::new(ErrorCode::InvalidRequest, message)));
    }
    // The call comes last, so that the record tells of it.
    let (calls, others): (Vec<_>, Vec<_>) =
        requests.into_iter().partition(|request| request.method() == "tools/call");
    let mut answers = Vec::new();
    for request in others.into_iter().chain(calls) {
        match answer(scope, request).await {
            Reply::Message(message) => answers.push(message),
            Reply::Stream { .. } => {}
            Reply::Refused(rejection) => return Err(rejection),
        }
    }
    if answers.is_empty() {
        return Ok(accepted());
    }
    let answers: Vec<&str> = answers.iter().map(|message| message.json.as_str()).collect();
    Ok(Message::ok(format!("[{}]", answers.join(","))).counted(scope.context)?.into_response())
}

fn note(scope: &RequestScope<'_>, kind: EventKind, request: &Request<'_>) {
    scope.note_request(kind, request, None);
    scope.note_target(Target {
        method: Some(request.method().to_owned()),
        app: scope.endpoint.app.as_ref().map(ToString::to_string),
        ..Target::default()
    });
}

/// The session that the request names. Without sessions, legacy messages stand alone in the revision that their
/// header names (2025-06-18 §Protocol Version Header: none means 2025-03-26).
fn find_session(
    door: &McpGateway,
    settings: &Settings,
    facts: &HeaderFacts<'_>,
    context: &Context<Verified>,
) -> (Session, Option<Opened>) {
    match facts.session_id {
        Field::Absent if settings.sessions.enabled => (Session::Absent, None),
        Field::Absent => {
            let version = match facts.protocol_version {
                Field::One(named) => Version::parse(named).filter(|version| version.era() == Era::Legacy),
                Field::Absent => Some(Version::V2025_03_26),
                Field::Malformed | Field::Repeated => None,
            };
            (version.map_or(Session::Absent, Session::Known), None)
        }
        Field::One(id) => {
            let party = Party::of(&context.who.caller().principal);
            match door.sessions.find(id, &party, settings.sessions.timeout, context.now) {
                Some(opened) => (Session::Known(opened.version), Some(opened)),
                None => (Session::Unknown, None),
            }
        }
        Field::Malformed | Field::Repeated => (Session::Unknown, None),
    }
}

fn session_id<'f>(facts: &HeaderFacts<'f>) -> Option<&'f str> {
    match facts.session_id {
        Field::One(id) => Some(id),
        Field::Absent | Field::Malformed | Field::Repeated => None,
    }
}

fn refused(
    context: &Context<Verified>,
    id: Option<&gatehouse_mcp::message::Id>,
    error: RpcError,
) -> Response<HttpBody> {
    refuse(context, Era::Modern, id, error).into_response()
}

fn request_id<'b>(body: &'b Body<'_>) -> Option<&'b gatehouse_mcp::message::Id> {
    match body {
        Body::One(Rpc::Request(request)) => Some(request.id()),
        Body::One(_) | Body::Batch(_) => None,
    }
}

fn header_facts(context: &Context<Verified>) -> HeaderFacts<'_> {
    HeaderFacts::collect(context.head.fields().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

fn settings(context: &Context<Verified>) -> Result<&Settings, Rejection> {
    let missing = || Rejection::internal("no_mcp_gateway", "the snapshot has no MCP gateway");
    context.snapshot.mcp.as_ref().ok_or_else(missing)
}

/// A page of another site can send `text/plain` without asking, but never this.
/// The leeway for the clock of an issuer lets a token in that has just ended, but nothing can be exchanged for it any
/// more. Its holder learns here, in words that clients act on, that a fresh one is due.
fn check_token_lasts(context: &Context<Verified>) -> Result<(), Rejection> {
    match &context.who.caller().token {
        Some(token) if token.verified.expires_at() <= context.now => {
            Err(Rejection::unauthenticated("token_expired", "the token has ended, if only just"))
        }
        _ => Ok(()),
    }
}

fn check_content_type(context: &Context<Verified>) -> Result<(), Rejection> {
    let found = context.head.single(Single::ContentType).unwrap_or_default();
    if media_type::is(found, media_type::JSON) {
        return Ok(());
    }
    let public = format!("expected content-type application/json, found {found:?}");
    Err(Rejection::new(RejectionKind::UnsupportedMediaType, "media_type", public))
}

/// Whether the client takes event streams too; JSON it must take.
fn check_accept(context: &Context<Verified>) -> Result<bool, Rejection> {
    if context.head.list(List::Accept).next().is_none() {
        return Ok(false);
    }
    let takes = |kind: &str, any: &str| {
        context.head.elements(List::Accept).any(|range| {
            let refused =
                range.split(';').any(|part| matches!(part.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let range = media_type::essence(range).to_ascii_lowercase();
            !refused && (range == kind || range == any || range == "*/*")
        })
    };
    if !takes("application/json", "application/*") {
        let public = "the client must accept both application/json and text/event-stream";
        return Err(Rejection::new(RejectionKind::NotAcceptable, "not_acceptable", public));
    }
    Ok(takes("text/event-stream", "text/*"))
}

fn not_allowed(allow: &str, public: &str) -> Rejection {
    Rejection::new(RejectionKind::MethodNotAllowed(allow.to_owned()), "method_not_allowed", public)
}
