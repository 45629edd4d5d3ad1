//! A call of a model by one of its routes: what policies are asked about it, and, once permitted, all that goes out.

use std::borrow::Cow;

use gatehouse_edge::authorize::{Act, Facts};
use gatehouse_edge::context::{Head, List, Single};
use gatehouse_edge::permit::{Origin, Outgoing};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::principal::Principal;
use gatehouse_llm::anthropic::request::MessagesRequest;
use gatehouse_policy::input;

use crate::providers::{Operation, Provider};

/// A call of a model by one of its routes.
pub(crate) struct ModelCall<'r> {
    pub(crate) principal: &'r Principal,
    pub(crate) request: &'r MessagesRequest,
    pub(crate) dialect: &'r Dialect<'r>,
    /// The names of the request's tools.
    pub(crate) tool_names: &'r [Cow<'r, str>],
    pub(crate) provider: &'r Provider,
    /// What the provider calls the model.
    pub(crate) model: &'r str,
    pub(crate) operation: Operation,
}

impl Act for ModelCall<'_> {
    fn facts(&self) -> Facts<'_> {
        let account = &self.provider.account;
        Facts::Model(input::ModelCall {
            principal: self.principal,
            model: self.request.model(),
            stream: self.request.stream(),
            max_tokens: self.request.max_tokens().unwrap_or(0),
            tool_names: self.tool_names,
            api_version: self.dialect.version,
            betas: &self.dialect.betas,
            input_bytes: self.request.body().len() as u64,
            app: account.name.as_str(),
            provider: account.provider.as_str(),
            region: account.region.as_deref().unwrap_or_default(),
            residency: account.residency.as_deref().unwrap_or_default(),
        })
    }
}

impl Outgoing for ModelCall<'_> {
    fn origin(&self) -> Result<Origin, Rejection> {
        Origin::of_uri(self.provider.uri(self.operation))
    }
}

/// Which form of the API the client speaks, as its headers say. They go to the provider as they are, so policy must
/// not see less of them.
pub(crate) struct Dialect<'a> {
    version: &'a str,
    betas: Vec<String>,
}

impl<'a> Dialect<'a> {
    /// Errors when a header of the API is no printable ASCII.
    pub(crate) fn read(head: &'a Head) -> Result<Self, Rejection> {
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
