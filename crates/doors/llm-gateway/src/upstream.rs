//! One attempt at one provider account.

use std::time::Duration;

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use http::response::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use gatehouse_edge::context::{Context, Head, Verified};
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::client::OutboundRequest;
use gatehouse_edge::outbound::coding::{Received, Unreadable};
use gatehouse_edge::permit::Permitted;
use gatehouse_edge::rejection::{Rejection, RejectionKind, excerpt};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_llm::anthropic::error::{ErrorType, RetryAdvice, SHOULD_RETRY, is_of_type, with_request_id};
use gatehouse_llm::anthropic::headers;
use gatehouse_llm::anthropic::headers::{RequestHeader, ResponseHeader, UPSTREAM_REQUEST_ID};
use gatehouse_llm::route::{Failure, Shown};
use gatehouse_wire::media_type;

use crate::dialect;
use crate::failed::Failed;
use crate::model_call::ModelCall;
use crate::providers::Operation;

/// What is asked of a provider.
pub(crate) struct Call {
    /// The operation.
    pub(crate) operation: Operation,
    /// How long the reply may take to begin.
    pub(crate) first_byte: Duration,
}

/// How many header fields a request to a provider has as a rule.
const USUAL_FIELDS: usize = 12;

/// How an attempt went.
pub(crate) enum Reply {
    /// A reply to pass on.
    Passed(Response<Received>),
    /// None.
    Failed(Failed),
    /// None that could be read here: there is no room for it.
    Refused(Rejection),
}

/// Sends a permitted call, with the account's credential in place of the caller's.
pub(crate) async fn send(
    outbound: &Outbound,
    permitted: &Permitted<ModelCall<'_>>,
    first_byte: Duration,
    inbound: &Head,
) -> Reply {
    let call = permitted.act();
    let client = &outbound.egress(call.provider.account.tls.as_ref()).upstreams;
    let sent = match permitted.destination() {
        Ok(to) => client.send(&to, request(call, inbound), first_byte).await,
        Err(unsendable) => Err(unsendable),
    };
    match sent {
        Ok(response) if response.status().is_success() => match response.body().check() {
            Err(Unreadable::Room(over)) => Reply::Refused(over.of_upstream("the model provider")),
            Err(unreadable) => failed(&unreadable.into()),
            Ok(()) => match check_is_reply(response.headers()) {
                Ok(()) => Reply::Passed(pass_headers(response)),
                Err(rejection) => failed(&rejection),
            },
        },
        Ok(response) => {
            let failure = Failure::Status(response.status().as_u16());
            let response = pass_headers(response);
            let detail = described(response.headers());
            Reply::Failed(Failed { failure, response: Some(response), detail })
        }
        Err(rejection) => failed(&rejection),
    }
}

fn failed(rejection: &Rejection) -> Reply {
    let failure = match rejection.kind {
        RejectionKind::UpstreamTimeout => Failure::TimedOut,
        RejectionKind::UpstreamFailed if rejection.reason != "upstream_unreachable" => Failure::Unreadable,
        _ => Failure::Unreachable,
    };
    Reply::Failed(Failed { failure, response: None, detail: rejection.detail().into_owned() })
}

/// What there is to say of an error besides its status, and how the provider's own operators find it. Its words stay
/// out of the log: they quote the request.
fn described(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(CONTENT_TYPE.as_str()).unwrap_or("no media type");
    let their_id = text(UPSTREAM_REQUEST_ID).map(|id| format!("; its own request id is {id}"));
    excerpt(&format!("answered with {media_type}{}", their_id.unwrap_or_default())).to_owned()
}

/// A success that is neither JSON nor an event stream is the page of something between us and the provider. Nobody could
/// say what it used, and no client could read it.
fn check_is_reply(headers: &HeaderMap) -> Result<(), Rejection> {
    let found = content_type(headers);
    if is_json(headers) || media_type::is(found, media_type::EVENT_STREAM) {
        return Ok(());
    }
    let public = "The model provider's answer is not of its API.";
    Err(Rejection::new(RejectionKind::UpstreamFailed, "provider_unreadable", public)
        .because(format!("a success with content-type {found:?}")))
}

fn request(call: &ModelCall<'_>, inbound: &Head) -> OutboundRequest {
    let mut headers = HeaderMap::with_capacity(USUAL_FIELDS);
    for (name, value) in inbound.fields() {
        if headers::request(name.as_str()) == RequestHeader::Forward {
            headers.append(name.clone(), value.clone());
        }
    }
    // What the body was read as, whatever else the client may have said of it.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (name, value) = &call.provider.credential;
    headers.insert(name.clone(), value.clone());
    OutboundRequest {
        method: Method::POST,
        path: call.provider.path(call.operation),
        headers,
        // Only the model id may change on the way; all else are the very bytes of the client.
        body: body::pieces(call.request.with_model(call.model)),
    }
}

