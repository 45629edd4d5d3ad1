//! Randomness as an argument.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A cryptographically secure source of random bytes.
pub trait Rng: Send + Sync {
    /// Fills `bytes` completely.
    fn fill(&self, bytes: &mut [u8]);

    /// `bytes` random bytes as unpadded base64url.
    fn token(&self, bytes: usize) -> String {
        let mut raw = vec![0_u8; bytes];
        self.fill(&mut raw);
        URL_SAFE_NO_PAD.encode(raw)
    }
}
