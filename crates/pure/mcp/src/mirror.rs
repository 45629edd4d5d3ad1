//! Headers that repeat parts of the body (SEP-2243), checked when read and rebuilt when sent.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub use binding::{Binding, BindingError, BindingKind};

use crate::arguments::Arguments;
use crate::error::{ErrorCode, RpcError};
use crate::message::Request;

mod binding;

/// `MCP-Protocol-Version`, lower case.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// `Mcp-Method`, lower case.
pub const METHOD: &str = "mcp-method";
/// `Mcp-Name`, lower case.
pub const NAME: &str = "mcp-name";
/// `Mcp-Session-Id`, lower case.
pub const SESSION_ID: &str = "mcp-session-id";
/// What the headers of annotated tool arguments start with, lower case.
pub const PARAM_PREFIX: &str = "mcp-param-";

const OPENING: &str = "=?base64?";
const CLOSING: &str = "?=";
/// Integers beyond this magnitude have no exact JSON number everywhere.
const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// One header as the request had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field<'a> {
    /// Not sent.
    #[default]
    Absent,
    /// Sent once; surrounding white space is gone.
    One(&'a str),
    /// Sent once with bytes that are neither visible ASCII, space nor tab.
    Malformed,
    /// Sent more than once.
    Repeated,
}

/// The MCP headers of one request.
#[derive(Clone, Debug, Default)]
pub struct HeaderFacts<'a> {
    /// `MCP-Protocol-Version`.
    pub protocol_version: Field<'a>,
    /// `Mcp-Method`.
    pub method: Field<'a>,
    /// `Mcp-Name`.
    pub name: Field<'a>,
    /// `Mcp-Session-Id`.
    pub session_id: Field<'a>,
    /// `Mcp-Param-*` by lower-case name, prefix included.
    pub params: Vec<(String, Field<'a>)>,
}

impl<'a> HeaderFacts<'a> {
    /// Picks the MCP headers out of all headers of a request; names in any letter case.
    pub fn collect(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut facts = Self::default();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            let slot = match name.as_str() {
                PROTOCOL_VERSION => &mut facts.protocol_version,
                METHOD => &mut facts.method,
                NAME => &mut facts.name,
                SESSION_ID => &mut facts.session_id,
                _ if name.starts_with(PARAM_PREFIX) => {
                    facts.add_param(name, value);
                    continue;
                }
                _ => continue,
            };
            *slot = if *slot == Field::Absent { Field::read(value) } else { Field::Repeated };
        }
        facts
    }

    /// The header of one annotated argument, by its name without prefix in any letter case.
    pub fn param(&self, name: &str) -> Field<'a> {
        let bound =
            |full: &str| full.strip_prefix(PARAM_PREFIX).is_some_and(|rest| rest.eq_ignore_ascii_case(name));
        self.params.iter().find(|(full, _)| bound(full)).map_or(Field::Absent, |(_, field)| *field)
    }

    fn add_param(&mut self, name: String, value: &'a [u8]) {
        if let Some((_, field)) = self.params.iter_mut().find(|(known, _)| *known == name) {
            *field = Field::Repeated;
        } else {
            self.params.push((name, Field::read(value)));
        }
    }
}

impl<'a> Field<'a> {
    fn read(value: &'a [u8]) -> Self {
        let plain = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7E);
        match std::str::from_utf8(value) {
            Ok(text) if value.iter().all(plain) => Self::One(text.trim_matches([' ', '\t'])),
            _ => Self::Malformed,
        }
    }

    /// The value that must be there, decoded; -32020 if it is not.
    pub fn required(self, header: &str) -> Result<Cow<'a, str>, RpcError> {
        match self {
            Self::One(text) => decode(text)
                .ok_or_else(|| mismatch(format!("the header `{header}` holds a malformed Base64 value"))),
            Self::Absent => Err(mismatch(format!("the header `{header}` is missing"))),
            Self::Malformed => {
                Err(mismatch(format!("the header `{header}` holds bytes outside of visible ASCII")))
            }
            Self::Repeated => Err(mismatch(format!("the header `{header}` is sent more than once"))),
        }
    }

    fn must_equal(self, header: &str, body: &str, member: &str) -> Result<(), RpcError> {
        let found = self.required(header)?;
        if found == body {
            return Ok(());
        }
        Err(mismatch(format!("the header `{header}` says {found:?} but the body's `{member}` is {body:?}")))
    }
}

