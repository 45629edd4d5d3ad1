//! Which requests get in at all: checked on the request head, before routing and before any credential is read.
//!
//! Everything behind this point can rely on one spelling of host and path, so that routing, policy, audit and
//! the upstream request can never see different ones. The one exception is a value that ends a path and may hold
//! slashes, such as a model's id: its slashes may be encoded, and whoever reads it decodes them first.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use http::header::TRANSFER_ENCODING;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method};

use super::framing::Framing;
use super::head_limits::{MAX_HEADER_BYTES, MAX_HEADER_FIELD_BYTES, MAX_HEADER_FIELDS};
use super::routes::OpenEnds;
use crate::context::{Head, Single};
use crate::rejection::{Rejection, RejectionKind};

/// The hosts that requests may name, as `host` or `host:port` in lower case.
#[derive(Clone, Debug)]
pub struct HostRules {
    allowed: HashSet<String>,
    secure: bool,
}

impl HostRules {
    /// Accepts exactly these authorities, and their forms with the default port of `http` and `https`.
    pub fn new(authorities: impl IntoIterator<Item = String>) -> Self {
        let mut allowed = HashSet::new();
        for authority in authorities {
            let authority = authority.to_ascii_lowercase();
            if let Some(bare) = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80")) {
                allowed.insert(bare.to_owned());
            }
            allowed.insert(authority);
        }
        Self { allowed, secure: false }
    }

    /// Says that clients reach these hosts by https only, and wants browsers to keep to it (RFC 6797).
    #[must_use]
    pub fn by_https_only(self) -> Self {
        Self { secure: true, ..self }
    }

    /// Whether browsers are told to come by https only.
    pub(crate) const fn are_secure(&self) -> bool {
        self.secure
    }

    fn check(&self, authority: &Authority) -> Result<(), Rejection> {
        let named = authority.as_str();
        let known = if named.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.allowed.contains(&named.to_ascii_lowercase())
        } else {
            self.allowed.contains(named)
        };
        let bare = || named.strip_suffix(":443").or_else(|| named.strip_suffix(":80"));
        if known || bare().is_some_and(|bare| self.allowed.contains(&bare.to_ascii_lowercase())) {
            return Ok(());
        }
        Err(Rejection::new(RejectionKind::Misdirected, "host_unknown", "This host is not served here.")
            .because(format!("host {named:?}")))
    }
}

/// Runs every check on a request head.
pub(crate) fn admit(
    parts: &Arc<Parts>,
    framed: Framing,
    hosts: &HostRules,
    open_ends: &OpenEnds,
) -> Result<Head, Rejection> {
    method(&parts.method)?;
    framing(&parts.headers, framed)?;
    header_sizes(&parts.headers)?;
    header_names(&parts.headers)?;
    path(parts.uri.path(), open_ends)?;
    let head = Head::admit(Arc::clone(parts))?;
    hosts.check(&authority(&head)?)?;
    Ok(head)
}

/// Tunnels are demanded and refused. Other protocols are offered by `Upgrade`, and an offer that is not taken up is
/// answered as if it had not been made (RFC 9110 §7.8).
fn method(method: &Method) -> Result<(), Rejection> {
    if method == Method::CONNECT {
        return Err(Rejection::new(
            RejectionKind::NotImplemented,
            "tunnel_refused",
            "Tunnels are not served.",
        ));
    }
    Ok(())
}

