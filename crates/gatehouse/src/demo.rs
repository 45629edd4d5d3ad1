//! The demo: everything that a gateway stands between, on loopback, with nothing to install.

pub(crate) mod bearer;
pub(crate) mod check;
pub(crate) mod configuration;
pub(crate) mod credentials;
pub(crate) mod directory;
pub(crate) mod guide;
pub(crate) mod ledger;
pub(crate) mod peers;
pub(crate) mod ports;
pub(crate) mod provider;
pub(crate) mod stack;
pub(crate) mod traffic;
