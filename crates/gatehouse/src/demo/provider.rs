//! The demo's model provider: the Messages API with a scripted model behind it.
//!
//! It takes one API key, in `x-api-key` or as `Authorization: Bearer`, and both API versions.
//!
//! The model greets. Asked to `use NAME` or `call NAME` of a tool that the request offers, it answers with
//! `tool_use` (a JSON object after the name becomes the input; `NAME` may be the end of a longer name such
//! as `mcp__server__NAME`); given a `tool_result`, it quotes it. The model id can ask for more:
//!
//! | model | reply |
//! |---|---|
//! | `claude-scripted-N-events` | N `content_block_delta` events |
//! | `claude-scripted-N-bytes` | a text of N bytes |
//! | `claude-scripted-slow-MS` | MS milliseconds before every event |
//! | `claude-scripted-error-midstream` | an `error` event after three deltas |
//! | `claude-scripted-truncated` | the connection's end after three deltas |
//! | `claude-scripted-status-CODE` | that HTTP status with its error; 429 says `retry-after: 1` |

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use gatehouse_identity::secret::Secret;
use gatehouse_llm::anthropic::error::{ErrorType, envelope};
use serde_json::{Value, json};

use super::traffic::TrafficLog;
use script::{Delivery, Reply, reply};

mod events;
mod script;

const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];
const MAX_BODY: usize = 32 * 1024 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What the provider needs to run.
pub(crate) struct ProviderState {
    key: Secret,
    requests: AtomicU64,
    open_streams: Arc<AtomicUsize>,
    seen: Arc<TrafficLog>,
}

impl ProviderState {
    /// A provider that takes `key`.
    pub(crate) fn new(key: Secret, seen: Arc<TrafficLog>) -> Self {
        Self { key, requests: AtomicU64::new(0), open_streams: Arc::default(), seen }
    }

    /// How many requests it has received.
    #[cfg(test)]
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// How many streams are open; a client that goes away closes its own.
    #[cfg(test)]
    pub(crate) fn open_streams(&self) -> usize {
        self.open_streams.load(Ordering::Relaxed)
    }

    /// Whether the request's key is ours and its API version one that we know.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let bearer = text(headers, AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        let presented = text(headers, "x-api-key").or(bearer);
        if !presented.is_some_and(|key| self.key.matches(key)) {
            return Err(Failure::of(ErrorType::Authentication, "invalid x-api-key"));
        }
        match text(headers, "anthropic-version") {
            Some(version) if VERSIONS.contains(&version) => Ok(()),
            _ => Err(Failure::of(
                ErrorType::InvalidRequest,
                "anthropic-version: expected one of 2023-06-01, 2026-10-21",
            )),
        }
    }
}

type Shared = State<Arc<ProviderState>>;

struct Failure {
    status: u16,
    error: ErrorType,
    message: String,
}

