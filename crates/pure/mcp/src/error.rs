//! JSON-RPC errors: code, HTTP status and data in one value.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::message::{RawObject, json_text};
use crate::version::{Era, Version};

/// The error codes that this gateway emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// -32700: the body is not JSON.
    Parse,
    /// -32600: JSON, but not a message that is acceptable here.
    InvalidRequest,
    /// -32601: no such method.
    MethodNotFound,
    /// -32602: the parameters are wrong, an unknown tool included.
    InvalidParams,
    /// -32603: our fault or the upstream's.
    Internal,
    /// -32020: a mirrored header is missing, malformed or differs from the body.
    HeaderMismatch,
    /// -32021: the request needs a client capability that was not declared.
    MissingClientCapability,
    /// -32022: the protocol version is unknown or not supported.
    UnsupportedVersion,
}

/// An error to answer a request with.
#[derive(Clone, Debug)]
pub struct RpcError {
    code: i64,
    message: String,
    data: Option<Box<RawValue>>,
    http_status: u16,
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> i64 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::HeaderMismatch => -32020,
            Self::MissingClientCapability => -32021,
            Self::UnsupportedVersion => -32022,
        }
    }

    /// The HTTP status that goes with the code in the modern era.
    ///
    /// -32602 and -32603 belong to an understood request and travel with 200;
    /// a missing `_meta` member is the exception (see [`RpcError::bad_envelope`]).
    const fn http_status(self) -> u16 {
        match self {
            Self::Parse
            | Self::InvalidRequest
            | Self::HeaderMismatch
            | Self::MissingClientCapability
            | Self::UnsupportedVersion => 400,
            Self::MethodNotFound => 404,
            Self::InvalidParams | Self::Internal => 200,
        }
    }
}

impl RpcError {
    /// An error with the usual HTTP status of its code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.number(), message: message.into(), data: None, http_status: code.http_status() }
    }

    /// -32602 for a request whose required `_meta` is missing or malformed: HTTP 400.
    pub fn bad_envelope(message: impl Into<String>) -> Self {
        Self { http_status: 400, ..Self::new(ErrorCode::InvalidParams, message) }
    }

    /// -32600 for a legacy session that does not exist (any more): HTTP 404, so that the client starts over.
    pub fn unknown_session() -> Self {
        let message = "this session does not exist or has ended; send `initialize` again";
        Self { http_status: 404, ..Self::new(ErrorCode::InvalidRequest, message) }
    }

    /// -32022 with the versions that requests may name, the same as `server/discover` gives. Older ones are spoken
    /// in sessions, where `initialize` negotiates them.
    pub fn unsupported_version(requested: &str) -> Self {
        let supported = Version::modern();
        let message =
            format!("protocol version {requested:?} is not supported; expected one of {supported:?}");
        Self::new(ErrorCode::UnsupportedVersion, message)
            .with_data(&serde_json::json!({ "supported": supported, "requested": requested }))
    }

    /// -32021 naming what the client would have to declare, e.g. `{"sampling":{}}`.
    pub fn missing_capability(required: &Value, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::MissingClientCapability, message)
            .with_data(&serde_json::json!({ "requiredCapabilities": required }))
    }

    /// -32602 for a tool that does not exist, or that this caller may not know of: the two look alike.
    pub fn unknown_tool(name: &str) -> Self {
        Self::new(ErrorCode::InvalidParams, format!("unknown tool: {name}"))
    }

    /// -32601.
    pub fn method_not_found(method: &str) -> Self {
        Self::new(ErrorCode::MethodNotFound, format!("method not found: {method}"))
    }

    /// An error of an upstream that passes through with its own code and data.
    pub(crate) fn relayed(code: i64, message: String, data: Option<&RawValue>, http_status: u16) -> Self {
        Self { code, message, data: data.map(ToOwned::to_owned), http_status }
    }

    /// The same error with a `data` member.
    #[must_use]
    pub fn with_data(self, data: &Value) -> Self {
        Self { data: Some(json_text::to_raw(data)), ..self }
    }

    /// The code on the wire.
    pub fn code(&self) -> i64 {
        self.code
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The `data` member.
    pub fn data(&self) -> Option<&RawValue> {
        self.data.as_deref()
    }

    /// The HTTP status to send it with. Legacy clients read JSON-RPC errors only from 200 answers, so once a
    /// session is established (`Era::Legacy`) an error about an understood request travels with 200.
    pub fn http_status(&self, era: Era) -> u16 {
        match (era, self.code) {
            (Era::Legacy, -32601) => 200,
            _ => self.http_status,
        }
    }

    /// The members of the `error` object.
    pub fn members(&self) -> RawObject<'static> {
        let mut members = RawObject::default();
        members.set("code", json_text::to_raw(&self.code));
        members.set("message", json_text::to_raw(&self.message));
        if let Some(data) = &self.data {
            members.set("data", data.clone());
        }
        members
    }
}
