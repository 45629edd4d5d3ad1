//! The demo's MCP server: a ledger over Streamable HTTP, in the stateless era (2026-07-28) and in the era of
//! `initialize` and sessions (2025-11-25 and older) on one URL, `/mcp`.
//!
//! Every request needs an access token of the gateway's issuer for this server's audience. `getCustomerPII`
//! also needs the scope `ledger:ReadPII`, `getAuditLog` the scope `ledger:ReadAudit`. The tool `whoami`
//! shows the token's claims, so that everybody can see who the gateway says is calling.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::rng::Rng;
use serde_json::{Map, Value, json};
use url::Url;

use super::bearer::{Caller, TokenVerifier};
use super::traffic::{TrafficLog, locked};
use books::Books;
use era::{Era, MODERN, RpcError, check_modern, header, negotiate};
use tools::Tool;

mod books;
mod era;
mod tools;

const SESSION: &str = "mcp-session-id";
const MAX_BODY: usize = 4 * 1024 * 1024;
const MAX_SESSIONS: usize = 1000;

/// What the ledger needs to run.
pub(crate) struct LedgerState {
    verifier: TokenVerifier,
    resource: Audience,
    metadata_url: String,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    books: Mutex<Books>,
    /// Legacy sessions: whose they are.
    sessions: Mutex<HashMap<String, String>>,
    seen: Arc<TrafficLog>,
}

impl LedgerState {
    /// A ledger reachable at `url`, which is also the audience of the tokens that it takes of `issuer`.
    pub(crate) fn new(
        issuer: Issuer,
        url: &Url,
        jwks_url: Url,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        seen: Arc<TrafficLog>,
    ) -> Self {
        let resource = Audience::new(url.as_str());
        let mut metadata_url = url.clone();
        metadata_url.set_path(&format!("/.well-known/oauth-protected-resource{}", url.path()));
        Self {
            verifier: TokenVerifier::new(issuer, resource.clone(), jwks_url, Arc::clone(&clock)),
            resource,
            metadata_url: metadata_url.into(),
            clock,
            rng,
            books: Mutex::new(Books::seeded()),
            sessions: Mutex::default(),
            seen,
        }
    }
}

type Shared = State<Arc<LedgerState>>;

/// The server.
pub(crate) fn router(state: Arc<LedgerState>) -> Router {
    Router::new()
        .route("/mcp", post(message).delete(end_session).get(no_stream))
        .route("/.well-known/oauth-protected-resource/mcp", get(metadata))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

async fn metadata(State(state): Shared) -> Response {
    let scopes: Vec<_> = Tool::ALL.into_iter().filter_map(Tool::scope).collect();
    json_reply(
        StatusCode::OK,
        &json!({
            "resource": state.resource, "authorization_servers": [state.verifier.issuer()],
            "scopes_supported": scopes, "bearer_methods_supported": ["header"],
        }),
    )
}

async fn no_stream() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST, DELETE")]).into_response()
}

