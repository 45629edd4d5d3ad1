//! Strict `application/x-www-form-urlencoded` for request bodies and query strings.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use gatehouse_identity::scope::ScopeSet;

use crate::error::{ErrorCode, OAuthError, invalid_request};

/// The longest query that is read, and the longest body unless configured otherwise, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most parameters that are read.
pub const MAX_PARAMETERS: usize = 64;
/// The parameters that may stand more than once (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of one request, decoded once.
///
/// Those that were sent without a value are not among them: they were not sent (RFC 6749 §3.1, §3.2).
pub struct Form(Vec<(String, String)>);

/// A body or query that is not a strict form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Longer than what is read, which is the second number.
    #[error("the parameters take {0} bytes; at most {1} are read")]
    TooLong(usize, usize),
    /// More than [`MAX_PARAMETERS`].
    #[error("there are more than {MAX_PARAMETERS} parameters")]
    TooMany,
    /// A byte that must be percent-encoded stands bare.
    #[error("byte {byte:#04x} at offset {offset} must be percent-encoded")]
    BareByte {
        /// The byte.
        byte: u8,
        /// Where it stands.
        offset: usize,
    },
    /// `%` without two hexadecimal digits.
    #[error("`%` at offset {0} is not followed by two hexadecimal digits")]
    Percent(usize),
    /// A decoded name or value is not UTF-8.
    #[error("parameter {0} is not UTF-8")]
    Utf8(usize),
    /// A parameter that may stand once stands twice.
    #[error("parameter `{0}` is repeated")]
    Duplicate(String),
}

impl Form {
    /// Parses a query string (without its `?`) or a body of at most [`MAX_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        Self::parse_within(bytes, MAX_BYTES)
    }

    /// Parses a body of at most `longest` bytes.
    pub fn parse_within(bytes: &[u8], longest: usize) -> Result<Self, FormError> {
        if bytes.len() > longest {
            return Err(FormError::TooLong(bytes.len(), longest));
        }
        let mut pairs = Vec::new();
        let mut count = 0;
        let mut seen = HashSet::new();
        let mut offset = 0;
        for part in bytes.split(|&byte| byte == b'&') {
            if !part.is_empty() {
                if count == MAX_PARAMETERS {
                    return Err(FormError::TooMany);
                }
                count += 1;
                let (name, value) = decode_pair(part, offset, count)?;
                if !value.is_empty() {
                    if !REPEATABLE.contains(&name.as_str()) && !seen.insert(name.clone()) {
                        return Err(FormError::Duplicate(name));
                    }
                    pairs.push((name, value));
                }
            }
            offset += part.len() + 1;
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter that may stand once.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The values of a parameter, in order.
    pub fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.one(name).ok_or_else(|| invalid_request(format!("{name} is missing")))
    }

    /// `scope`, when it was sent.
    pub(crate) fn scope(&self) -> Result<Option<ScopeSet>, OAuthError> {
        self.one("scope")
            .map(ScopeSet::parse)
            .transpose()
            .map_err(|error| OAuthError::new(ErrorCode::InvalidScope, error.to_string()))
    }

    /// `expires_in`: whole seconds from 1 on. It can only shorten the life of the token.
    pub(crate) fn lifetime(&self) -> Result<Option<Duration>, OAuthError> {
        let malformed = || invalid_request("expires_in must be a whole number of seconds, 1 or more");
        let Some(text) = self.one("expires_in") else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds =
            text.parse::<u32>().ok().filter(|seconds| digits && *seconds > 0).ok_or_else(malformed)?;
        Ok(Some(Duration::from_secs(seconds.into())))
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Form-urldecodes one value that stands outside a form, such as each half of HTTP Basic (RFC 6749 §2.3.1).
pub(crate) fn decode_value(bytes: &[u8]) -> Result<String, FormError> {
    decode(bytes, 0, 1)
}

fn decode_pair(part: &[u8], offset: usize, number: usize) -> Result<(String, String), FormError> {
    let mut halves = part.splitn(2, |&byte| byte == b'=');
    let name = halves.next().unwrap_or_default();
    let value = halves.next().unwrap_or_default();
    Ok((decode(name, offset, number)?, decode(value, offset + name.len() + 1, number)?))
}

fn decode(bytes: &[u8], offset: usize, number: usize) -> Result<String, FormError> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().enumerate();
    while let Some((index, byte)) = rest.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || rest.next().and_then(|(_, byte)| char::from(byte).to_digit(16));
                let high = digit().ok_or(FormError::Percent(offset + index))?;
                let low = digit().ok_or(FormError::Percent(offset + index))?;
                out.push(u8::try_from(high * 16 + low).map_err(|_| FormError::Percent(offset + index))?);
            }
            0x21..=0x7E => out.push(byte),
            _ => return Err(FormError::BareByte { byte, offset: offset + index }),
        }
    }
    String::from_utf8(out).map_err(|_| FormError::Utf8(number))
}

#[cfg(test)]
mod tests;
