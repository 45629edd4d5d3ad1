//! The MCP gateway: one endpoint in front of bridged REST APIs and proxied MCP servers.
//!
//! `endpoint` reads as the list of checks of path B in the architecture; `listings` knows what each app offers,
//! `listing` under which names, `tools_list` and `call` serve it; `upstream` speaks to what is behind; `session` keeps the conversations of
//! clients from before 2026-07-28; `resource` says what each endpoint is to OAuth; `dialect` words refusals.

mod call;
mod cancellation;
mod client_info;
mod dialect;
mod endpoint;
mod gateway;
mod listing;
mod listings;
mod reply;
mod resource;
mod session;
mod silent;
mod talk;
mod tools_list;
mod turn;
mod upstream;

pub use self::dialect::render;
pub use self::gateway::{McpGateway, Parts, Patience};
