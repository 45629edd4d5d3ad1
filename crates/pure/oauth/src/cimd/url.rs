//! A `client_id` that is the URL of a metadata document.

use url::Url;

/// The longest such URL, in bytes.
const MAX_BYTES: usize = 2048;

/// An https URL that may be fetched as a client's metadata document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientMetadataUrl {
    written: String,
    host: String,
}

/// A `client_id` that looks like a URL but may not be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientMetadataUrlError {
    /// Longer than 2048 bytes.
    #[error("a client_id URL may take at most {MAX_BYTES} bytes")]
    TooLong,
    /// A byte that may not stand in a URL: white space, controls, backslash or beyond ASCII.
    #[error("a client_id URL holds a character that must be percent-encoded")]
    Character,
    /// Not https.
    #[error("a client_id URL must be https")]
    Scheme,
    /// A fragment, even an empty one.
    #[error("a client_id URL must not contain `#`")]
    Fragment,
    /// User information, no host, or a host or port that cannot be.
    #[error("a client_id URL must have a host and no user information")]
    Authority,
    /// A `.` or `..` segment, plain or percent-encoded.
    #[error("a client_id URL must not contain `.` or `..` segments")]
    DotSegment,
}

impl ClientMetadataUrl {
    /// Whether a `client_id` means to be the URL of a document. Ids that we generate never do.
    pub fn is_meant(client_id: &str) -> bool {
        without_scheme(client_id).is_some()
    }

    /// Checks a `client_id`.
    pub fn parse(text: &str) -> Result<Self, ClientMetadataUrlError> {
        if text.len() > MAX_BYTES {
            return Err(ClientMetadataUrlError::TooLong);
        }
        if text.bytes().any(|byte| !(0x21..=0x7E).contains(&byte) || byte == b'\\') {
            return Err(ClientMetadataUrlError::Character);
        }
        let rest = without_scheme(text).ok_or(ClientMetadataUrlError::Scheme)?;
        if rest.contains('#') {
            return Err(ClientMetadataUrlError::Fragment);
        }
        let before_query = rest.split('?').next().unwrap_or(rest);
        if before_query.split('/').skip(1).any(is_dot_segment) {
            return Err(ClientMetadataUrlError::DotSegment);
        }
        let host = host_of(text).ok_or(ClientMetadataUrlError::Authority)?;
        Ok(Self { written: text.to_owned(), host })
    }

    /// The URL as the client sent it: its `client_id`.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The host in lower case and punycode: what allow-lists compare and people are shown.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Whether a link of a document is an https URL with a host.
pub(super) fn is_https(text: &str) -> bool {
    host_of(text).is_some()
}

/// The host of an https URL without user information. The authority is read before the URL parser gets to
/// repair it: that one takes `https:///x` for `https://x`.
fn host_of(text: &str) -> Option<String> {
    let rest = without_scheme(text)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if authority.is_empty() || authority.starts_with(':') || authority.contains(['@', '\\']) {
        return None;
    }
    Url::parse(text).ok()?.host_str().map(str::to_owned)
}

/// What follows `https://`, whose scheme may be written in any case (RFC 3986 §3.1).
fn without_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    scheme.eq_ignore_ascii_case("https").then_some(rest)
}

fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}
