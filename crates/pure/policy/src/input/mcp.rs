//! Tool calls, resource reads and prompts at the MCP gateway, and the listing of each.

use gatehouse_identity::principal::Principal;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::section::Section;
use super::sink::Sink;
use super::{Facts, Input, Request};

/// One call, or one item of a listing.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// `tools/call`, `tools/list` and so on.
    pub method: &'a str,
    /// The app that serves it.
    pub app: &'a str,
    /// The negotiated protocol version.
    pub protocol_version: &'a str,
    /// What the client says about itself.
    pub client_info: Option<&'a Json>,
    /// What is called or listed.
    pub target: Target<'a>,
}

/// What is called or listed.
#[derive(Clone, Debug)]
pub enum Target<'a> {
    /// A tool.
    Tool {
        /// Its name without namespace.
        name: &'a str,
        /// Its name as clients see it.
        qualified_name: &'a str,
        /// The arguments; none in a listing.
        arguments: Option<&'a RawValue>,
        /// The upstream's hints.
        annotations: Option<&'a Json>,
    },
    /// A resource.
    Resource {
        /// Its address.
        uri: &'a str,
    },
    /// A prompt.
    Prompt {
        /// Its name without namespace.
        name: &'a str,
        /// The arguments; none in a listing.
        arguments: Option<&'a RawValue>,
    },
}

impl<'a> ToolCall<'a> {
    /// The input for this decision. Only the kind of target that is meant is there: a rule about tools is
    /// undefined for a resource.
    pub fn input(&'a self, request: &'a Request<'a>) -> Input<'a> {
        Input { facts: Facts::Tool(self), request }
    }

    /// What stands under `input.request`.
    pub(super) fn request<S: Sink>(&self, request: &mut Section<'_, S>) {
        request.object("mcp", |mcp| {
            mcp.text("method", self.method);
            mcp.text("app", self.app);
            mcp.text("protocol_version", self.protocol_version);
            mcp.json("client_info", self.client_info);
            match &self.target {
                Target::Tool { name, qualified_name, arguments, annotations } => mcp.object("tool", |tool| {
                    tool.text("qualified_name", qualified_name);
                    tool.json("annotations", *annotations);
                    named(tool, name, *arguments);
                }),
                Target::Resource { uri } => mcp.object("resource", |resource| {
                    resource.object("params", |params| params.text("uri", uri));
                }),
                Target::Prompt { name, arguments } => {
                    mcp.object("prompt", |prompt| named(prompt, name, *arguments));
                }
            }
        });
    }

    /// What stands beside `input.request`.
    pub(super) fn beside<S: Sink>(&self, input: &mut Section<'_, S>) {
        input.caller(self.principal);
    }
}

fn named<S: Sink>(target: &mut Section<'_, S>, name: &str, arguments: Option<&RawValue>) {
    target.object("params", |params| {
        params.text("name", name);
        params.raw("arguments", arguments);
    });
}
