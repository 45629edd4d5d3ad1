//! The MCP gateway: one endpoint in front of bridged REST APIs and proxied MCP servers.
//!
//! `routes` is what is served; `endpoint` reads as the list of checks of path B in the architecture; `request_scope` is what the
//! handling of one request may ask for. `catalog_cache` knows what each app offers, `app_catalog` under which names,
//! `unreachable` which apps cannot say so; `tools_list` and `call` serve it, `upstream_call` is a call on its way, `answer`
//! words how it ends, `reply` sends that. `upstream` speaks to what is behind; `session` keeps the conversations of clients
//! from before 2026-07-28; `resource` says what each endpoint is to OAuth; `dialect` words refusals.

mod answer;
mod app_catalog;
mod call;
mod cancellation;
mod catalog_cache;
mod client_info;
mod dialect;
mod endpoint;
mod gateway;
mod reply;
mod request_scope;
mod resource;
mod routes;
mod session;
mod tool_call;
mod tools_list;
mod unreachable;
mod upstream;
mod upstream_call;

pub use self::dialect::render;
pub use self::gateway::McpGateway;
pub use self::upstream::{Parts, Timeouts};
