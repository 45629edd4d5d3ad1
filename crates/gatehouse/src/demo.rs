//! The demo: everything that a gateway stands between, on loopback, with nothing to install.

pub(crate) mod bearer;
pub(crate) mod directory;
pub(crate) mod ledger;
pub(crate) mod provider;
pub(crate) mod seen;
