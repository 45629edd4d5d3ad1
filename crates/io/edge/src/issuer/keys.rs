//! The signing keys of our own authorization server.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::json;

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::KeySet;
use gatehouse_identity::jose::sign::SigningKey;

/// The key set: what signs, what verifies, and the document that others read (RFC 7517 §5).
pub struct LocalKeys {
    signing: Vec<SigningKey>,
    verification: KeySet,
    document: Bytes,
    etag: String,
    /// A key for each signing key, of which it tells nothing.
    seals: Vec<hmac::Key>,
}

impl LocalKeys {
    /// A set that signs with the first key of each algorithm and verifies with all of them.
    pub fn new(signing: Vec<SigningKey>) -> Self {
        let verification = KeySet::new(signing.iter().map(SigningKey::verifying_key).collect());
        let public: Vec<_> = signing.iter().map(SigningKey::public_jwk).collect();
        let document = json!({ "keys": public }).to_string();
        let seals = signing.iter().filter_map(seal_key).collect();
        let digest = digest::digest(&digest::SHA256, document.as_bytes());
        let etag = digest
            .as_ref()
            .iter()
            .take(16)
            .fold(String::from("\""), |text, byte| format!("{text}{byte:02x}"));
        Self { signing, verification, document: Bytes::from(document), etag: etag + "\"", seals }
    }

    /// The key that signs with `algorithm`, or the first key of all.
    pub fn signing_key(&self, algorithm: Option<Algorithm>) -> Option<&SigningKey> {
        match algorithm {
            Some(wanted) => self.signing.iter().find(|key| key.algorithm() == wanted),
            None => self.signing.first(),
        }
    }

    /// The algorithms that can be signed with, in the order of the keys.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for key in &self.signing {
            if !algorithms.contains(&key.algorithm()) {
                algorithms.push(key.algorithm());
            }
        }
        algorithms
    }

    /// The keys that verify our own tokens.
    pub fn verification_keys(&self) -> &KeySet {
        &self.verification
    }

    /// A mark on `fields` that only whoever has our first key can make: for what others keep for us and show us again.
    /// `purpose` keeps marks of different kinds apart. Nothing when no key can be used for it.
    pub fn seal(&self, purpose: &str, fields: &[&str]) -> Option<String> {
        let key = self.seals.first()?;
        Some(URL_SAFE_NO_PAD.encode(hmac::sign(key, &sealed(purpose, fields))))
    }

    /// Whether `mark` is one that we made on `fields`, with whichever of our keys. It is compared in constant time.
    pub fn is_sealed(&self, purpose: &str, fields: &[&str], mark: &str) -> bool {
        let Ok(mark) = URL_SAFE_NO_PAD.decode(mark) else { return false };
        let message = sealed(purpose, fields);
        self.seals.iter().any(|key| hmac::verify(key, &message, &mark).is_ok())
    }

    /// The JWKS document and its entity tag.
    pub fn document(&self) -> (Bytes, &str) {
        (self.document.clone(), &self.etag)
    }
}

/// The key for seals that goes with a signing key: the same on every node and after every start.
fn seal_key(key: &SigningKey) -> Option<hmac::Key> {
    let private = key.to_pkcs8_pem().ok()?;
    let root = hmac::Key::new(hmac::HMAC_SHA256, private.expose().as_bytes());
    Some(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"gatehouse seal").as_ref()))
}

/// Every field behind its length, so that no two lists read the same.
fn sealed(purpose: &str, fields: &[&str]) -> Vec<u8> {
    let mut message = Vec::new();
    for field in std::iter::once(&purpose).chain(fields) {
        message.extend_from_slice(&(field.len() as u64).to_be_bytes());
        message.extend_from_slice(field.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests;
