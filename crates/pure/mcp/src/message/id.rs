//! JSON-RPC request ids.

use std::fmt;

use serde_json::value::RawValue;

use super::ParseErrorKind;

/// The longest id we accept, in bytes of JSON text.
const LONGEST: usize = 256;

/// A request id: a string or an integer, kept as the JSON text it arrived in.
///
/// Ids are compared as text: `1` and `"1"` are different ids, as the protocol wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(Box<str>);

impl Id {
    /// An id of our own number space.
    pub fn number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// An id of our own text space.
    pub fn text(text: &str) -> Self {
        Self(super::json_text::json_string(text).into())
    }

    pub(crate) fn parse(raw: &RawValue) -> Result<Self, ParseErrorKind> {
        let text = raw.get();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() > LONGEST || !(integer || text.starts_with('"')) {
            return Err(ParseErrorKind::Id);
        }
        Ok(Self(text.into()))
    }

    /// The id as JSON text, exactly as received.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
