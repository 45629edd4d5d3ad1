//! TLS profiles with their files read. What is inside the PEM is for the room that opens sockets to judge.

use gatehouse_identity::secret::Secret;

use super::compiler::Compiler;
use crate::document::platform as written;
use crate::document::spot::Placed;

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

pub(crate) fn compile(
    name: &Placed<String>,
    profile: &written::TlsProfile,
    compiler: &mut Compiler<'_>,
) -> Option<TlsProfile> {
    let chain = profile.cert_file.as_ref().and_then(|file| pem(file, "CERTIFICATE", compiler));
    let key = profile.key_file.as_ref().and_then(|file| pem(file, "PRIVATE KEY", compiler));
    let roots = profile.ca_file.as_ref().map(|file| pem(file, "CERTIFICATE", compiler));
    let client_roots: Vec<_> =
        profile.client_ca_files.iter().map(|file| pem(file, "CERTIFICATE", compiler)).collect();
    match (&profile.cert_file, &profile.key_file) {
        (Some(only), None) => compiler.report.error(&only.place, "certFile needs keyFile beside it"),
        (None, Some(only)) => compiler.report.error(&only.place, "keyFile needs certFile beside it"),
        _ => {}
    }
    if profile.client_auth != ClientAuth::None && client_roots.is_empty() {
        let place = profile.place.child("clientCAFiles");
        compiler.report.error(&place, "clientAuth needs the authorities that callers are checked against");
    }
    let certificate = chain.zip(key).map(|(chain, key)| {
        let file =
            |file: &Option<Placed<String>>| file.as_ref().map(|file| file.value.clone()).unwrap_or_default();
        Certificate {
            chain_file: file(&profile.cert_file),
            key_file: file(&profile.key_file),
            chain,
            key: Secret::new(String::from_utf8_lossy(&key).into_owned()),
        }
    });
    Some(TlsProfile {
        name: name.value.clone(),
        certificate,
        roots: match roots {
            Some(roots) => Some(roots?),
            None => None,
        },
        client_auth: profile.client_auth,
        client_roots: client_roots.into_iter().collect::<Option<_>>()?,
        min_version: profile.min_version,
    })
}

/// The largest PEM file: the authorities of a whole system take a quarter of it.
pub const MAX_PEM_BYTES: usize = 1024 * 1024;

/// The bytes of a PEM file that holds at least one block of `label`.
fn pem(file: &Placed<String>, label: &str, compiler: &mut Compiler<'_>) -> Option<Vec<u8>> {
    let bytes = compiler.file(file, MAX_PEM_BYTES)?;
    if label.contains("PRIVATE") {
        compiler.check_private(file, "the key");
    }
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    if text
        .lines()
        .any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{label}-----")))
    {
        Some(bytes)
    } else {
        let message = format!("expected PEM with a `{label}` block, found none in `{}`", file.value);
        compiler.report.error(&file.place, message);
        None
    }
}
