//! What is asked for, and by whom.

use clap::ValueEnum;

use super::Target;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Scenario {
    /// A Messages request of Claude Code (48 KB) and a JSON reply (3 KB)
    LlmJson,
    /// The same with a streamed reply of 10,000 text events, as fast as it goes
    LlmSse,
    /// The same with a streamed reply at the pace of a model: time to first token
    LlmTtft,
    /// A small tools/call
    McpCall,
    /// client_credentials, token signed with RS256
    TokenRs256,
    /// client_credentials, token signed with ES256
    TokenEs256,
}

/// What a request needs from the authorization server.
pub(super) struct Grant {
    /// The client that asks.
    pub(super) client: &'static str,
    /// The path of the resource that the token is for.
    pub(super) resource: &'static str,
}

impl Scenario {
    pub(super) const ALL: [Self; 6] =
        [Self::LlmJson, Self::LlmSse, Self::LlmTtft, Self::McpCall, Self::TokenRs256, Self::TokenEs256];

    /// As on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::LlmJson => "llm-json",
            Self::LlmSse => "llm-sse",
            Self::LlmTtft => "llm-ttft",
            Self::McpCall => "mcp-call",
            Self::TokenRs256 => "token-rs256",
            Self::TokenEs256 => "token-es256",
        }
    }

    pub(super) const fn is_token(self) -> bool {
        matches!(self, Self::TokenRs256 | Self::TokenEs256)
    }

    /// Whether many connections at once are measured, too.
    pub(super) const fn has_crowd(self) -> bool {
        !matches!(self, Self::LlmTtft)
    }

    /// JOSE name of the algorithm that signs, where signing is what is measured.
    pub(super) const fn algorithm(self) -> Option<&'static str> {
        match self {
            Self::TokenRs256 => Some("RS256"),
            Self::TokenEs256 => Some("ES256"),
            _ => None,
        }
    }

    /// Events of one reply.
    pub(super) const fn events(self) -> Option<f64> {
        match self {
            // Two events open a stream and three close it.
            Self::LlmSse => Some(10_005.0),
            Self::LlmTtft => Some(8.0),
            _ => None,
        }
    }

    /// In how many sizes the body comes. The policy of the model calls reads the size, as no two real calls have the
    /// same: it must not be able to remember what it decided.
    pub(super) const fn sizes(self) -> u32 {
        match self {
            Self::LlmJson | Self::LlmSse | Self::LlmTtft => 4096,
            Self::McpCall | Self::TokenRs256 | Self::TokenEs256 => 1,
        }
    }

    /// Whether the reply of every target must have the same bytes.
    pub(super) const fn is_verbatim(self) -> bool {
        matches!(self, Self::LlmJson | Self::LlmSse | Self::LlmTtft)
    }

    pub(super) const fn path(self, target: Target) -> &'static str {
        match (self, target) {
            (Self::LlmSse | Self::LlmTtft, Target::Nginx) => "/stream/v1/messages",
            (Self::LlmJson | Self::LlmSse | Self::LlmTtft, _) => "/v1/messages",
            (Self::McpCall, Target::Gatehouse | Target::Before) => "/mcp/invoices",
            (Self::McpCall, _) => "/mcp",
            (Self::TokenRs256 | Self::TokenEs256, _) => "/oauth2/token",
        }
    }

    pub(super) const fn grant(self) -> Grant {
        match self {
            Self::TokenRs256 => Grant { client: "bench-rs256", resource: "/mcp" },
            Self::McpCall | Self::TokenEs256 => Grant { client: "bench-es256", resource: "/mcp" },
            _ => Grant { client: "bench-es256", resource: "" },
        }
    }

    /// Headers as the real client sends them; the credential comes on top, for every target.
    pub(super) const fn headers(self) -> &'static [&'static str] {
        match self {
            Self::LlmJson | Self::LlmSse | Self::LlmTtft => &[
                "accept: application/json",
                "content-type: application/json",
                "user-agent: claude-cli/2.1.329 (external, sdk-cli)",
                "x-claude-code-session-id: 3b7e4c1a-58f2-4d0e-9a6b-2f9d1c8e7a50",
                "x-stainless-arch: x64",
                "x-stainless-lang: js",
                "x-stainless-os: Linux",
                "x-stainless-package-version: 0.128.0",
                "x-stainless-retry-count: 0",
                "x-stainless-runtime: node",
                "x-stainless-runtime-version: v26.3.0",
                "x-stainless-timeout: 600",
                "anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14,\
                 context-management-2025-06-27,effort-2025-11-24",
                "anthropic-dangerous-direct-browser-access: true",
                "anthropic-version: 2023-06-01",
                "x-app: cli",
                "accept-encoding: gzip, deflate, br, zstd",
            ],
            Self::McpCall => &[
                "accept: application/json, text/event-stream",
                "content-type: application/json",
                "user-agent: claude-code/2.1.329",
                "mcp-protocol-version: 2026-07-28",
                "mcp-method: tools/call",
                "mcp-name: findInvoices",
            ],
            Self::TokenRs256 | Self::TokenEs256 => &["content-type: application/x-www-form-urlencoded"],
        }
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
