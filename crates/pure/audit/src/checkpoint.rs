//! Signed checkpoints: what somebody who may write the log, and so can compute every hash anew, cannot make.
//!
//! A checkpoint is a member of a record, which as its last record signs all that stands before it:
//!
//! ```text
//! {"seq":8,"node":"gw-1","time":"…","event":"audit.checkpoint",…,
//!  "checkpoint":{"run":"…","key":"…","signature":"…"},"prev_hash":"…","hash":"…"}
//! ```
//!
//! The signature is Ed25519 (RFC 8032) over these lines, each ended by a line feed, the last too:
//!
//! ```text
//! gatehouse-audit-checkpoint/1
//! audit.checkpoint                      `event` of the record that holds the checkpoint
//! "gw-1"                                `node`, as it stands in the record
//! Jw0vqk3p1mYd                          `run`: which run of the process signed
//! 7                                     `seq` of the record before
//! 3f2a…                                 `hash` of the record before: the `prev_hash` of this one
//! 2026-11-21T16:10:47.181383Z           `time`, as it stands in the record
//! ```
//!
//! The first line keeps the key's signatures apart from all others; none of the lines can hold a line feed. `key` and
//! `signature` are base64url without padding. `audit.closed` holds a checkpoint of its own, so that the end of a log
//! that was closed in good order cannot be made up either.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::VerifyingKey;
use gatehouse_identity::jose::sign::{SigningKey, SigningKeyError};
use gatehouse_identity::secret::Secret;
use serde_json::{Map, Value};

use crate::event::{Checkpoint, Event};
use crate::head::Head;
use crate::hex::Hex;
use crate::sink::AuditError;

/// What the signed text begins with, and nothing else that anybody signs.
const FORMAT: &str = "gatehouse-audit-checkpoint/1";

/// The private key of checkpoints.
#[derive(Clone, Debug)]
pub struct CheckpointKey {
    key: Arc<SigningKey>,
    public: String,
}

/// The public key of checkpoints: 32 bytes, written as base64url.
#[derive(Clone, Debug)]
pub struct PublicKey {
    text: String,
    key: VerifyingKey,
}

/// A text that is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a public key as `gatehouse audit new-key` prints it: 43 characters of base64url")]
pub struct NotAKey;

/// What a checkpoint says.
pub(crate) struct Statement<'a> {
    /// `event` of the record that holds it.
    pub(crate) event: &'a str,
    /// The node, as a JSON text.
    pub(crate) node: &'a str,
    /// The run of the process.
    pub(crate) run: &'a str,
    /// The record before.
    pub(crate) head: Head,
    /// RFC 3339.
    pub(crate) time: &'a str,
}

impl CheckpointKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, SigningKeyError> {
        SigningKey::generate(Algorithm::EdDsa).and_then(|key| Self::new(Arc::new(key)))
    }

    /// Uses an Ed25519 key.
    pub fn new(key: Arc<SigningKey>) -> Result<Self, SigningKeyError> {
        let public = key.public_jwk().get("x").and_then(Value::as_str).map(str::to_owned);
        match public.filter(|_| key.algorithm() == Algorithm::EdDsa) {
            Some(public) => Ok(Self { key, public }),
            None => Err(SigningKeyError::Mismatch(Algorithm::EdDsa)),
        }
    }

    /// The private key as PKCS#8 PEM.
    pub fn to_pem(&self) -> Result<Secret, SigningKeyError> {
        self.key.to_pkcs8_pem()
    }

    /// The public key, as it is printed and named.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// `event` with a signature over the log of `node` (a JSON text) up to `head`, behind which it will stand.
    pub(crate) fn sign(&self, event: Event, run: &str, node: &str, head: Head) -> Result<Event, AuditError> {
        let time = event.time().to_string();
        let statement = Statement { event: event.kind().code(), node, run, head, time: &time };
        let signature = self.key.sign_message(statement.to_string().as_bytes());
        let signature = signature.map_err(|error| AuditError::Encode(error.to_string()))?;
        Ok(event.with_checkpoint(Checkpoint {
            run: run.to_owned(),
            key: self.public.clone(),
            signature: URL_SAFE_NO_PAD.encode(signature),
        }))
    }
}

impl PublicKey {
    /// Whether `signature` (base64url) is this key's signature of `statement`.
    pub(crate) fn verifies(&self, statement: &Statement<'_>, signature: &str) -> bool {
        let signature = URL_SAFE_NO_PAD.decode(signature);
        let text = statement.to_string();
        signature.is_ok_and(|signature| self.key.verifies(Algorithm::EdDsa, text.as_bytes(), &signature))
    }

    /// The key as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let members = [("kty", "OKP"), ("crv", "Ed25519"), ("alg", "EdDSA"), ("x", text)];
        let jwk: Map<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let key = VerifyingKey::from_jwk(&jwk).map_err(|_| NotAKey)?;
        Ok(Self { text: text.to_owned(), key })
    }
}

impl fmt::Display for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, node, run, head, time } = self;
        for line in [FORMAT, event, node, run] {
            f.write_str(line)?;
            f.write_char('\n')?;
        }
        write!(f, "{}\n{}\n{time}\n", head.seq, Hex(&head.hash))
    }
}

#[cfg(test)]
mod tests;