/// Accepts one way to find the end of a body: its length, or chunks, said once. Whoever reads a length beside
/// chunks or `chunked, chunked` differently sees another request behind this one; other codings would reach handlers
/// still coded.
fn framing(headers: &HeaderMap, framed: Framing) -> Result<(), Rejection> {
    if framed == Framing::Contradictory {
        return Err(Rejection::malformed(
            "body_length_contradictory",
            "The end of the body is given by `Content-Length` or by chunks, not by both.",
        ));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let (coding, another) = (codings.next(), codings.next());
    match coding {
        None => Ok(()),
        Some(coding) if another.is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        Some(_) => Err(Rejection::malformed(
            "transfer_encoding_unsupported",
            "The only Transfer-Encoding that is read is a single `chunked`.",
        )),
    }
}

fn header_sizes(headers: &HeaderMap) -> Result<(), Rejection> {
    let too_large = |public: &str, detail: String| {
        Err(Rejection::new(RejectionKind::HeadersTooLarge, "headers_too_large", public).because(detail))
    };
    if headers.len() > MAX_HEADER_FIELDS {
        return too_large("More than 100 header fields.", format!("{} fields", headers.len()));
    }
    let (mut total, mut widest) = (0, ("", 0));
    for (name, value) in headers {
        let field = name.as_str().len() + value.len();
        total += field;
        if field > widest.1 {
            widest = (name.as_str(), field);
        }
    }
    let (name, size) = widest;
    if size > MAX_HEADER_FIELD_BYTES {
        return too_large("A header field exceeds 16 KiB.", format!("{name} has {size} bytes"));
    }
    if total > MAX_HEADER_BYTES {
        let detail = format!("{total} bytes, of which {name} has {size}");
        return too_large("The header fields exceed 32 KiB.", detail);
    }
    Ok(())
}

/// Some servers read `x_user` as `x-user`; a name that two parties may read differently stays outside.
fn header_names(headers: &HeaderMap) -> Result<(), Rejection> {
    match headers.keys().find(|name| name.as_str().contains('_')) {
        None => Ok(()),
        Some(name) => {
            Err(Rejection::malformed("header_underscore", "Header names must not contain underscores.")
                .because(name.as_str()))
        }
    }
}

/// Accepts only paths that have one reading: no empty or dot segments, no encoded separators, no raw controls. Where a
/// path ends in a value that may hold slashes, whoever decodes them and whoever does not reads the same value, so there
/// they may be encoded; decoded, the path must be canonical all the same.
fn path(path: &str, open_ends: &OpenEnds) -> Result<(), Rejection> {
    let mut read = Cow::Borrowed(path);
    if path.contains('%') && open_ends.end(path) {
        read = Cow::Owned(path.replace("%2F", "/").replace("%2f", "/"));
    }
    let path = read.as_ref();
    let refuse =
        || Err(Rejection::malformed("path_not_canonical", "The request path is not in canonical form."));
    if !path.starts_with('/') || path.len() > 8 * 1024 {
        return refuse();
    }
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' | 0..=0x20 | 0x7f.. => return refuse(),
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low))
                    if !matches!(high << 4 | low, b'/' | b'\\' | b'.' | b'%' | 0..=0x1f) => {}
                _ => return refuse(),
            },
            _ => {}
        }
    }
    let segments = path.strip_prefix('/').unwrap_or(path);
    let odd = |segment: &str| matches!(segment, "." | "..");
    let doubled = path.len() > 1 && path.as_bytes().windows(2).any(|pair| pair == b"//");
    if doubled || segments.split('/').any(odd) { refuse() } else { Ok(()) }
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The one authority that the request names. A `Host` that contradicts the request target is refused.
fn authority(head: &Head) -> Result<Authority, Rejection> {
    let refuse = |why: &str| {
        Rejection::malformed("host_malformed", "The Host header is missing or malformed.").because(why)
    };
    let header = match head.value(Single::Host) {
        None => None,
        Some(value) => {
            let text = value.to_str().map_err(|_| refuse("not ASCII"))?;
            Some(text.parse::<Authority>().map_err(|_| refuse(text))?)
        }
    };
    let authority = match (header, head.uri.authority()) {
        (Some(header), Some(target)) if header != *target => {
            return Err(refuse("Host and request target differ"));
        }
        (Some(authority), _) => authority,
        (None, Some(target)) => target.clone(),
        (None, None) => return Err(refuse("absent")),
    };
    if authority.as_str().contains('@') { Err(refuse("user information")) } else { Ok(authority) }
}

#[cfg(test)]
mod tests;
