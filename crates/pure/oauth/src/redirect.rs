//! Redirect URIs: what may be registered, and when a requested one is a registered one.
//!
//! A request matches when it is byte for byte a registered URI. The one exception is the port of a loopback
//! URI of a public client (RFC 8252 §7.3), here also for the name `localhost`, because Claude Code registers
//! `http://localhost/callback` and listens wherever a port is free.

use serde::{Deserialize, Serialize};

use crate::client::ClientKind;

mod mismatch;

pub use mismatch::{Difference, Nearest, Part, RedirectMismatch};

/// The loopback hosts whose port is ignored. They never stand for one another.
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
/// The longest redirect URI, in bytes.
const MAX_BYTES: usize = 2048;

/// The redirect URIs of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectSet(Vec<RegisteredRedirect>);

/// A redirect URI that passed the rules for registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredRedirect(String);

/// A requested redirect URI that is registered for the client of the request.
///
/// Only [`RedirectSet`] makes one; it may be stored with the grant that it was checked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// A URI that may not be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Longer than 2048 bytes.
    #[error("a redirect URI may take at most {MAX_BYTES} bytes; this one takes {0}")]
    TooLong(usize),
    /// A character outside RFC 3986 §2.
    #[error("character {0:?} may not stand in a URI")]
    Character(char),
    /// A fragment, even an empty one.
    #[error("a redirect URI must not contain `#`")]
    Fragment,
    /// A wildcard: matching is by bytes, so it would never mean what it says.
    #[error("a redirect URI must not contain `*`; register each URI")]
    Wildcard,
    /// Anything but https, http to a loopback host, or a private-use scheme.
    #[error(
        "scheme {0:?} is not allowed: use https, http with a loopback host, or a reverse-DNS scheme like com.example.app"
    )]
    Scheme(String),
    /// The authority holds user information, no host, or a port that is none.
    #[error("the authority {0:?} must be a host with an optional port, without user information")]
    Authority(String),
    /// http to a host that is not loopback.
    #[error("http is only for 127.0.0.1, [::1] and localhost (lower case); found {0:?}")]
    NotLoopback(String),
    /// A `.` or `..` segment, plain or percent-encoded.
    #[error("the path must not contain `.` or `..` segments")]
    DotSegment,
}

impl RedirectSet {
    /// The redirect URIs of one client.
    pub fn new(redirects: Vec<RegisteredRedirect>) -> Self {
        Self(redirects)
    }

    /// The registered redirect that `requested` names, as the client wrote it.
    pub fn matches(&self, requested: &str, kind: ClientKind) -> Result<RedirectUri, RedirectMismatch> {
        let same = |registered: &RegisteredRedirect| {
            registered.0 == requested
                || (kind == ClientKind::Public && same_but_for_loopback_port(&registered.0, requested))
        };
        if self.0.iter().any(same) {
            Ok(RedirectUri(requested.to_owned()))
        } else {
            Err(self.mismatch(requested))
        }
    }

    /// The one registered redirect, when there is exactly one and it needs no port from the request.
    pub fn sole(&self) -> Option<RedirectUri> {
        match self.0.as_slice() {
            [one] => Some(RedirectUri(one.0.clone())),
            _ => None,
        }
    }

    /// Whether nothing is registered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The registered redirects in their order.
    pub fn iter(&self) -> impl Iterator<Item = &RegisteredRedirect> {
        self.0.iter()
    }

    fn mismatch(&self, requested: &str) -> RedirectMismatch {
        RedirectMismatch::of(requested, self.0.iter().map(RegisteredRedirect::as_str))
    }
}

impl RegisteredRedirect {
    /// Checks a URI for registration: https, loopback http, or a reverse-DNS private-use scheme.
    pub fn parse(uri: &str) -> Result<Self, RegistrationError> {
        Self::parse_allowing(uri, &[])
    }

