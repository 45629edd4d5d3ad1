//! `POST /v1/messages`.

use std::borrow::Cow;
use std::sync::Arc;

use http::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::body::Incoming;
use tokio::time::Instant;

use gatehouse_audit::event::{RequestFacts, Target};
use gatehouse_config::snapshot::llm::{LlmGateway as Settings, Timeouts};
use gatehouse_edge::authorize::{authorize, user_of};
use gatehouse_edge::context::{Context, Head, Single, Verified};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::outbound::coding::Received;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_llm::anthropic::request::MessagesRequest;
use gatehouse_llm::model::Model;
use gatehouse_llm::model::pattern::Asked;
use gatehouse_llm::route::{Attempt, attempts};
use gatehouse_wire::media_type;

use crate::failures::{Failures, Try, unknown};
use crate::model_call::{Dialect, ModelCall};
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
    let tool_names: Vec<Cow<'_, str>> = request.tool_names().collect();
    let principal = &context.who.caller().principal;
    let mut failures = Failures::none(request, context);
    for attempt in attempts(asked) {
        let provider = serving.providers.find(attempt.app)?;
        let tried = Try { attempt: &attempt, provider, started: Instant::now() };
        let (dialect, tool_names, model) = (&dialect, &*tool_names, &*attempt.model);
        let act =
            ModelCall { principal, request, dialect, tool_names, provider, model, operation: call.operation };
        let permitted = match authorize(act, &settings.inbound, context, Some(user_of(context))).await {
            Ok(permitted) => permitted,
            Err(denial) => {
                failures.denied(tried, denial);
                continue;
            }
        };
        note_target(request, &attempt, provider, context);
        match upstream::send(&serving.outbound, &permitted, call.first_byte, &context.head).await {
            Reply::Passed(response) => {
                failures.passed(tried, response.status().as_u16());
                return Ok(meter(response, asked.model, provider, serving.timeouts, context));
            }
            // That there is no room here is no fault of the route: the next one would have none either.
            Reply::Refused(rejection) => return Err(rejection),
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
    if media_type::is(said, media_type::JSON) {
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
        .is_some_and(|said| media_type::is(said, media_type::EVENT_STREAM));
    let metered = if streamed {
        // Pings and a last error event may come on top of what the provider sends.
        head.headers.remove(CONTENT_LENGTH);
        Metered::stream(body, meter, timeouts)
    } else {
        Metered::whole(body, meter, timeouts)
    };
    Response::from_parts(head, metered)
}
