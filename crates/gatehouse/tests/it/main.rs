//! Behaviour of the whole gateway.

mod canaries;
mod commands;
mod docs;
mod policy_edges;
mod routes;

use std::path::PathBuf;

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    gatehouse_testkit::process::binary(env!("CARGO_BIN_EXE_gatehouse"))
}
