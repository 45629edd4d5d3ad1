//! What tests of the whole gateway share: a client that sends exactly the bytes it is told to, upstreams that record
//! every byte, an authority that signs whatever it is asked to, a browser, an empty store, a store
//! that goes away, and the running binary.
//!
//! Everything blocks and runs on loopback; nothing here knows how the gateway is built.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a fixture that cannot work ends the test that needs it"
)]

pub mod authority;
pub mod browser;
pub mod documents;
pub mod fixture;
pub mod mcp;
pub mod outage;
pub mod process;
pub mod sample;
pub mod store;
pub mod upstream;
pub mod wire;
