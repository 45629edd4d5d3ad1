//! The edge on real sockets: what comes in, what goes out, and what is said about it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]
#![expect(clippy::format_collect, reason = "header fields are few and read best this way")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value of a known shape")]

mod admission;
mod age;
mod credentials;
mod crowd;
mod delegation;
mod door;
mod drain;
mod framing;
mod house;
mod http2;
mod issuer_keys;
mod issuing;
mod listener;
mod memory;
mod outbound;
mod peer;
mod revocation;
mod tls;
mod unread;
