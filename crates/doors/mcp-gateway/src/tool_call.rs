//! A call of one tool: what policies are asked about it, and, once permitted, all that goes out.

use std::sync::Arc;

use gatehouse_config::snapshot::mcp::{McpApp, ProxyUpstream, Upstream};
use gatehouse_config::snapshot::outbound::Outbound as OutboundRule;
use gatehouse_config::snapshot::tls::TlsProfile;
use gatehouse_edge::authorize::{Act, Facts};
use gatehouse_edge::permit::{Delegated, Origin, Outgoing};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::principal::Principal;
use gatehouse_mcp::arguments::Arguments;
use gatehouse_mcp::openapi::BridgeTool;
use gatehouse_mcp::version::Version;
use gatehouse_policy::input;
use serde_json::Value;

use crate::app_catalog::ExportedTool;

/// A call of one tool.
pub(crate) struct ToolCall<'r> {
    pub(crate) principal: &'r Principal,
    pub(crate) app: &'r Arc<McpApp>,
    pub(crate) exported_tool: Arc<ExportedTool>,
    pub(crate) target: Target<'r>,
    pub(crate) arguments: Arguments<'r>,
    /// The client's revision.
    pub(crate) version: Version,
    /// What the client says about itself.
    pub(crate) client_info: Option<&'r Value>,
    /// What policies may read of the tool's annotations.
    pub(crate) annotations: Option<Value>,
}

/// What answers the call.
#[derive(Clone, Copy)]
pub(crate) enum Target<'r> {
    /// One operation of an API.
    Bridge {
        /// The operation.
        tool: &'r BridgeTool,
        /// How its server is recognised.
        tls: Option<&'r Arc<TlsProfile>>,
    },
    /// An MCP server.
    Proxy(&'r ProxyUpstream),
}

impl<'r> Target<'r> {
    /// What answers for the tool at `index` of the list of `app`; `None` when the list does not fit the app.
    pub(crate) fn of(app: &'r McpApp, index: usize, exported_tool: &ExportedTool) -> Option<Self> {
        match &app.upstream {
            Upstream::Proxy(proxy) => Some(Self::Proxy(proxy)),
            // The order of a bridge's list is that of its tools; the name makes sure.
            Upstream::Bridge { bridge, tls } => {
                let tool = bridge.tools.get(index)?;
                let is_same = tool.tool().name() == exported_tool.tool.name();
                is_same.then_some(Self::Bridge { tool, tls: tls.as_ref() })
            }
        }
    }
}

impl Act for ToolCall<'_> {
    fn facts(&self) -> Facts<'_> {
        Facts::Tool(input::ToolCall {
            principal: self.principal,
            method: "tools/call",
            app: self.app.name.as_str(),
            protocol_version: self.version.as_str(),
            client_info: self.client_info,
            target: input::Target::Tool {
                name: self.exported_tool.tool.name(),
                qualified_name: &self.exported_tool.qualified,
                arguments: Some(self.arguments.raw()),
                annotations: self.annotations.as_ref(),
            },
        })
    }
}

impl Outgoing for ToolCall<'_> {
    fn origin(&self) -> Result<Origin, Rejection> {
        Origin::of(match self.target {
            Target::Bridge { tool, .. } => tool.base(),
            Target::Proxy(proxy) => &proxy.url,
        })
    }
}

impl Delegated for ToolCall<'_> {
    fn credential_rule(&self) -> Option<&OutboundRule> {
        Some(&self.app.outbound)
    }

    fn tool(&self) -> Option<&str> {
        Some(self.exported_tool.tool.name())
    }
}
