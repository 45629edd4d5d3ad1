//! The Messages API as Anthropic defines it.

pub mod error;
pub mod headers;
pub mod reply;
pub mod request;
pub mod stream;
