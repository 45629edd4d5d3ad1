//! Reads the files that TLS profiles name.

use std::sync::Arc;

use gatehouse_identity::secret::Secret;

use super::{Certificate, ClientAuth, MAX_PEM_BYTES, TlsProfile};
use crate::document::Root;
use crate::document::platform as written;
use crate::document::spot::Placed;
use crate::snapshot::compiler::Compiler;

/// Reads every profile, so that whatever is compiled next can name it.
pub(crate) fn read(root: &Root, compiler: &mut Compiler<'_>) {
    for (name, profile) in root.tls.iter() {
        if let Some(profile) = compile(name, profile, compiler) {
            compiler.tls.insert(name.value.clone(), Arc::new(profile));
        }
    }
}

fn compile(
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
