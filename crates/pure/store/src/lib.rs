//! Repository traits by aggregate and the one conformance suite that every backend must pass.
//!
//! Three rules hold for every backend:
//! - **Durable before acknowledged.** A method that writes returns after the write survives a crash.
//! - **One-time means one conditional write.** Such methods return a [`transition::Transition`]; there is no
//!   "check" method to call first. Time is an argument, and expired rows are absent, swept or not.
//! - **A backend that is down says so quickly** with [`error::StoreError::Unavailable`].

pub mod audit_head;
mod backend;
pub mod conformance;
pub mod consent;
pub mod epoch;
pub mod error;
pub mod fingerprint;
pub mod grant;
pub mod maintenance;
pub mod one_time;
pub mod refresh;
pub mod revocation;
pub mod session;
pub mod signing_key;
pub mod transition;

pub use self::backend::Store;
