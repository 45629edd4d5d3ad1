//! Tool calls, resource reads and prompts at the MCP gateway, and the listing of each.

use gatehouse_identity::principal::Principal;
use regorus::Value;
use serde_json::Value as Json;

use super::document::{Document, caller, text};
use super::{Input, Request};
use crate::builtin::to_rego;

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
        arguments: Option<&'a Json>,
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
        arguments: Option<&'a Json>,
    },
}

impl ToolCall<'_> {
    /// The input for this decision. Only the kind of target that is meant is there: a rule about tools is
    /// undefined for a resource.
    pub fn input(&self, request: &Request<'_>) -> Input {
        let object = |value: Option<&Json>| value.map_or_else(Value::new_object, to_rego);
        let mut params = Document::new();
        let mut target = Document::new();
        let kind = match &self.target {
            Target::Tool { name, qualified_name, arguments, annotations } => {
                params.put("name", text(name));
                params.put("arguments", object(*arguments));
                target.put("qualified_name", text(qualified_name));
                target.put("annotations", object(*annotations));
                "tool"
            }
            Target::Resource { uri } => {
                params.put("uri", text(uri));
                "resource"
            }
            Target::Prompt { name, arguments } => {
                params.put("name", text(name));
                params.put("arguments", object(*arguments));
                "prompt"
            }
        };
        target.put("params", params.value());

        let mut mcp = Document::new();
        mcp.put("method", text(self.method));
        mcp.put("app", text(self.app));
        mcp.put("protocol_version", text(self.protocol_version));
        mcp.put("client_info", object(self.client_info));
        mcp.put(kind, target.value());
        let mut part = Document::new();
        part.put("mcp", mcp.value());
        let mut input = request.document(part);
        caller(self.principal, request.user.as_ref(), &mut input);
        request.finish(input)
    }
}
