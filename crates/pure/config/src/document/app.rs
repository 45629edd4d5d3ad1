//! `apps[]`: clients of the authorization server, upstreams of the MCP gateway, accounts of the LLM gateway.

use super::client::ClientApp;
use super::connector::kind;
use super::llm::LlmApp;
use super::mcp::{BridgeApp, ProxyApp};
use super::section::choice;
use super::spot::{Placed, Spot, Value};
use crate::problem::Report;

/// One app.
pub(crate) enum App {
    Client(Box<ClientApp>),
    Bridge(Box<BridgeApp>),
    Proxy(Box<ProxyApp>),
    Llm(Box<LlmApp>),
}

choice! {
    /// What an app is.
    pub(crate) AppKind {
        /// A client of the authorization server.
        Oidc = "oidc",
        /// A REST API as MCP tools.
        McpBridge = "mcpBridge",
        /// An MCP server.
        McpProxy = "mcpProxy",
        /// An account at a model provider.
        Llm = "llm",
    }
    refused { "saml" | "proxy" | "header" => "only oidc, mcpBridge, mcpProxy and llm apps are served" }
}

impl Value for App {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        match kind(spot, report)? {
            AppKind::Oidc => ClientApp::read(spot, report).map(|app| Self::Client(Box::new(app))),
            AppKind::McpBridge => BridgeApp::read(spot, report).map(|app| Self::Bridge(Box::new(app))),
            AppKind::McpProxy => ProxyApp::read(spot, report).map(|app| Self::Proxy(Box::new(app))),
            AppKind::Llm => LlmApp::read(spot, report).map(|app| Self::Llm(Box::new(app))),
        }
    }
}

impl App {
    pub(crate) fn name(&self) -> &Placed<String> {
        match self {
            Self::Client(app) => &app.name,
            Self::Bridge(app) => &app.name,
            Self::Proxy(app) => &app.name,
            Self::Llm(app) => &app.name,
        }
    }
}
