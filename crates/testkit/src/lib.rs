//! What tests share, in two halves.
//!
//! Tests of the whole gateway run the binary, block, and know nothing of how it is built: a client that sends exactly
//! the bytes it is told to ([`raw_http`]), upstreams that record every byte, an authority that signs whatever it is asked
//! to, a browser, and the running binary.
//!
//! Tests of one door run it in their own runtime: a clock to wind and randomness ([`host`]), audit records in
//! memory ([`recorded`]), snapshots of what a test wrote down ([`configuration`]), a port to serve it on ([`serving`]),
//! and a wait until something is so ([`eventually`]). An empty store, and one that goes away, serve both.
//!
//! Everything stays on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a fixture that cannot work ends the test that needs it"
)]

pub mod authority;
pub mod browser;
pub mod coded;
pub mod configuration;
pub mod documents;
pub mod eventually;
pub mod fixture;
pub mod host;
pub mod identity_provider;
pub mod log_capture;
pub mod loopback;
pub mod mcp;
pub mod outage;
pub mod process;
pub mod raw_http;
pub mod recorded;
pub mod sample;
pub mod serving;
pub mod store;
pub mod upstream;
