//! The grants that clients may be registered for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A grant that can be registered for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8693.
    TokenExchange,
    /// RFC 8628; not served yet.
    DeviceCode,
    /// RFC 7523; not served yet.
    JwtBearer,
}

/// A grant type that nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("grant type {0:?} is unknown")]
pub struct UnknownGrantType(String);

impl GrantType {
    /// The URN or word of the `grant_type` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    /// Reads a `grant_type`.
    pub fn parse(text: &str) -> Result<Self, UnknownGrantType> {
        const ALL: [GrantType; 6] = [
            GrantType::AuthorizationCode,
            GrantType::RefreshToken,
            GrantType::ClientCredentials,
            GrantType::TokenExchange,
            GrantType::DeviceCode,
            GrantType::JwtBearer,
        ];
        ALL.into_iter().find(|grant| grant.as_str() == text).ok_or_else(|| UnknownGrantType(text.to_owned()))
    }

    /// Whether this build serves the grant.
    pub const fn is_served(self) -> bool {
        !matches!(self, Self::DeviceCode | Self::JwtBearer)
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for GrantType {
    type Error = UnknownGrantType;

    fn try_from(text: String) -> Result<Self, UnknownGrantType> {
        Self::parse(&text)
    }
}

impl From<GrantType> for &'static str {
    fn from(grant: GrantType) -> Self {
        grant.as_str()
    }
}
