//! Hashes of one-time and bearer secrets: what is stored in their place.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

macro_rules! secret_hash {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The hash of the secret value.
            pub fn of(secret: &str) -> Self {
                Self(URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes())))
            }

            /// Whether this is the hash of `secret`, in constant time.
            pub fn matches(&self, secret: &str) -> bool {
                Self::of(secret).0.as_bytes().ct_eq(self.0.as_bytes()).into()
            }

            /// The hash as unpadded base64url, for a column.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

secret_hash! {
    /// SHA-256 of an authorization code; the code itself is never stored.
    CodeHash
}
secret_hash! {
    /// SHA-256 of the transaction cookie of the browser that began the request.
    BrowserBinding
}
secret_hash! {
    /// SHA-256 of the `state` that we sent to an upstream IdP.
    StateHash
}
secret_hash! {
    /// SHA-256 of a browser session's id.
    SessionHash
}
secret_hash! {
    /// SHA-256 of a refresh token's secret part.
    RefreshHash
}
