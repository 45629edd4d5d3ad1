//! Secrets: no `Debug`, `Display` or `Serialize`, wiped when dropped, compared in constant time.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A secret text: a client secret, an API key, a provider credential.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a secret value.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for the one place that must send or hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `candidate` is this secret; the time does not depend on where they differ.
    pub fn matches(&self, candidate: &str) -> bool {
        self.0.as_bytes().ct_eq(candidate.as_bytes()).into()
    }
}