    /// As [`Self::parse`], with `schemes` (such as `cursor`) allowed as private-use schemes by the operator.
    pub fn parse_allowing(uri: &str, schemes: &[&str]) -> Result<Self, RegistrationError> {
        if uri.len() > MAX_BYTES {
            return Err(RegistrationError::TooLong(uri.len()));
        }
        if uri.contains('#') {
            return Err(RegistrationError::Fragment);
        }
        if uri.contains('*') {
            return Err(RegistrationError::Wildcard);
        }
        if let Some(bad) = uri.chars().find(|&c| !is_uri_character(c)) {
            return Err(RegistrationError::Character(bad));
        }
        if has_dot_segment(uri) {
            return Err(RegistrationError::DotSegment);
        }
        let (scheme, rest) = uri.split_once(':').ok_or_else(|| RegistrationError::Scheme(uri.to_owned()))?;
        match scheme {
            "https" => check_authority(rest)?,
            "http" if Loopback::parse(uri).is_some() => {}
            "http" => return Err(RegistrationError::NotLoopback(rest.to_owned())),
            private if is_private_use(private, schemes) && !rest.is_empty() => {}
            other => return Err(RegistrationError::Scheme(other.to_owned())),
        }
        Ok(Self(uri.to_owned()))
    }

    /// The URI as registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a loopback URI.
    pub fn is_loopback(&self) -> bool {
        Loopback::parse(&self.0).is_some()
    }
}

impl RedirectUri {
    /// The URI as the client sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the answer goes to the user's own computer, where any local program may listen.
    pub fn is_loopback(&self) -> bool {
        Loopback::parse(&self.0).is_some()
    }

    /// Host and port of an https or http redirect, the scheme of a private-use one: what a person is shown.
    pub fn destination(&self) -> &str {
        match self.0.split_once("://") {
            Some(("https" | "http", rest)) => rest.split(['/', '?']).next().unwrap_or(rest),
            _ => self.0.split(':').next().unwrap_or(&self.0),
        }
    }

    /// The URI with `parameters` form-encoded behind its own query, which stays untouched.
    pub fn with_query(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let joint = match self.0.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{}{joint}{}", self.0, query.finish())
    }
}

/// An http URI to a loopback host, split so that the port can be left out of a comparison.
#[derive(PartialEq, Eq)]
struct Loopback<'a> {
    host: &'static str,
    path_and_query: &'a str,
}

impl<'a> Loopback<'a> {
    fn parse(uri: &'a str) -> Option<Self> {
        let rest = uri.strip_prefix("http://")?;
        if !rest.chars().all(is_uri_character) {
            return None;
        }
        let (authority, path_and_query) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = LOOPBACK_HOSTS.into_iter().find(|host| {
            authority
                .strip_prefix(host)
                .is_some_and(|port| port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        })?;
        Some(Self { host, path_and_query })
    }
}

fn same_but_for_loopback_port(registered: &str, requested: &str) -> bool {
    Loopback::parse(registered).is_some_and(|registered| Loopback::parse(requested) == Some(registered))
}

fn is_port(text: &str) -> bool {
    text.len() <= 5
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// RFC 3986 §2: unreserved, reserved and `%`, without the `#` that only a fragment needs.
fn is_uri_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?[]@!$&'()*+,;=%".contains(c)
}

fn has_dot_segment(uri: &str) -> bool {
    let path = uri.split('?').next().unwrap_or(uri);
    path.split('/')
        .any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

fn check_authority(rest: &str) -> Result<(), RegistrationError> {
    let refused = || RegistrationError::Authority(rest.to_owned());
    let authority = rest.strip_prefix("//").ok_or_else(refused)?;
    let authority = authority.split(['/', '?']).next().unwrap_or(authority);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host_ok = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
    };
    if host_ok && port.is_none_or(is_port) { Ok(()) } else { Err(refused()) }
}

/// RFC 8252 §7.1 asks for a reverse domain name; others only when the operator named them.
fn is_private_use(scheme: &str, allowed: &[&str]) -> bool {
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let reverse_dns = scheme.contains('.') && scheme.split('.').all(|label| !label.is_empty());
    well_formed && (reverse_dns || (allowed.contains(&scheme) && !NEVER_PRIVATE.contains(&scheme)))
}

/// Schemes that a browser acts on itself: no operator setting makes them redirect targets.
const NEVER_PRIVATE: [&str; 12] = [
    "javascript",
    "data",
    "vbscript",
    "blob",
    "file",
    "about",
    "http",
    "https",
    "ws",
    "wss",
    "ftp",
    "view-source",
];

#[cfg(test)]
mod tests;
