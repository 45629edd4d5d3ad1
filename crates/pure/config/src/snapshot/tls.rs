//! TLS profiles. What is inside the PEM is for the room that opens sockets to judge.

pub(crate) mod files;

use gatehouse_identity::secret::Secret;

pub use crate::document::platform::{ClientAuth, TlsVersion};

/// A named TLS profile.
pub struct TlsProfile {
    /// Its name in the configuration.
    pub name: String,
    /// What this side shows.
    pub certificate: Option<Certificate>,
    /// PEM of the authorities that servers are checked against; `None` for the public ones.
    pub roots: Option<Vec<u8>>,
    /// Whether callers must show a certificate.
    pub client_auth: ClientAuth,
    /// PEM of the authorities that callers are checked against, one element per file.
    pub client_roots: Vec<Vec<u8>>,
    /// The oldest version.
    pub min_version: TlsVersion,
}

/// A certificate chain and its key.
pub struct Certificate {
    /// Where the chain was read, so that it can be read again when it is renewed.
    pub chain_file: String,
    /// Where the key was read.
    pub key_file: String,
    /// PEM, the end-entity certificate first.
    pub chain: Vec<u8>,
    /// PEM.
    pub key: Secret,
}

/// The largest PEM file: the authorities of a whole system take a quarter of it.
pub const MAX_PEM_BYTES: usize = 1024 * 1024;
