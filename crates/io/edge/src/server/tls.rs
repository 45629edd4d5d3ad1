//! TLS at the listener: TLS 1.2 and 1.3, AEAD suites, certificates that can change under running connections.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate chain and its key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The PEM text of the chain or the key cannot be read.
    #[error("{what} is not readable PEM: {why}")]
    Pem {
        /// Which of the two.
        what: &'static str,
        /// What the parser says.
        why: String,
    },
    /// Chain and key do not belong together, or their kind is not supported.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The authorities of client certificates cannot be used.
    #[error("client certificate authorities cannot be used: {0}")]
    Authorities(String),
}

/// The certificate of one listener; [`Certificate::replace`] takes effect on the next handshake.
#[derive(Debug)]
pub struct Certificate {
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads a PEM chain (leaf first) and a PEM private key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self { current: ArcSwap::new(read(chain, key)?) })
    }

    /// Puts another chain and key in place. On error the present ones stay.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        self.current.store(read(chain, key)?);
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(chain: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, TlsError> {
    let pem =
        |what| move |error: rustls_pki_types::pem::Error| TlsError::Pem { what, why: error.to_string() };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(pem("the certificate chain"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(pem("the private key"))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider)?))
}

/// Whether callers must show a certificate, and which authorities (DER) may have issued it.
#[derive(Clone, Debug)]
pub enum ClientCertificates {
    /// None is asked for.
    Ignored,
    /// One is checked when there is one.
    Optional(Vec<Vec<u8>>),
    /// A connection without a valid one is refused.
    Required(Vec<Vec<u8>>),
}

/// The oldest protocol version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldestVersion {
    /// TLS 1.2, with forward-secret AEAD suites only.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// The server side of TLS for `certificate`, offering HTTP/2 and HTTP/1.1.
pub fn server_config(
    certificate: Arc<Certificate>,
    clients: &ClientCertificates,
    oldest: OldestVersion,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match oldest {
        OldestVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        OldestVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?;
    let builder = match clients {
        ClientCertificates::Ignored => builder.with_no_client_auth(),
        ClientCertificates::Optional(authorities) | ClientCertificates::Required(authorities) => {
            let mut roots = rustls::RootCertStore::empty();
            for authority in authorities {
                roots.add(authority.clone().into())?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match clients {
                ClientCertificates::Optional(_) => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            builder.with_client_cert_verifier(
                verifier.build().map_err(|error| TlsError::Authorities(error.to_string()))?,
            )
        }
    };
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates of a PEM file as DER.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<Vec<u8>>, TlsError> {
    CertificateDer::pem_slice_iter(pem)
        .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem { what: "the file of authorities", why: error.to_string() })
}
