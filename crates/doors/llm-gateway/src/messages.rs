//! `POST /v1/messages`.

use std::borrow::Cow;
use std::sync::Arc;

use http::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::body::Incoming;
use tokio::time::Instant;

use gatehouse_audit::event::{RequestFacts, Target};
use gatehouse_config::snapshot::llm::{LlmGateway as Settings, Timeouts};
use gatehouse_edge::authorize::{ModelUse, Permit, authorize, user_of};
use gatehouse_edge::context::{Context, Head, List, Single, Verified};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::outbound::coding::Received;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_llm::anthropic::request::MessagesRequest;
use gatehouse_llm::model::Model;
use gatehouse_llm::model::pattern::Asked;
use gatehouse_llm::route::{Attempt, attempts};
use gatehouse_policy::input::ModelCall;

use crate::failures::{Failures, Try, unknown};
use crate::providers::{Operation, Provider};
use crate::serving::{Serving, settings};
use crate::stream::{Meter, Metered};
use crate::upstream::{self, Call, Reply};

/// Reads, finds the model, asks policy about each route in turn, and passes on the first reply there is.
pub(crate) async fn create(serving: Arc<Serving>, body: Incoming, context: Context<Verified>) -> Outcome {
    let request = read(body, &context).await?;
    let settings = settings(&context)?;
    let asked = find(&request, settings, &context)?;
    let Timeouts { first_event, whole_reply, .. } = serving.timeouts;
    let first_byte = if request.stream() { first_event } else { whole_reply };
    let call = Call { operation: Operation::Messages, first_byte };
    dispatch(&serving, &call, &request, asked, &context).await
}

/// Tries the routes of the model that is asked for, in their order.
pub(crate) async fn dispatch(
    serving: &Serving,
    call: &Call,
    request: &MessagesRequest,
    asked: Asked<'_>,
    context: &Context<Verified>,
) -> Outcome {
    let settings = settings(context)?;
    let dialect = Dialect::read(&context.head)?;
    let mut failures = Failures::none(request, context);
    for attempt in attempts(asked) {
        let provider = serving.providers.find(attempt.app)?;
        let tried = Try { attempt: &attempt, provider, started: Instant::now() };
        let permit = match permit(request, &dialect, provider, settings, context).await {
            Ok(permit) => permit,
            Err(denial) => {
                failures.denied(tried, denial);
                continue;
            }
        };
        note_target(request, &attempt, provider, context);
        // Only the model id may change on the way; all else are the very bytes of the client.
        let body = body::pieces(request.with_model(&attempt.model));
        match upstream::send(&serving.outbound, &permit, call, provider, body, context).await {
            Reply::Passed(response) => {
                failures.passed(tried, response.status().as_u16());
                return Ok(meter(response, asked.model, provider, serving.timeouts, context));
            }
            Reply::Failed(failed) => {
                let failed = upstream::understood(failed, asked.is_open(), call.operation).await;
                if !failures.failed(tried, failed) {
                    break;
                }
            }
        }
    }
    failures.into_outcome(serving).await
}

/// The request, parsed once; everything after works with what was parsed.
pub(crate) async fn read(body: Incoming, context: &Context<Verified>) -> Result<MessagesRequest, Rejection> {
    check_media_type(&context.head)?;
    let read = body::read(context, body, settings(context)?.body_limit).await;
    let bytes = context.limits.counted(Limit::LlmBody, read)?;
    let size = bytes.len() as u64;
    context.note(|event| event.with_request(RequestFacts { bytes: Some(size), ..RequestFacts::default() }));
    MessagesRequest::parse(bytes)
        .map_err(|error| Rejection::malformed("request_malformed", error.to_string()))
}

/// The body must be JSON by what the client says of it.
fn check_media_type(head: &Head) -> Result<(), Rejection> {
    let said = head.single(Single::ContentType).unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let public = format!("expected content-type application/json, found {said:?}");
    Err(Rejection::new(RejectionKind::UnsupportedMediaType, "media_type", public))
}

/// The model by its id, or by a pattern that stands for it.
pub(crate) fn find<'a>(
    request: &'a MessagesRequest,
    settings: &'a Settings,
    context: &Context<Verified>,
) -> Result<Asked<'a>, Rejection> {
    settings.models.find(request.model()).map_err(|_| {
        let model = Some(request.model().to_owned());
        context.note(|event| event.with_target(Target { model, ..Target::default() }));
        unknown(request.model())
    })
}

async fn permit(
    request: &MessagesRequest,
    dialect: &Dialect<'_>,
    provider: &Provider,
    settings: &Settings,
    context: &Context<Verified>,
) -> Result<Permit<ModelUse>, Rejection> {
    let account = &provider.account;
    let tool_names: Vec<Cow<'_, str>> = request.tool_names().collect();
    let facts = ModelCall {
        principal: &context.who.caller().principal,
        model: request.model(),
        stream: request.stream(),
        max_tokens: request.max_tokens().unwrap_or(0),
        tool_names: &tool_names,
        api_version: dialect.version,
        betas: &dialect.betas,
        input_bytes: request.body().len() as u64,
        app: account.name.as_str(),
        provider: account.provider.as_str(),
        region: account.region.as_deref().unwrap_or_default(),
        residency: account.residency.as_deref().unwrap_or_default(),
    };
    authorize(&facts, &settings.inbound, context, Some(user_of(context))).await
}

/// Which form of the API the client speaks, as its headers say. They go to the provider as they are, so policy must
/// not see less of them.
struct Dialect<'a> {
    version: &'a str,
    betas: Vec<String>,
}

impl<'a> Dialect<'a> {
    fn read(head: &'a Head) -> Result<Self, Rejection> {
        let malformed = |name: &str| {
            Rejection::malformed("header_malformed", format!("{name}: expected printable ASCII"))
        };
        let version = head.value(Single::AnthropicVersion).map_or(Ok(""), |value| value.to_str());
        let version = version.map_err(|_| malformed("anthropic-version"))?;
        if head.list(List::AnthropicBeta).any(|line| line.to_str().is_err()) {
            return Err(malformed("anthropic-beta"));
        }
        let betas = head.elements(List::AnthropicBeta).map(str::to_owned).collect();
        Ok(Self { version, betas })
    }
}

fn note_target(
    request: &MessagesRequest,
    attempt: &Attempt<'_>,
    provider: &Provider,
    context: &Context<Verified>,
) {
    let account = &provider.account;
    context.note(|event| {
        event.with_target(Target {
            app: Some(account.name.to_string()),
            model: Some(request.model().to_owned()),
            provider: Some(account.provider.as_str().to_owned()),
            upstream_model: Some(attempt.model.to_string()),
            upstream: Some(provider.origin.clone()),
            ..Target::default()
        })
    });
}

/// The reply with its body counted on the way through.
fn meter(
    response: Response<Received>,
    model: &Model,
    provider: &Provider,
    timeouts: Timeouts,
    context: &Context<Verified>,
) -> Response<Body> {
    let meter = Meter::new(model.price, &provider.account, context);
    let (mut head, body) = response.into_parts();
    let streamed = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|media_type| media_type.starts_with("text/event-stream"));
    let metered = if streamed {
        // Pings and a last error event may come on top of what the provider sends.
        head.headers.remove(CONTENT_LENGTH);
        Metered::stream(body, meter, timeouts)
    } else {
        Metered::whole(body, meter)
    };
    Response::from_parts(head, metered)
}
