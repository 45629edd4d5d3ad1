//! The authorization server on a real listener with a real store, between browsers, clients and an identity provider
//! that are as small as they can be. The names in brackets are the checks that a test stands for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value of a known shape")]
#![expect(clippy::string_slice, reason = "tokens are ASCII")]

mod answer;
mod authorization;
mod browser;
mod client;
mod client_authentication;
mod client_credentials;
mod code;
mod consent;
mod exchange;
mod federation;
mod fetched_clients;
mod idp;
mod metadata;
mod minting;
mod outage;
mod providers;
mod refresh;
mod resources;
mod revocation;
mod server;
mod sign_in;
mod standing;
mod told;
mod userinfo;
