//! Where a request comes from, as far as anybody knows.

use std::fmt;
use std::net::{AddrParseError, IpAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What stands for an address that nobody knows (RFC 7239 §6.2).
const UNKNOWN: &str = "unknown";

/// The address of a client. Behind a proxy that is believed but does not tell (RFC 7239 §6.2 and §6.3), nobody knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ClientIp {
    /// This address; IPv4 also where it came mapped into IPv6.
    Known(IpAddr),
    /// Somebody behind a trusted proxy.
    Unknown,
}

impl ClientIp {
    /// The address, where it is known.
    pub const fn known(self) -> Option<IpAddr> {
        match self {
            Self::Known(ip) => Some(ip),
            Self::Unknown => None,
        }
    }
}

impl From<IpAddr> for ClientIp {
    fn from(ip: IpAddr) -> Self {
        Self::Known(ip.to_canonical())
    }
}

/// The address, or `unknown`, the word of RFC 7239.
impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(ip) => ip.fmt(f),
            Self::Unknown => f.write_str(UNKNOWN),
        }
    }
}

impl FromStr for ClientIp {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        if text == UNKNOWN { Ok(Self::Unknown) } else { text.parse().map(|ip: IpAddr| ip.into()) }
    }
}

impl From<ClientIp> for String {
    fn from(ip: ClientIp) -> Self {
        ip.to_string()
    }
}

impl TryFrom<String> for ClientIp {
    type Error = AddrParseError;

    fn try_from(text: String) -> Result<Self, AddrParseError> {
        text.parse()
    }
}
