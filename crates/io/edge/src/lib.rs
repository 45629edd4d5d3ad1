//! The only way in and the only way out.
//!
//! `server` owns sockets, `door` takes each request through admission, routing, authentication, handler and audit;
//! `authn`, `authorize` and `issuer` decide who calls, what is permitted and what is minted; `outbound` carries
//! permitted calls out; `memory` counts what is held for others meanwhile. Nothing here names a protocol message: that is the doors' business.

pub mod apps;
pub mod authn;
pub mod authorize;
pub mod context;
pub mod door;
pub mod issuer;
pub mod lane;
pub mod limits;
pub mod memory;
pub mod outbound;
pub mod partial_lists;
pub mod permit;
pub mod rejection;
pub mod server;
pub mod timer;
