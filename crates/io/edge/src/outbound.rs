//! The only way out: the upstream client, the guarded fetcher, key sets of other issuers, delegated tokens.

pub mod client;
pub mod delegate;
pub mod fetch;
pub mod guard;
pub mod jwks;

use std::sync::Arc;

use crate::outbound::client::UpstreamClient;
use crate::outbound::fetch::Fetcher;

/// Everything that leaves the process leaves through here.
#[derive(Clone)]
pub struct Outbound {
    /// Calls to upstreams.
    pub upstreams: UpstreamClient,
    /// Small documents and token requests.
    pub fetcher: Fetcher,
}

/// The system's certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("no usable certificate authorities: {0}")]
pub struct TrustStoreError(String);

impl Outbound {
    /// Builds the clients. Certificates of upstreams are checked against the system's authorities and `extra_roots`
    /// (DER).
    pub fn new(extra_roots: &[Vec<u8>]) -> Result<Self, TrustStoreError> {
        let mut roots = rustls::RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        let (_added, _ignored) = roots.add_parsable_certificates(native.certs);
        for root in extra_roots {
            roots.add(root.clone().into()).map_err(|error| TrustStoreError(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| TrustStoreError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        Ok(Self { upstreams: UpstreamClient::new(&config), fetcher: Fetcher::new(config) })
    }
}
