//! Keys that sign, and tokens signed with them.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::jose::algorithm::Algorithm;
use crate::jose::jwk::VerifyingKey;
use crate::jose::public_key::PublicKey;
use crate::jose::token::MAX_TOKEN_BYTES;
use crate::secret::Secret;

/// What the longest signature takes as text, in bytes: one of a 4096-bit RSA key.
const LONGEST_SIGNATURE: usize = 684;

/// A private key that signs tokens with one algorithm.
///
/// The key is parsed and checked once, when it is made. `Debug` shows its id only.
pub struct SigningKey {
    algorithm: Algorithm,
    kid: String,
    pair: Pair,
    public: PublicKey,
    verifying: VerifyingKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A private key that cannot be made or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SigningKeyError {
    /// The cryptographic library could not make or write a key.
    #[error("the cryptographic library could not make or write the key")]
    Library,
    /// No unencrypted private key in the text.
    #[error("expected a PEM private key (`PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`)")]
    Pem,
    /// The private key is encrypted with a passphrase.
    #[error("the private key is encrypted; store it decrypted with mode 0600 or in a secret store")]
    Encrypted,
    /// The key is damaged, too small or of another family.
    #[error(
        "the key does not fit {0}: ES256 needs EC P-256, RS256 and PS256 RSA of 2048 to 8192 bits, EdDSA Ed25519"
    )]
    Mismatch(Algorithm),
}

/// A token that could not be signed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignError {
    /// The cryptographic library failed.
    #[error("the cryptographic library could not sign")]
    Library,
    /// The token would be longer than verifiers, ours included, accept.
    #[error("the token would have {0} bytes, more than {MAX_TOKEN_BYTES}; mint fewer or shorter claims")]
    TooLong(usize),
}

impl SigningKey {
    /// A fresh key; RSA keys get 2048 bits.
    ///
    /// The randomness is the cryptographic library's own: key generation takes no other.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let pair = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ecdsa),
            Algorithm::Rs256 | Algorithm::Ps256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        Self::new(algorithm, pair.map_err(|_| SigningKeyError::Library)?)
    }

    /// Reads the private key of a PEM text in PKCS#8, PKCS#1 or SEC1 form (RFC 7468 §10).
    pub fn from_pkcs8_pem(algorithm: Algorithm, pem: &str) -> Result<Self, SigningKeyError> {
        if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(SigningKeyError::Encrypted);
        }
        let der =
            Zeroizing::new(PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| SigningKeyError::Pem)?);
        let pair = match (algorithm, &*der) {
            (Algorithm::Es256, PrivateKeyDer::Pkcs8(key)) => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der())
                    .map(Pair::Ecdsa)
            }
            (Algorithm::Es256, PrivateKeyDer::Sec1(key)) => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_sec1_der())
                    .map(Pair::Ecdsa)
            }
            (Algorithm::Rs256 | Algorithm::Ps256, PrivateKeyDer::Pkcs8(key)) => {
                RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map(Pair::Rsa)
            }
            (Algorithm::Rs256 | Algorithm::Ps256, PrivateKeyDer::Pkcs1(key)) => {
                RsaKeyPair::from_der(key.secret_pkcs1_der()).map(Pair::Rsa)
            }
            (Algorithm::EdDsa, PrivateKeyDer::Pkcs8(key)) => {
                Ed25519KeyPair::from_pkcs8(key.secret_pkcs8_der()).map(Pair::Ed25519)
            }
            _ => return Err(SigningKeyError::Mismatch(algorithm)),
        };
        Self::new(algorithm, pair.map_err(|_| SigningKeyError::Mismatch(algorithm))?)
    }

    fn new(algorithm: Algorithm, pair: Pair) -> Result<Self, SigningKeyError> {
        let public = pair.public_key().ok_or(SigningKeyError::Mismatch(algorithm))?;
        let kid = public.thumbprint();
        let verifying = VerifyingKey::new(Some(kid.clone()), &public, &[algorithm])
            .map_err(|_| SigningKeyError::Mismatch(algorithm))?;
        Ok(Self { algorithm, kid, pair, public, verifying })
    }

    /// The private key as PKCS#8 PEM.
    pub fn to_pkcs8_pem(&self) -> Result<Secret, SigningKeyError> {
        let pem = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1().map(|der| pem_text(der.as_ref())),
            Pair::Rsa(pair) => pair.as_der().map(|der| pem_text(der.as_ref())),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|der| pem_text(der.as_ref())),
        };
        pem.map(Secret::new).map_err(|_| SigningKeyError::Library)
    }

    /// The key's id: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half as a JWK for the published set.
    pub fn public_jwk(&self) -> Value {
        let own = [("use", "sig"), ("alg", self.algorithm.as_str()), ("kid", &self.kid)];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        let key = self.public.members().into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        Value::Object(key.chain(own).collect())
    }

    /// The public half, ready to verify.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// A compact token of type `typ` with these claims.
    pub fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, SignError> {
        let header = serde_json::json!({ "alg": self.algorithm, "kid": self.kid, "typ": typ });
        let header = serde_json::to_vec(&header).map_err(|_| SignError::Library)?;
        let payload = serde_json::to_vec(claims).map_err(|_| SignError::Library)?;
        self.compact(&header, &payload)
    }

    /// The signature of `message`, which has to begin with words that nothing else signed with this key begins with.
    pub fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.pair.sign(self.algorithm, message).ok_or(SignError::Library)
    }

    pub(super) fn compact(&self, header: &[u8], payload: &[u8]) -> Result<String, SignError> {
        let mut token = String::with_capacity(3 * (header.len() + payload.len()) / 2 + LONGEST_SIGNATURE);
        URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.pair.sign(self.algorithm, token.as_bytes()).ok_or(SignError::Library)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_TOKEN_BYTES {
            return Err(SignError::TooLong(token.len()));
        }
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Pair {
    fn public_key(&self) -> Option<PublicKey> {
        match self {
            Self::Ecdsa(pair) => {
                // SEC1 uncompressed: 4, x, y.
                let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
                Some(PublicKey::P256 { x: x.try_into().ok()?, y: y.try_into().ok()? })
            }
            Self::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } = pair.public_key().into();
                PublicKey::rsa(n, e).ok()
            }
            Self::Ed25519(pair) => {
                Some(PublicKey::Ed25519 { x: pair.public_key().as_ref().try_into().ok()? })
            }
        }
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(pair) => {
                pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec())
            }
            Self::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding =
                    if algorithm == Algorithm::Ps256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).ok().map(|()| signature)
            }
            Self::Ed25519(pair) => pair.try_sign(message).ok().map(|signature| signature.as_ref().to_vec()),
        }
    }
}

/// PEM armour with 64 characters a line (RFC 7468 §2).
fn pem_text(der: &[u8]) -> String {
    // 48 bytes make 64 characters. The size is reserved whole, so growing leaves no copy of the key behind.
    let mut pem = String::with_capacity(der.len() * 2 + 64);
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in der.chunks(48) {
        STANDARD.encode_string(line, &mut pem);
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

#[cfg(test)]
mod tests;
