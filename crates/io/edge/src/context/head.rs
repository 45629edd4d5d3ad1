//! The head of an admitted request: method, target, and header fields that can be read in one way only.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};

use crate::rejection::Rejection;

/// A request head. Fields that we read as one value are there once at most: [`Head::admit`] is the only way to get one.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    parts: Arc<Parts>,
}

macro_rules! fields {
    ($(#[$doc:meta])* $table:ident { $($field:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $table {
            $(#[doc = concat!("`", $name, "`.")] $field,)*
        }

        impl $table {
            /// The whole table.
            pub const ALL: &[Self] = &[$(Self::$field,)*];

            /// The name of the field, in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }

            /// The same name, ready for looking it up without reading it.
            fn header(self) -> &'static HeaderName {
                match self {
                    $(Self::$field => {
                        static NAME: HeaderName = HeaderName::from_static($name);
                        &NAME
                    },)*
                }
            }
        }
    };
}

fields! {
    /// The fields that are read as one value. Sent twice they have no one reading, so the request is refused: who
    /// takes the first and who takes the last would see different requests.
    Single {
        AccessControlRequestMethod = "access-control-request-method",
        AnthropicVersion = "anthropic-version",
        Authorization = "authorization",
        ContentLength = "content-length",
        ContentType = "content-type",
        Dpop = "dpop",
        Expect = "expect",
        Host = "host",
        LastEventId = "last-event-id",
        McpMethod = "mcp-method",
        McpName = "mcp-name",
        McpProtocolVersion = "mcp-protocol-version",
        McpSessionId = "mcp-session-id",
        Origin = "origin",
        ProxyAuthorization = "proxy-authorization",
        Traceparent = "traceparent",
        UserAgent = "user-agent",
        XApiKey = "x-api-key",
    }
}

fields! {
    /// The fields that are lists: all lines of them count, in their order (RFC 9110 §5.3).
    List {
        Accept = "accept",
        AccessControlRequestHeaders = "access-control-request-headers",
        AnthropicBeta = "anthropic-beta",
        ContentEncoding = "content-encoding",
        Cookie = "cookie",
        IfNoneMatch = "if-none-match",
    }
}

impl Head {
    /// Takes a head whose [`Single`] fields are there once at most.
    pub fn admit(parts: Arc<Parts>) -> Result<Self, Rejection> {
        once(&parts.headers)?;
        Ok(Self { method: parts.method.clone(), uri: parts.uri.clone(), parts })
    }

    /// The value of a field, when it is printable ASCII.
    pub fn single(&self, field: Single) -> Option<&str> {
        self.value(field).and_then(|value| value.to_str().ok())
    }

    /// The value of a field as it was sent.
    pub fn value(&self, field: Single) -> Option<&HeaderValue> {
        self.parts.headers.get(field.header())
    }

    /// The lines of a field, in their order.
    pub fn list(&self, field: List) -> impl Iterator<Item = &HeaderValue> {
        self.parts.headers.get_all(field.header()).iter()
    }

    /// The elements of a field that separates them by commas, without white space around them and without empty
    /// ones. A line that is not printable ASCII is one element, `?`.
    pub fn elements(&self, field: List) -> impl Iterator<Item = &str> {
        let lines = self.list(field).map(|line| line.to_str().unwrap_or("?"));
        lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
    }

    /// All fields, for those who pass them on or show them whole.
    pub fn fields(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.parts.headers.iter()
    }
}

/// Refuses a head that says twice what is read once.
fn once(headers: &HeaderMap) -> Result<(), Rejection> {
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    let repeated = |field: &&Single| headers.get_all(field.header()).iter().nth(1).is_some();
    match Single::ALL.iter().find(repeated) {
        None => Ok(()),
        Some(field @ (Single::Authorization | Single::XApiKey)) => {
            Err(Rejection::malformed("credential_repeated", "A credential header is repeated.")
                .because(field.name()))
        }
        Some(field) => Err(Rejection::malformed(
            "header_repeated",
            format!("The header `{}` is sent more than once.", field.name()),
        )),
    }
}

#[cfg(test)]
mod tests;
