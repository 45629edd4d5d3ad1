//! `GET /v1/models` and `GET /v1/models/{id}`. Some ids hold slashes, which clients escape or do not.

use std::borrow::Cow;
use std::collections::HashSet;

use futures_util::future::join_all;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use gatehouse_config::snapshot::llm::LlmGateway as Settings;
use gatehouse_edge::authorize::{Facts, Slices, may_see, user_of};
use gatehouse_edge::context::{Context, Single, Verified};
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::routes::Outcome;
use gatehouse_llm::model::Model;
use gatehouse_llm::model::page::PageQuery;
use gatehouse_llm::model::pattern::Asked;
use gatehouse_llm::route::attempts;
use gatehouse_policy::input::ModelCall;

use crate::dialect;
use crate::providers::Provider;
use crate::serving::{Serving, settings};

/// The models that the caller may call, a page at a time.
pub(crate) async fn list(serving: &Serving, context: &Context<Verified>) -> Outcome {
    let query = PageQuery::parse(context.head.uri.query().unwrap_or_default()).map_err(bad_query)?;
    let visible = visible(serving, context).await?;
    let models: Vec<&Model> = visible.iter().map(AsRef::as_ref).collect();
    json(&query.page(&models).map_err(bad_query)?)
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

async fn visible<'a>(
    serving: &Serving,
    context: &'a Context<Verified>,
) -> Result<Vec<Cow<'a, Model>>, Rejection> {
    let settings = settings(context)?;
    let mut visible = Visible { serving, settings, context, slices: Slices::begin(), models: Vec::new() };
    // Providers that have to be asked are asked at the same time.
    let patterns = settings.models.iter().filter(|model| model.is_pattern());
    let asked = patterns.flat_map(|model| &model.routes).filter_map(|route| {
        let provider = serving.providers.find(&route.app).ok()?;
        Some(provider.offers.get(&serving.outbound))
    });
    join_all(asked).await;
    for model in settings.models.iter() {
        if model.is_pattern() {
            visible.add_offered(model).await;
        } else if visible.is_callable(Asked::literal(model)).await {
            visible.models.push(Cow::Borrowed(model));
        }
    }
    Ok(visible.models)
}

/// The models that the caller may see, being gathered.
struct Visible<'a, 'c> {
    serving: &'c Serving,
    settings: &'a Settings,
    context: &'a Context<Verified>,
    slices: Slices,
    models: Vec<Cow<'a, Model>>,
}

impl Visible<'_, '_> {
    /// Adds what the providers behind a pattern offer of it.
    async fn add_offered(&mut self, pattern: &Model) {
        let mut seen = HashSet::new();
        for route in &pattern.routes {
            let Ok(provider) = self.serving.providers.find(&route.app) else { continue };
            for offered in provider.offers.get(&self.serving.outbound).await.iter() {
                let Some(id) = pattern.id_of(&route.model, &offered.id) else { continue };
                // A more exact entry speaks for itself.
                let Ok(asked) = self.settings.models.find(&id) else { continue };
                if !std::ptr::eq(asked.model, pattern) || seen.contains(&id) {
                    continue;
                }
                if self.is_callable_at(&id, provider).await {
                    let model = pattern.offered_as(id.clone(), offered);
                    self.models.push(Cow::Owned(model));
                    seen.insert(id);
                }
            }
        }
    }

    /// Whether some route to a model that is written out is open to the caller.
    async fn is_callable(&mut self, asked: Asked<'_>) -> bool {
        for attempt in attempts(asked) {
            let Ok(provider) = self.serving.providers.find(attempt.app) else { continue };
            if self.is_callable_at(&asked.model.id, provider).await {
                return true;
            }
        }
        false
    }

    async fn is_callable_at(&mut self, id: &str, provider: &Provider) -> bool {
        is_callable(id, provider, self.settings, self.context, &mut self.slices).await
    }
}

/// Whether the caller may call the model `id` at `provider`.
async fn is_callable(
    id: &str,
    provider: &Provider,
    settings: &Settings,
    context: &Context<Verified>,
    slices: &mut Slices,
) -> bool {
    let account = &provider.account;
    let facts = Facts::Model(ModelCall {
        principal: &context.who.caller().principal,
        model: id,
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
    });
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
