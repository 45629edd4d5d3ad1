//! The successor of a refresh token, sealed under a key that only the token itself yields.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatehouse_identity::rng::Rng;
use serde::{Deserialize, Serialize};

use super::token::RefreshToken;

/// An encrypted refresh token: nonce and AES-256-GCM ciphertext as unpadded base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedSuccessor(String);

/// The cryptographic library refused to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealing the next refresh token failed")]
pub struct SealError;

impl SealedSuccessor {
    /// Seals `successor` so that only `presented` opens it.
    pub(super) fn seal(
        presented: &RefreshToken,
        successor: &RefreshToken,
        rng: &dyn Rng,
    ) -> Result<Self, SealError> {
        let mut nonce = [0_u8; NONCE_LEN];
        rng.fill(&mut nonce);
        let mut text = successor.secret().as_bytes().to_vec();
        key(presented)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                aad(successor.generation()),
                &mut text,
            )
            .map_err(|_| SealError)?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut text);
        Ok(Self(URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens the successor of `presented`, which must be of `generation`.
    pub(super) fn open(&self, presented: &RefreshToken, generation: u64) -> Result<RefreshToken, SealError> {
        let mut sealed = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| SealError)?;
        let (nonce, text) = sealed.split_first_chunk_mut::<NONCE_LEN>().ok_or(SealError)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let secret = key(presented)?.open_in_place(nonce, aad(generation), text).map_err(|_| SealError)?;
        let secret = std::str::from_utf8(secret).map_err(|_| SealError)?;
        let text = format!("rt_{}.{generation}.{secret}", presented.family());
        RefreshToken::parse(&text).map_err(|_| SealError)
    }
}

/// The key: HKDF-SHA256 over the presented secret, salted with its family. Two losers of one race may both seal
/// under it, which is why the nonce is random.
fn key(presented: &RefreshToken) -> Result<LessSafeKey, SealError> {
    let pseudo_random =
        Salt::new(HKDF_SHA256, presented.family().as_str().as_bytes()).extract(presented.secret().as_bytes());
    let material =
        pseudo_random.expand(&[b"gatehouse refresh successor v1"], &AES_256_GCM).map_err(|_| SealError)?;
    Ok(LessSafeKey::new(UnboundKey::from(material)))
}

fn aad(generation: u64) -> Aad<[u8; 8]> {
    Aad::from(generation.to_be_bytes())
}
