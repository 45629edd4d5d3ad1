//! Who acts: ids, principals, delegation chains, scopes, audiences, and the JOSE that proves them.
//!
//! Everything here is a value. The clock and the source of randomness arrive as arguments
//! ([`clock::Clock`], [`rng::Rng`]), so the same inputs always give the same outputs.

pub mod address;
pub mod assurance;
pub mod audience;
pub mod clock;
pub mod delegation;
pub mod groups;
pub mod id;
pub mod issuer;
pub mod jose;
pub mod principal;
pub mod rng;
pub mod scope;
pub mod secret;
pub mod static_key;