async fn end_session(State(state): Shared, uri: Uri, headers: HeaderMap) -> Response {
    state.seen.inspect(&uri.to_string(), &headers, &[]);
    let caller = match state.caller(&headers).await {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    let Some(session) = header(&headers, SESSION) else { return no_stream().await };
    let mut sessions = locked(&state.sessions);
    if sessions.get(session).is_some_and(|owner| Some(owner.as_str()) == caller.claim("sub")) {
        sessions.remove(session);
        return StatusCode::NO_CONTENT.into_response();
    }
    StatusCode::NOT_FOUND.into_response()
}

async fn message(State(state): Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    state.seen.inspect(&uri.to_string(), &headers, &body);
    let caller = match state.caller(&headers).await {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    if !media_types(&headers, CONTENT_TYPE.as_str()).any(|kind| kind == "application/json") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let accepts =
        |wanted: &str| media_types(&headers, ACCEPT.as_str()).any(|kind| kind == wanted || kind == "*/*");
    if !accepts("application/json") || !accepts("text/event-stream") {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return error_reply(None, &RpcError::new(400, -32700, "the body is not JSON"));
    };
    let (Some("2.0"), Some(method)) =
        (request.get("jsonrpc").and_then(Value::as_str), request.get("method").and_then(Value::as_str))
    else {
        return error_reply(None, &RpcError::new(400, -32600, "expected one JSON-RPC 2.0 request"));
    };
    let id = match request.get("id") {
        Some(id @ (Value::String(_) | Value::Number(_))) => id.clone(),
        Some(_) => {
            return error_reply(None, &RpcError::new(400, -32600, "`id` must be a string or a number"));
        }
        None if method.starts_with("notifications/") => return StatusCode::ACCEPTED.into_response(),
        None => return error_reply(None, &RpcError::new(400, -32600, "a request needs an `id`")),
    };
    let answer = match Era::of(&headers, &request) {
        Era::Modern => state.modern(&headers, &request, method, &caller),
        Era::Legacy => state.legacy(&headers, &request, method, &caller),
    };
    match answer {
        Ok(Answer::Result(result)) => {
            json_reply(StatusCode::OK, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
        }
        Ok(Answer::Session(session, result)) => {
            let mut reply =
                json_reply(StatusCode::OK, &json!({ "jsonrpc": "2.0", "id": id, "result": result }));
            if let Ok(session) = HeaderValue::from_str(&session) {
                reply.headers_mut().insert(SESSION, session);
            }
            reply
        }
        Ok(Answer::ScopeMissing(scope)) => state.scope_missing(&id, scope),
        Err(error) => error_reply(Some(&id), &error),
    }
}

enum Answer {
    Result(Value),
    Session(String, Value),
    ScopeMissing(&'static str),
}

impl LedgerState {
    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Response> {
        self.verifier.authenticate(headers).await.map_err(|refusal| {
            let mut reply = (refusal.status(), refusal.to_string()).into_response();
            if refusal.status() == StatusCode::UNAUTHORIZED {
                let error = refusal.challenge_error().map(|error| format!("error=\"{error}\", "));
                let challenge = format!(
                    "Bearer {}resource_metadata=\"{}\"",
                    error.unwrap_or_default(),
                    self.metadata_url
                );
                challenge_with(&mut reply, &challenge);
            }
            reply
        })
    }

    fn scope_missing(&self, id: &Value, scope: &str) -> Response {
        let error = RpcError::new(403, -32603, format!("the access token lacks the scope `{scope}`"));
        let mut reply = error_reply(Some(id), &error);
        let metadata = &self.metadata_url;
        let challenge = format!(
            "Bearer error=\"insufficient_scope\", scope=\"{scope}\", resource_metadata=\"{metadata}\""
        );
        challenge_with(&mut reply, &challenge);
        reply
    }

    fn modern(
        &self,
        headers: &HeaderMap,
        request: &Value,
        method: &str,
        caller: &Caller,
    ) -> Result<Answer, RpcError> {
        check_modern(headers, request, method)?;
        let answer = match method {
            "server/discover" => Answer::Result(json!({
                "supportedVersions": [MODERN], "capabilities": { "tools": {} },
                "ttlMs": 60_000, "cacheScope": "public",
            })),
            "tools/list" => {
                Answer::Result(json!({ "tools": tool_list(), "ttlMs": 60_000, "cacheScope": "public" }))
            }
            "tools/call" => self.call(request, caller)?,
            _ => return Err(RpcError::new(404, -32601, format!("method `{method}` not found"))),
        };
        Ok(match answer {
            Answer::Result(Value::Object(mut result)) => {
                result.insert("resultType".into(), "complete".into());
                result.insert("_meta".into(), json!({ "io.modelcontextprotocol/serverInfo": server_info() }));
                Answer::Result(Value::Object(result))
            }
            other => other,
        })
    }

    fn legacy(
        &self,
        headers: &HeaderMap,
        request: &Value,
        method: &str,
        caller: &Caller,
    ) -> Result<Answer, RpcError> {
        let owner = caller.claim("sub").unwrap_or_default();
        if method == "initialize" {
            let result = json!({
                "protocolVersion": negotiate(request), "capabilities": { "tools": {} }, "serverInfo": server_info(),
            });
            let session = self.rng.token(24);
            let mut sessions = locked(&self.sessions);
            if sessions.len() >= MAX_SESSIONS {
                return Err(RpcError::new(503, -32603, "too many sessions; end one with DELETE"));
            }
            sessions.insert(session.clone(), owner.to_owned());
            return Ok(Answer::Session(session, result));
        }
        let session = header(headers, SESSION)
            .ok_or_else(|| RpcError::new(400, -32600, "send `initialize` first, then its Mcp-Session-Id"))?;
        if locked(&self.sessions).get(session).is_none_or(|known| known != owner) {
            return Err(RpcError::new(404, -32600, "the session has ended; send `initialize` again"));
        }
        match method {
            "ping" => Ok(Answer::Result(json!({}))),
            "tools/list" => Ok(Answer::Result(json!({ "tools": tool_list() }))),
            "tools/call" => self.call(request, caller),
            _ => Err(RpcError::new(200, -32601, format!("method `{method}` not found"))),
        }
    }

    fn call(&self, request: &Value, caller: &Caller) -> Result<Answer, RpcError> {
        let name = request.pointer("/params/name").and_then(Value::as_str).unwrap_or_default();
        let tool =
            Tool::named(name).ok_or_else(|| RpcError::new(200, -32602, format!("unknown tool `{name}`")))?;
        let none = Map::new();
        let arguments = match request.pointer("/params/arguments") {
            None => &none,
            Some(Value::Object(arguments)) => arguments,
            Some(_) => return Err(RpcError::new(200, -32602, "`arguments` must be an object")),
        };
        self.seen.record(tool.name(), Value::Object(caller.claims().clone()));
        if let Some(scope) = tool.scope().filter(|scope| !caller.has_scope(scope)) {
            return Ok(Answer::ScopeMissing(scope));
        }
        let now = self.clock.now().to_string();
        let done = tool.call(&mut locked(&self.books), arguments, caller, &now);
        Ok(Answer::Result(match done {
            Ok(value) => json!({
                "content": [{ "type": "text", "text": value.to_string() }],
                "structuredContent": value, "isError": false,
            }),
            Err(message) => json!({ "content": [{ "type": "text", "text": message }], "isError": true }),
        }))
    }
}

fn tool_list() -> Vec<Value> {
    Tool::ALL.into_iter().map(Tool::definition).collect()
}

fn server_info() -> Value {
    json!({ "name": "enterprise-ledger", "title": "Enterprise Ledger", "version": "1.0.0" })
}

/// The media types of a header, without parameters.
fn media_types<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = String> + use<'a> {
    let values = headers.get_all(name.to_owned()).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn challenge_with(reply: &mut Response, challenge: &str) {
    if let Ok(challenge) = HeaderValue::from_str(challenge) {
        reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
}

fn error_reply(id: Option<&Value>, error: &RpcError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut body = json!({ "jsonrpc": "2.0", "error": { "code": error.code, "message": error.message } });
    if let (Some(data), Some(slot)) = (&error.data, body.get_mut("error").and_then(Value::as_object_mut)) {
        slot.insert("data".into(), data.clone());
    }
    if let (Some(id), Some(body)) = (id, body.as_object_mut()) {
        body.insert("id".into(), id.clone());
    }
    json_reply(status, &body)
}

fn json_reply(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests;