/// The parameter that `Mcp-Name` repeats for a method, if it repeats one.
pub fn named_param(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// Checks `Mcp-Method` and `Mcp-Name` of a modern request against its body (-32020).
pub fn check_request(facts: &HeaderFacts<'_>, request: &Request<'_>) -> Result<(), RpcError> {
    facts.method.must_equal("Mcp-Method", request.method(), "method")?;
    let Some(param) = named_param(request.method()) else { return Ok(()) };
    match request.text_param(param) {
        Ok(Some(name)) => facts.name.must_equal("Mcp-Name", &name, &format!("params.{param}")),
        // A missing or mistyped parameter is reported as such (-32602) by whoever needs it.
        Ok(None) | Err(_) if facts.name == Field::Absent => Ok(()),
        Ok(None) | Err(_) => Err(mismatch(format!(
            "the header `Mcp-Name` is sent but the body has no text in `params.{param}`"
        ))),
    }
}

/// Checks the `Mcp-Param-*` headers of a tool call against its arguments (-32020).
pub fn check_params(
    facts: &HeaderFacts<'_>,
    bindings: &[Binding],
    arguments: &Arguments<'_>,
) -> Result<(), RpcError> {
    for binding in bindings {
        let header = format!("Mcp-Param-{}", binding.header());
        let field = facts.param(binding.header());
        let Some(value) = binding.value_in(arguments) else {
            if field == Field::Absent {
                continue;
            }
            let message =
                format!("the header `{header}` is sent but the argument `{}` is not", binding.argument());
            return Err(mismatch(message));
        };
        let found = field.required(&header)?;
        if !same_value(&found, &value) {
            let argument = binding.argument();
            return Err(mismatch(format!("the header `{header}` differs from the argument `{argument}`")));
        }
    }
    Ok(())
}

/// The `Mcp-Param-*` headers that a call with these arguments must carry, ready to send.
pub fn param_headers(bindings: &[Binding], arguments: &Arguments<'_>) -> Vec<(String, String)> {
    let header = |binding: &Binding| {
        let text = plain_text(&binding.value_in(arguments)?)?;
        Some((format!("Mcp-Param-{}", binding.header()), encode(&text)))
    };
    bindings.iter().filter_map(header).collect()
}

/// Text as a header value: itself when that is safe, else wrapped as Base64 of its UTF-8.
pub fn encode(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7E));
    let padded = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    let wrapped = text.starts_with(OPENING) && text.ends_with(CLOSING);
    if plain && !padded && !wrapped {
        return text.to_owned();
    }
    format!("{OPENING}{}{CLOSING}", STANDARD.encode(text))
}

/// The text that a header value stands for; `None` if it is wrapped but not Base64 of UTF-8.
pub fn decode(value: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = value.strip_prefix(OPENING).and_then(|rest| rest.strip_suffix(CLOSING)) else {
        return Some(Cow::Borrowed(value));
    };
    let bytes = STANDARD.decode(inner).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn same_value(header: &str, value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let sent: Option<f64> = header.parse().ok().filter(|_| is_decimal(header));
            let exact = |value: f64| value.abs() <= LARGEST_EXACT;
            match (sent, number.as_f64()) {
                (Some(sent), Some(body)) if exact(sent) && exact(body) => (sent - body).abs() < f64::EPSILON,
                _ => header == number.to_string(),
            }
        }
        other => plain_text(other).is_some_and(|text| text == header),
    }
}

fn is_decimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= LARGEST_EXACT => {
                format!("{float:.0}")
            }
            _ => number.to_string(),
        }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn mismatch(message: String) -> RpcError {
    RpcError::new(ErrorCode::HeaderMismatch, message)
}

#[cfg(test)]
mod tests;
