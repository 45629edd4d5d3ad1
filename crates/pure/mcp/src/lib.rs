//! MCP words and rules: the raw-JSON envelope, eras, namespaces, list merging and the OpenAPI compiler.
//!
//! Everything here is a value. Messages stay the bytes they were: only the members that a gateway acts on
//! are read or replaced, so unknown members, their order and big numbers pass through untouched.

pub mod arguments;
pub mod detect;
pub mod discover;
pub mod era;
pub mod error;
pub mod hidden_text;
pub mod initialize;
pub mod listing;
pub mod lost_session;
pub mod message;
pub mod mirror;
pub mod namespace;
pub mod openapi;
pub mod protected_resource;
pub mod rewrite;
pub mod sse;
pub mod tool;
pub mod upstream;
pub mod version;
pub mod weight;