/// The API.
pub(crate) fn router(state: Arc<ProviderState>) -> Router {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/models", get(models))
        .fallback(async || Failure::of(ErrorType::NotFound, "Not Found").respond("req_scripted_0"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

async fn messages(State(state): Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let number = state.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let request_id = format!("req_scripted_{number}");
    state.seen.inspect(&uri.to_string(), &headers, &body);
    let request = match state.admit(&headers).and_then(|()| parsed(&body)) {
        Ok(request) => request,
        Err(failure) => return failure.respond(&request_id),
    };
    let model = request.get("model").and_then(Value::as_str).unwrap_or_default();
    let delivery = Delivery::of(model);
    if let Delivery::Status(status) = delivery {
        let error = ErrorType::of_status(status);
        return Failure { status, error, message: format!("scripted {status}") }.respond(&request_id);
    }
    let reply = reply(&request, delivery);
    let message = Message { number, model: model.to_owned(), input_tokens: body.len() / 4, reply };
    if request.get("stream") == Some(&Value::Bool(true)) {
        streamed(&state, &message, delivery, &request_id)
    } else {
        json_reply(StatusCode::OK, &message.whole(), &request_id)
    }
}

async fn count_tokens(State(state): Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let number = state.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let request_id = format!("req_scripted_{number}");
    state.seen.inspect(&uri.to_string(), &headers, &body);
    match state.admit(&headers).and_then(|()| parsed(&body)) {
        Ok(_) => json_reply(StatusCode::OK, &json!({ "input_tokens": body.len() / 4 }), &request_id),
        Err(failure) => failure.respond(&request_id),
    }
}

/// What this provider lists; it answers to any other name as well.
const LISTED: [(&str, &str); 6] = [
    ("claude-opus-5-5", "Claude Opus 5.5"),
    ("claude-sonnet-5-5", "Claude Sonnet 5.5"),
    ("claude-haiku-5-5", "Claude Haiku 5.5"),
    ("claude-fable-5-2", "Claude Fable 5.2"),
    ("claude-opus-4-8", "Claude Opus 4.8"),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6"),
];

async fn models(State(state): Shared, headers: HeaderMap) -> Response {
    let number = state.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let request_id = format!("req_scripted_{number}");
    if let Err(failure) = state.admit(&headers) {
        return failure.respond(&request_id);
    }
    let data = LISTED.map(|(id, display_name)| {
        json!({ "type": "model", "id": id, "display_name": display_name, "created_at": "2026-01-01T00:00:00Z" })
    });
    let page = json!({ "data": data, "has_more": false, "first_id": null, "last_id": null });
    json_reply(StatusCode::OK, &page, &request_id)
}

/// A reply and what belongs around it.
struct Message {
    number: u64,
    model: String,
    input_tokens: usize,
    reply: Reply,
}

impl Message {
    fn id(&self) -> String {
        format!("msg_scripted_{}", self.number)
    }

    fn tool_use_id(&self) -> String {
        format!("toolu_scripted_{}", self.number)
    }

    fn whole(&self) -> Value {
        json!({
            "id": self.id(), "type": "message", "role": "assistant", "model": self.model,
            "content": [self.reply.block(&self.tool_use_id())],
            "stop_reason": self.reply.stop_reason(), "stop_sequence": null,
            "usage": {
                "input_tokens": self.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": self.reply.tokens(),
            },
        })
    }
}

fn streamed(state: &ProviderState, message: &Message, delivery: Delivery, request_id: &str) -> Response {
    let pause = match delivery {
        Delivery::Slow(millis) => Duration::from_millis(millis),
        _ => Duration::ZERO,
    };
    let open = OpenStream::new(&state.open_streams);
    let events = stream::iter(events::of(message, delivery, request_id)).then(move |event| {
        let _open = &open; // lives as long as the stream, however it ends
        async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok::<_, Infallible>(event)
        }
    });
    let mut reply = Response::new(Body::from_stream(events));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    with_request_id(reply, request_id)
}

struct OpenStream(Arc<AtomicUsize>);

impl OpenStream {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn parsed(body: &[u8]) -> Result<Value, Failure> {
    let invalid = |message: String| Failure::of(ErrorType::InvalidRequest, message);
    let request: Value = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    for (member, sound) in [
        ("model", request.get("model").is_some_and(Value::is_string)),
        ("messages", request.get("messages").is_some_and(Value::is_array)),
    ] {
        if !sound {
            return Err(invalid(format!("{member}: Field required")));
        }
    }
    Ok(request)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Failure {
    fn of(error: ErrorType, message: impl Into<String>) -> Self {
        Self { status: error.http_status(), error, message: message.into() }
    }

    fn respond(&self, request_id: &str) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = envelope(self.error, &self.message, request_id);
        let mut reply = (status, [(CONTENT_TYPE, "application/json")], body).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        with_request_id(reply, request_id)
    }
}

fn json_reply(status: StatusCode, body: &Value, request_id: &str) -> Response {
    let reply = (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    with_request_id(reply, request_id)
}

fn with_request_id(mut reply: Response, request_id: &str) -> Response {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        reply.headers_mut().insert(REQUEST_ID, id);
    }
    reply
}

#[cfg(test)]
mod tests;
