//! Where people sign in; one file per kind of connector.

pub(crate) mod local;
pub(crate) mod oidc;
