//! Model calls at the LLM gateway.

use gatehouse_identity::principal::Principal;
use regorus::Value;

use super::document::{Document, caller, strings, text};
use super::{Input, Request};

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
    pub tool_names: &'a [String],
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

impl ModelCall<'_> {
    /// The input for this decision.
    pub fn input(&self, request: &Request<'_>) -> Input {
        let mut llm = Document::new();
        llm.put("model", text(self.model));
        llm.put("stream", Value::from(self.stream));
        llm.put("max_tokens", Value::from(self.max_tokens));
        llm.put("tool_names", strings(self.tool_names));
        llm.put("api_version", text(self.api_version));
        llm.put("betas", strings(self.betas));
        llm.put("input_bytes", Value::from(self.input_bytes));
        let mut route = Document::new();
        route.put("app", text(self.app));
        route.put("provider", text(self.provider));
        route.put("region", text(self.region));
        route.put("residency", text(self.residency));
        let mut part = Document::new();
        part.put("llm", llm.value());
        let mut input = request.document(part);
        input.put("route", route.value());
        caller(self.principal, request.user.as_ref(), &mut input);
        request.finish(input)
    }
}
