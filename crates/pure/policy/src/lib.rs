//! Rego policies: compiled once behind a guard, evaluated on one typed input per decision point.
//!
//! A policy is written by an operator and fed with requests from strangers. Neither may stop the process, so
//! [`Policy::compile`] refuses text that is slow to parse, recursive, or calls what a policy must not call, and
//! [`Policy::consult`] denies whenever an evaluation does not end with a clear answer in its time and memory.

mod builtin;
mod decision;
mod error;
pub mod input;
mod memory;
mod pace;
mod policy;
mod program;
mod reads;
mod scan;
pub mod testing;

pub use decision::{Decision, DenyReason, Outcome};
pub use error::{PolicyError, PolicyErrorKind};
pub use pace::Turn;
pub use policy::{Answered, Asker, Consulted, Policy, PolicyOptions, PolicySource, Question, RegoVersion};
pub use reads::Seen;
