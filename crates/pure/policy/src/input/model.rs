//! Model calls at the LLM gateway.

use std::borrow::Cow;

use gatehouse_identity::principal::Principal;

use super::section::Section;
use super::sink::Sink;
use super::{Facts, Input, Request};

/// One Messages API request and the route it would take.
#[derive(Clone, Debug)]
pub struct ModelCall<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// The model as the client names it.
    pub model: &'a str,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// The requested limit of output tokens; 0 when the request has none.
    pub max_tokens: u64,
    /// Names of the tools that the request offers to the model.
    pub tool_names: &'a [Cow<'a, str>],
    /// `anthropic-version`.
    pub api_version: &'a str,
    /// `anthropic-beta`, one entry each.
    pub betas: &'a [String],
    /// Size of the request body in bytes.
    pub input_bytes: u64,
    /// The app of the route.
    pub app: &'a str,
    /// Its provider.
    pub provider: &'a str,
    /// Its region; empty when not configured.
    pub region: &'a str,
    /// Its residency label; empty when not configured.
    pub residency: &'a str,
}

impl<'a> ModelCall<'a> {
    /// The input for this decision.
    pub fn input(&'a self, request: &'a Request<'a>) -> Input<'a> {
        Input { facts: Facts::Model(self), request }
    }

    /// What stands under `input.request`.
    pub(super) fn request<S: Sink>(&self, request: &mut Section<'_, S>) {
        request.object("llm", |llm| {
            llm.text("model", self.model);
            llm.flag("stream", self.stream);
            llm.number("max_tokens", self.max_tokens);
            llm.texts("tool_names", self.tool_names.iter().map(AsRef::as_ref));
            llm.text("api_version", self.api_version);
            llm.texts("betas", self.betas.iter().map(String::as_str));
            llm.number("input_bytes", self.input_bytes);
        });
    }

    /// What stands beside `input.request`.
    pub(super) fn beside<S: Sink>(&self, input: &mut Section<'_, S>) {
        input.object("route", |route| {
            route.text("app", self.app);
            route.text("provider", self.provider);
            route.text("region", self.region);
            route.text("residency", self.residency);
        });
        input.caller(self.principal);
    }
}
