//! The public half of a key pair, as JWK members (RFC 7518 §6, RFC 8037 §2).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::jwk::JwkError;

/// Public key material; every value has passed the checks of its family.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// A point on P-256.
    P256 { x: [u8; 32], y: [u8; 32] },
    /// Modulus and exponent, big endian without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A compressed Edwards point.
    Ed25519 { x: [u8; 32] },
}

impl PublicKey {
    /// Reads the key material of a JWK.
    pub(super) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        match (text(jwk, "kty")?, jwk.get("crv").and_then(Value::as_str)) {
            ("oct", _) => Err(JwkError::Symmetric),
            ("EC", Some("P-256")) => Ok(Self::P256 { x: exact(jwk, "x")?, y: exact(jwk, "y")? }),
            ("OKP", Some("Ed25519")) => Ok(Self::Ed25519 { x: exact(jwk, "x")? }),
            ("RSA", _) => Self::rsa(bytes(jwk, "n")?, bytes(jwk, "e")?),
            ("EC" | "OKP", curve) => {
                Err(JwkError::Unsupported(format!("curve `{}`", curve.unwrap_or_default())))
            }
            (kind, _) => Err(JwkError::Unsupported(format!("key type `{kind}`"))),
        }
    }

    /// An RSA key; leading zeros, which some issuers write, are dropped.
    pub(super) fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Self, JwkError> {
        let significant =
            |number: Vec<u8>| number.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        let (n, e) = (significant(n), significant(e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !(2048..=8192).contains(&bits) {
            return Err(JwkError::RsaSize(bits));
        }
        // The library looks at the exponent only when it verifies, where a huge one costs time.
        let odd = e.last().is_some_and(|byte| byte % 2 == 1);
        if !odd || e == [1] || e.len() > 4 {
            return Err(JwkError::Material);
        }
        Ok(Self::Rsa { n, e })
    }

    /// The algorithms that keys of this family can serve.
    pub(super) const fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::P256 { .. } => &[Algorithm::Es256],
            Self::Rsa { .. } => &[Algorithm::Rs256, Algorithm::Ps256],
            Self::Ed25519 { .. } => &[Algorithm::EdDsa],
        }
    }

    /// The key made ready to verify signatures of `algorithm`.
    pub(super) fn verifier(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, JwkError> {
        let ready = match (self, algorithm) {
            (Self::P256 { x, y }, Algorithm::Es256) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], x.as_slice(), y].concat())
            }
            (Self::Rsa { n, e }, Algorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
            (Self::Rsa { n, e }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PSS_2048_8192_SHA256)
            }
            (Self::Ed25519 { x }, Algorithm::EdDsa) => ParsedPublicKey::new(&ED25519, x),
            _ => return Err(JwkError::Algorithm(algorithm.to_string())),
        };
        ready.map_err(|_| JwkError::Material)
    }

    /// The required JWK members in the byte order of their names (RFC 7638 §3.2).
    pub(super) fn members(&self) -> Vec<(&'static str, String)> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::P256 { x, y } => {
                vec![("crv", "P-256".into()), ("kty", "EC".into()), ("x", encode(x)), ("y", encode(y))]
            }
            Self::Rsa { n, e } => vec![("e", encode(e)), ("kty", "RSA".into()), ("n", encode(n))],
            Self::Ed25519 { x } => vec![("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", encode(x))],
        }
    }

    /// The SHA-256 thumbprint as base64url (RFC 7638 §3).
    pub(super) fn thumbprint(&self) -> String {
        // No value needs escaping: all are base64url or names that we wrote ourselves.
        let members: Vec<_> =
            self.members().into_iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{{{}}}", members.join(",")).as_bytes()))
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, JwkError> {
    jwk.get(name).and_then(Value::as_str).ok_or(JwkError::Member(name))
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).map_err(|_| JwkError::Member(name))
}

fn exact(jwk: &Map<String, Value>, name: &'static str) -> Result<[u8; 32], JwkError> {
    bytes(jwk, name)?.try_into().map_err(|_| JwkError::Member(name))
}

#[cfg(test)]
mod tests;
