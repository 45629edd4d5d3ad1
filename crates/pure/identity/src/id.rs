//! Identifiers. Each is its own type, so a client id can never be passed where a subject is meant.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a value that the caller has already read from a trusted place.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
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

text_id! {
    /// An OAuth `client_id` (RFC 6749 §2.2); an https URL for Client ID Metadata Documents.
    ClientId
}
text_id! {
    /// A `sub` claim (RFC 7519 §4.1.2), unique within its [`Issuer`] only.
    SubjectId
}
text_id! {
    /// An issuer identifier (RFC 8414 §2), compared byte for byte.
    Issuer
}
text_id! {
    /// The configured name of a connector to an upstream identity source.
    ConnectorName
}
text_id! {
    /// The configured name of an app.
    AppName
}
text_id! {
    /// One authorization, from the authorization request to the last refresh token that came from it.
    GrantId
}
text_id! {
    /// A browser session at the authorization server.
    SessionId
}
text_id! {
    /// One request as operators search for it: in error bodies, log lines and audit records.
    RequestId
}
text_id! {
    /// A JWT `jti` (RFC 7519 §4.1.7).
    TokenId
}

impl GrantId {
    /// A fresh id with 128 bits of randomness.
    pub fn random(rng: &dyn Rng) -> Self {
        Self(rng.token(16))
    }
}

impl SessionId {
    /// A fresh id with 256 bits of randomness: whoever presents it owns the session.
    pub fn random(rng: &dyn Rng) -> Self {
        Self(rng.token(32))
    }
}

impl RequestId {
    /// A fresh id; `req_` makes it recognisable in a pasted error message.
    pub fn random(rng: &dyn Rng) -> Self {
        Self(format!("req_{}", rng.token(15)))
    }
}

impl TokenId {
    /// A fresh id with 128 bits of randomness.
    pub fn random(rng: &dyn Rng) -> Self {
        Self(rng.token(16))
    }
}
