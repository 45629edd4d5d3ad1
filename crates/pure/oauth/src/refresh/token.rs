//! The text of a refresh token: `rt_<family>.<generation>.<secret>`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatehouse_identity::rng::Rng;
use gatehouse_identity::secret::Secret;
use serde::{Deserialize, Serialize};

/// The id of a family: 128 random bits that stand in its tokens and its stored row only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FamilyId(String);

/// A well-formed refresh token; whether it is a good one is for [`super::decide`] to say.
#[derive(Clone)]
pub struct RefreshToken {
    family: FamilyId,
    generation: u64,
    secret: Secret,
}

/// A text that is not a refresh token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token of this server")]
pub struct RefreshTokenError;

impl FamilyId {
    /// A fresh id.
    pub fn random(rng: &dyn Rng) -> Self {
        Self(rng.token(16))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RefreshToken {
    /// Reads a presented token. One token has exactly one text.
    pub fn parse(text: &str) -> Result<Self, RefreshTokenError> {
        let mut parts = text.strip_prefix("rt_").ok_or(RefreshTokenError)?.split('.');
        let (Some(family), Some(generation), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(RefreshTokenError);
        };
        let number = generation.parse::<u64>().map_err(|_| RefreshTokenError)?;
        if number == 0 || number.to_string() != generation || !is_base64(family, 16) || !is_base64(secret, 32)
        {
            return Err(RefreshTokenError);
        }
        Ok(Self {
            family: FamilyId(family.to_owned()),
            generation: number,
            secret: Secret::new(secret.to_owned()),
        })
    }

    pub(super) fn random(family: FamilyId, generation: u64, rng: &dyn Rng) -> Self {
        Self { family, generation, secret: Secret::new(rng.token(32)) }
    }

    /// The token as the client gets it.
    pub fn to_text(&self) -> Secret {
        Secret::new(format!("rt_{}.{}.{}", self.family, self.generation, self.secret.expose()))
    }

    /// The family to look up.
    pub fn family(&self) -> &FamilyId {
        &self.family
    }

    /// The generation that the token claims.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
    }
}

/// Without the secret, and without the family id that would betray it to readers of logs.
impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").field("generation", &self.generation).finish_non_exhaustive()
    }
}

fn is_base64(text: &str, bytes: usize) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|decoded| decoded.len() == bytes)
}
