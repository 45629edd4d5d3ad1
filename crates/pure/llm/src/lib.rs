//! The Messages API: request envelope, replies, streams, usage, models, routes and prices.
//!
//! Bytes stay bytes: requests and replies are read for the few members this gateway acts on and are
//! passed on exactly as they came. Streams are `push(chunk)` and `finish()`, so the same bytes give the
//! same answer however the network cut them.

pub mod anthropic;
pub mod model;
pub mod price;
pub mod route;
pub mod usage;
