//! Whole files through the public surface of the crate.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::format_collect,
    reason = "a test fails by panicking, and small files may be copied"
)]

mod app_limits;
mod bounds;
mod coherence;
mod diagnostics;
mod documented;
mod fixture;
mod mutation;
mod namespaces;
mod origins;
mod substitution;
