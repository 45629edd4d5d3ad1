//! Credentials at the door: who is calling, proven.

pub mod client;
pub mod resource;
