//! The only way out: the upstream client, the guarded fetcher, key sets of other issuers, delegated tokens.

pub mod client;
pub mod coalesced_body;
pub mod coding;
pub mod delegate;
pub mod fetch;
pub mod guard;
pub mod jwks;

use std::collections::HashMap;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use gatehouse_config::snapshot::mcp::Connection;
use gatehouse_config::snapshot::tls::{TlsProfile, TlsVersion};

use crate::memory::Memory;
use crate::outbound::client::UpstreamClient;
use crate::outbound::fetch::Fetcher;

/// Everything that leaves the process leaves through here.
pub struct Outbound {
    open: Egress,
    /// For profiles that nobody announced: trusts no authority.
    closed: Egress,
    by_profile: HashMap<String, Egress>,
    by_connection: HashMap<(Option<String>, Connection), UpstreamClient>,
    memory: Memory,
}

/// The clients that share one idea of which certificates to trust.
#[derive(Clone)]
pub struct Egress {
    /// Calls to upstreams.
    pub upstreams: UpstreamClient,
    /// Small documents and token requests.
    pub fetcher: Fetcher,
    tls: Arc<rustls::ClientConfig>,
}

/// Certificates for outbound connections that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("outbound TLS{}: {why}", profile.as_ref().map(|name| format!(" profile {name:?}")).unwrap_or_default())]
pub struct OutboundTlsError {
    profile: Option<String>,
    why: String,
}

impl Outbound {
    /// Builds the clients: one for the system's certificate authorities, and one for each profile. What upstreams
    /// answer is held within `memory`.
    pub fn new<'a>(
        profiles: impl IntoIterator<Item = &'a TlsProfile>,
        memory: Memory,
    ) -> Result<Self, OutboundTlsError> {
        let open = egress(None, public_roots(), &memory)?;
        let closed = egress(None, RootCertStore::empty(), &memory)?;
        let mut by_profile = HashMap::new();
        for profile in profiles {
            let roots = profile.roots.as_deref().map_or_else(|| Ok(public_roots()), roots_of);
            let roots = roots.map_err(|why| failed(Some(profile), why))?;
            by_profile.insert(profile.name.clone(), egress(Some(profile), roots, &memory)?);
        }
        Ok(Self { open, closed, by_profile, by_connection: HashMap::new(), memory })
    }

    /// The budget of bytes that are held for upstreams and their callers.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Adds a client of its own, with its own pool, for each TLS profile and way to connect that `upstreams` name.
    #[must_use]
    pub fn with_connections<'a>(
        mut self,
        upstreams: impl IntoIterator<Item = (Option<&'a Arc<TlsProfile>>, Connection)>,
    ) -> Self {
        for (profile, connection) in upstreams {
            let client = UpstreamClient::new(&self.egress(profile).tls, &connection, self.memory.clone());
            self.by_connection.insert((name_of(profile), connection), client);
        }
        self
    }

    /// The client for an upstream: the one for its way to connect, or that of its TLS profile when it asked for none.
    pub fn upstreams(&self, profile: Option<&Arc<TlsProfile>>, connection: Connection) -> &UpstreamClient {
        let own = self.by_connection.get(&(name_of(profile), connection));
        own.unwrap_or_else(|| &self.egress(profile).upstreams)
    }

    /// The clients for a TLS profile that [`Self::new`] was told of, or those for the system's authorities.
    pub fn egress(&self, profile: Option<&Arc<TlsProfile>>) -> &Egress {
        match profile {
            None => &self.open,
            Some(profile) => self.by_profile.get(&profile.name).unwrap_or(&self.closed),
        }
    }
}

/// The authorities of the system.
fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (_added, _unreadable) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn roots_of(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(pem) {
        roots.add(root.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn failed(profile: Option<&TlsProfile>, why: String) -> OutboundTlsError {
    OutboundTlsError { profile: profile.map(|profile| profile.name.clone()), why }
}

fn name_of(profile: Option<&Arc<TlsProfile>>) -> Option<String> {
    profile.map(|profile| profile.name.clone())
}

fn egress(
    profile: Option<&TlsProfile>,
    roots: RootCertStore,
    memory: &Memory,
) -> Result<Egress, OutboundTlsError> {
    let failed = |why: String| failed(profile, why);
    let versions: &[&rustls::SupportedProtocolVersion] = match profile.map(|profile| profile.min_version) {
        Some(TlsVersion::V13) => &[&rustls::version::TLS13],
        Some(TlsVersion::V12) | None => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots);
    let config = match profile.and_then(|profile| profile.certificate.as_ref()) {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let chain = CertificateDer::pem_slice_iter(&certificate.chain)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| failed(error.to_string()))?;
            let key = PrivateKeyDer::from_pem_slice(certificate.key.expose().as_bytes())
                .map_err(|error| failed(error.to_string()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| failed(error.to_string()))?
        }
    };
    let config = Arc::new(config);
    let upstreams = UpstreamClient::new(&config, &client::USUAL, memory.clone());
    let fetcher = Fetcher::new(Arc::clone(&config), memory.clone());
    Ok(Egress { upstreams, fetcher, tls: config })
}
