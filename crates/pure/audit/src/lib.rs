//! Evidence: the closed vocabulary of things worth recording, the hash chain that ties the records together, and
//! the trait that the writers implement.
//!
//! A record never holds a prompt, a completion, a tool argument, a result or a credential: only names, sizes and
//! keyed hashes ([`fingerprint`]).

pub mod chain;
pub mod checkpoint;
pub mod event;
pub mod fingerprint;
pub mod head;
mod hex;
pub mod proof;
pub mod sink;
pub mod tally;
