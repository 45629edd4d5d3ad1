//! Signature algorithms as they are written.

use gatehouse_identity::jose::algorithm::Algorithm;

use super::section::choice;

choice! {
    /// A signature algorithm, in the spelling of JOSE or of the older documents.
    pub(crate) KeyAlgorithm {
        /// ECDSA with P-256.
        Es256 = "ES256" | "ECDSA256",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256" | "RSA256",
        /// RSASSA-PSS with SHA-256.
        Ps256 = "PS256",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
    refused {
        "RS384" | "RS512" | "RSA384" | "RSA512" => "use `RS256`",
        "ES384" | "ES512" | "PS384" | "PS512" => "use `ES256`",
        "HS256" | "HS384" | "HS512" | "none" => "tokens are signed with asymmetric keys only; use `ES256`",
    }
}

impl KeyAlgorithm {
    /// The algorithm that is meant.
    pub(crate) const fn jose(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::Es256,
            Self::Rs256 => Algorithm::Rs256,
            Self::Ps256 => Algorithm::Ps256,
            Self::EdDsa => Algorithm::EdDsa,
        }
    }
}
