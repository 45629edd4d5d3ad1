//! Whole files through the public surface of the crate.

mod diagnostics;
mod documented;
mod fixture;
mod mutation;
mod substitution;
