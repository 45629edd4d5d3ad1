//! The LLM door on a real listener, between clients and providers that are nothing but bytes on sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]
#![expect(clippy::format_collect, reason = "header fields are few and read best this way")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value of a known shape")]

mod authn;
mod bytes;
mod client;
mod codings;
mod errors;
mod gateway;
mod headers;
mod memory;
mod models;
mod patterns;
mod policy;
mod provider;
mod streams;
