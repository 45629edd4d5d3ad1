//! Behaviour of the whole gateway.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::format_collect,
    reason = "helpers of tests fail as tests do, and small texts may be copied"
)]

mod backups;
mod canaries;
mod commands;
mod config_documents;
mod docs;
mod evidence;
mod mutations;
mod policy_edges;
mod revoke;
mod routes;
mod standing;
mod two_processes;

use std::path::PathBuf;

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    gatehouse_testkit::process::binary(env!("CARGO_BIN_EXE_gatehouse"))
}
