//! The signing keys of our own authorization server.

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
}

impl LocalKeys {
    /// A set that signs with the first key of each algorithm and verifies with all of them.
    pub fn new(signing: Vec<SigningKey>) -> Self {
        let verification = KeySet::new(signing.iter().map(SigningKey::verifying_key).collect());
        let public: Vec<_> = signing.iter().map(SigningKey::public_jwk).collect();
        let document = json!({ "keys": public }).to_string();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, document.as_bytes());
        let etag = digest
            .as_ref()
            .iter()
            .take(16)
            .fold(String::from("\""), |text, byte| format!("{text}{byte:02x}"));
        Self { signing, verification, document: Bytes::from(document), etag: etag + "\"" }
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

    /// The JWKS document and its entity tag.
    pub fn document(&self) -> (Bytes, &str) {
        (self.document.clone(), &self.etag)
    }
}
