//! `GET /v1/models` and `GET /v1/models/{id}`.

use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use gatehouse_config::snapshot::llm::LlmGateway as Settings;
use gatehouse_edge::authorize::{Slices, may_see, user_of};
use gatehouse_edge::context::{Context, Single, Verified};
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_llm::model::Model;
use gatehouse_llm::model::page::PageQuery;
use gatehouse_llm::route::attempts;
use gatehouse_policy::input::ModelCall;

use crate::dialect;
use crate::door::{Serving, settings};
use crate::providers::Provider;

/// The models that the caller may call, a page at a time.
pub(crate) async fn list(serving: &Serving, context: &Context<Verified>) -> Outcome {
    let query = PageQuery::parse(context.head.uri.query().unwrap_or_default()).map_err(bad_query)?;
    let visible = visible(serving, context).await?;
    json(&query.page(&visible).map_err(bad_query)?)
}

/// One model; one that the caller may not call is not there.
pub(crate) async fn show(serving: &Serving, context: &Context<Verified>) -> Outcome {
    let segment = context.segment.as_deref().unwrap_or_default();
    let id = percent_decode_str(segment).decode_utf8_lossy();
    let Some(model) = visible(serving, context).await?.into_iter().find(|model| model.id == id) else {
        let unknown = format!("model: `{id}` is not available through this gateway");
        return Err(
            Rejection::new(RejectionKind::NotFound, "model_unknown", unknown.as_str()).because(unknown)
        );
    };
    json(&model.entry())
}

async fn visible<'a>(serving: &Serving, context: &'a Context<Verified>) -> Result<Vec<&'a Model>, Rejection> {
    let settings = settings(context)?;
    let (mut visible, mut slices) = (Vec::new(), Slices::begin());
    for model in settings.models.iter() {
        for attempt in attempts(model) {
            let Ok(provider) = serving.providers.find(&attempt.route.app) else { continue };
            if is_callable(model, provider, settings, context, &mut slices).await {
                visible.push(model);
                break;
            }
        }
    }
    Ok(visible)
}

/// Whether the caller may call `model` at `provider`.
async fn is_callable(
    model: &Model,
    provider: &Provider,
    settings: &Settings,
    context: &Context<Verified>,
    slices: &mut Slices,
) -> bool {
    let account = &provider.account;
    let facts = ModelCall {
        principal: &context.who.caller().principal,
        model: &model.id,
        stream: false,
        max_tokens: 0,
        tool_names: &[],
        api_version: context.head.single(Single::AnthropicVersion).unwrap_or_default(),
        betas: &[],
        input_bytes: 0,
        app: account.name.as_str(),
        provider: account.provider.as_str(),
        region: account.region.as_deref().unwrap_or_default(),
        residency: account.residency.as_deref().unwrap_or_default(),
    };
    may_see(&facts, &settings.inbound, context, Some(user_of(context)), slices).await.is_ok()
}

fn bad_query(error: impl std::fmt::Display) -> Rejection {
    Rejection::malformed("query_malformed", error.to_string())
}

fn json(value: &impl Serialize) -> Outcome {
    let text =
        serde_json::to_string(value).map_err(|error| Rejection::internal("encoding", error.to_string()))?;
    Ok(dialect::json(StatusCode::OK, text))
}
