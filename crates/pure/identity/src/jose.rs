//! JSON Object Signing and Encryption, as far as a verifier and issuer of signed tokens needs it
//! (RFC 7515, 7517, 7518, 7519, 7638).

pub mod algorithm;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod jwk;
mod public_key;
pub mod sign;
pub mod strict_json;
pub mod token;
pub mod verify;
