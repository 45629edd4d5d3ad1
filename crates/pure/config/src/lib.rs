//! The written document, its diagnostics, and its compilation to an immutable snapshot.
//!
//! [`source`] turns bytes into a located tree, [`document`] gives it types, [`snapshot`] gives it meaning.
//! Every step collects all problems ([`problem::Problem`]) instead of stopping at the first.

pub mod document;
pub mod load;
mod nearest;
pub mod problem;
pub mod snapshot;
pub mod source;
pub mod starter;
