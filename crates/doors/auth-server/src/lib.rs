//! The authorization server: routes and thin handlers over the OAuth rules.
//!
//! Reading order is that of a sign-in: `authorize` -> `login` -> `connector` -> `consent` -> `token`. A browser's way
//! through it is one `transaction`; whatever grant a client uses, its tokens come from the edge's one issuer.

mod authorize;
mod client_request;
mod connector;
mod consent;
mod cookie;
mod device;
mod dialect;
mod error_response;
mod evidence;
mod federation;
mod introspection;
mod issued_token;
mod landing;
mod login;
mod metadata;
mod page;
mod password_limit;
mod rate_window;
mod refusal;
mod revocation;
mod routes;
mod server;
mod session;
mod settings;
mod signed_in;
mod signin_limit;
mod signout;
mod step;
mod token;
mod transaction;
mod userinfo;

pub use dialect::json as render;
pub use landing::landing_routes;
pub use server::{AuthServer, Parts, SignIns};
