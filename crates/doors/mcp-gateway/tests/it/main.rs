//! The MCP door on a real listener, between real HTTP clients and upstreams that record every byte they get.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value of a known shape")]

mod api;
mod apps;
mod broken_lists;
mod bytes;
mod calls;
mod client;
mod codings;
mod delegation;
mod envelope;
mod failures;
mod floods;
mod gateway;
mod listing;
mod lost_sessions;
mod mcp_server;
mod memory;
mod refusals;
mod sessions;
mod shadowing;
mod told;
mod upstream;
