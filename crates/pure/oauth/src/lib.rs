//! OAuth 2.1 and OpenID Connect: the words and the rules of the authorization server, without IO.
//!
//! The order of reading is the order of a sign-in: [`form`] -> [`authorization`] -> [`grant`] ->
//! [`token_request`] -> [`redemption`] / [`refresh`] / [`client_credentials`] / [`exchange`] -> [`mint`].

pub mod authorization;
pub mod cimd;
pub mod claims;
pub mod client;
pub mod client_credentials;
pub mod error;
pub mod exchange;
pub mod form;
pub mod grant;
pub mod introspection;
pub mod lineage;
pub mod metadata;
pub mod mint;
pub mod pkce;
pub mod redemption;
pub mod redirect;
pub mod refresh;
pub mod sign_in;
pub mod target;
pub mod token_request;
pub mod userinfo;
