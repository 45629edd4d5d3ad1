//! How sure we are that a client is who it says it is.

use serde::{Deserialize, Serialize};

/// Evidence for a client's identity, weakest first; minted as `act_assurance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// A bare `client_id` that anyone can send.
    SelfAsserted,
    /// A public client whose response went to a registered redirect URI that is not on a loopback host.
    RedirectBound,
    /// The `client_id` is a URL whose document we hold. Nothing was presented: a program on the user's own machine
    /// could send the same URL where the document names a loopback redirect.
    Cimd,
    /// A shared secret was presented.
    Secret,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
    /// A mutual-TLS certificate (RFC 8705).
    Mtls,
    /// A SPIFFE identity document.
    Spiffe,
}

impl Assurance {
    /// The value as it stands in tokens and policy input.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SelfAsserted => "self_asserted",
            Self::RedirectBound => "redirect_bound",
            Self::Cimd => "cimd",
            Self::Secret => "secret",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::Mtls => "mtls",
            Self::Spiffe => "spiffe",
        }
    }
}