/// Keeps the response headers that may reach the client.
fn pass_headers(mut response: Response<Received>) -> Response<Received> {
    let inbound = std::mem::take(response.headers_mut());
    let length = inbound.get(CONTENT_LENGTH).cloned();
    let out = response.headers_mut();
    for (name, value) in &inbound {
        match headers::response(name.as_str()) {
            ResponseHeader::Forward => {
                out.append(name.clone(), value.clone());
            }
            ResponseHeader::Rename(other) => {
                out.append(HeaderName::from_static(other), value.clone());
            }
            ResponseHeader::Strip(_) => {}
        }
    }
    out.entry(CACHE_CONTROL).or_insert(dialect::NO_STORE);
    // The bytes pass unchanged, so their number does too.
    if let Some(length) = length {
        out.insert(CONTENT_LENGTH, length);
    }
    response
}

/// The largest error that is passed on in the provider's own words.
const ERROR_LIMIT: usize = 64 * 1024;
/// How long the provider may take over the words of an error.
const ERROR_TIME: Duration = Duration::from_secs(10);

/// What the client sees when no attempt gave a reply, with `advice` on trying again.
pub(crate) async fn show(failed: Failed, advice: RetryAdvice, context: &Context<Verified>) -> Outcome {
    let Failed { failure, response, .. } = failed;
    let mut shown = match (failure.shown(), response) {
        (Shown::Provider, Some(response)) => {
            let (head, body) = response.into_parts();
            match words(&head, body).await {
                Some(words) => identified(head, words, context),
                None => reworded(&head, context),
            }
        }
        (Shown::Ours { status, error, message }, _) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            // Clients show people the message, but no header: this is how they can tell operators which request it was.
            let message = format!("{message} (request {})", context.request_id);
            dialect::error(status, error, &message, context.request_id.as_str())
        }
        (Shown::Provider, None) => {
            return Err(Rejection::internal("provider_silent", "a failure without an answer"));
        }
    };
    if let Some(value) = advice.header_value() {
        shown.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static(value));
    }
    Ok(shown)
}

/// What a failure means more exactly. A provider that says in the API's words that it cannot find something has no such
/// model, and where only a pattern stands for the model (`open`), the client named it. A provider that does not know how
/// to count tokens may be well otherwise. Any other 404 is about where we ask.
pub(crate) async fn understood(failed: Failed, open: bool, operation: Operation) -> Failed {
    let counts = matches!(operation, Operation::CountTokens);
    let failure = match (failed.failure, failed.response) {
        (Failure::Status(404), Some(response)) if open || counts => {
            let (head, body) = response.into_parts();
            let lacks_model = is_of_type(&words(&head, body).await.unwrap_or_default(), ErrorType::NotFound);
            match (lacks_model, open) {
                (true, true) => Failure::NoSuchModel,
                (false, _) if counts => Failure::CannotCount(404),
                _ => Failure::Status(404),
            }
        }
        (Failure::Status(status @ (405 | 501)), Some(_)) if counts => Failure::CannotCount(status),
        (failure, response) => return Failed { failure, response, detail: failed.detail },
    };
    Failed { failure, response: None, detail: failed.detail }
}

/// The body of an error, unless it is no JSON, longer than errors are, or breaks off.
async fn words(head: &Parts, body: Received) -> Option<String> {
    if !is_json(&head.headers) {
        return None;
    }
    let read = timeout(ERROR_TIME, Limited::new(body, ERROR_LIMIT).collect()).await.ok()?.ok()?;
    String::from_utf8(read.to_bytes().into()).ok()
}

/// The provider's words under the request id that our operators can search; the provider's own stays in a header.
fn identified(mut head: Parts, words: String, context: &Context<Verified>) -> Response<Body> {
    let words = with_request_id(&words, context.request_id.as_str()).unwrap_or(words);
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(words.len()));
    Response::from_parts(head, body::full(words))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type::is(content_type(headers), media_type::JSON)
}

/// An error page of something between us and the provider, such as a load balancer: clients of the Messages API
/// could not read it. Its status and its advice on retrying stay.
fn reworded(page: &Parts, context: &Context<Verified>) -> Response<Body> {
    let status = page.status;
    let kind = ErrorType::of_status(status.as_u16());
    let message = "the model provider answered with an error that is not of its API";
    let mut response = dialect::error(status, kind, message, context.request_id.as_str());
    let headers = response.headers_mut();
    for (name, value) in &page.headers {
        if ![CACHE_CONTROL, CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING].contains(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    response
}
