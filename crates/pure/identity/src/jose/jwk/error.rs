//! What is wrong with a key that somebody publishes.

/// Why one JWK cannot verify signatures for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// `kty` is `oct`: whoever can verify could also sign.
    #[error("symmetric keys are never accepted from a key set")]
    Symmetric,
    /// Private members are published, so anybody can sign with it.
    #[error("the key publishes its private half")]
    Private,
    /// `use` or `key_ops` do not allow verification.
    #[error("the key is not meant for signatures")]
    Use,
    /// A key type or curve that we do not verify.
    #[error("unsupported {0}")]
    Unsupported(String),
    /// `alg` is one that we do not verify, or does not fit the key.
    #[error("algorithm `{0}` is not supported with this key")]
    Algorithm(String),
    /// A required member is absent or malformed.
    #[error("member `{0}` is absent or malformed")]
    Member(&'static str),
    /// An RSA modulus outside 2048 to 8192 bits.
    #[error("an RSA modulus must have 2048 to 8192 bits; found {0}")]
    RsaSize(usize),
    /// The numbers do not form a key.
    #[error("the key material is not a valid public key")]
    Material,
}
