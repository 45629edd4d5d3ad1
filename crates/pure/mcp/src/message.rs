//! The JSON-RPC envelope over raw JSON.
//!
//! A message is parsed once, strictly, into the few members a gateway acts on; everything else stays a
//! slice of the received text. What policy, audit and the upstream see comes from this one parse.

use std::borrow::Cow;

use serde_json::value::RawValue;

pub use id::Id;
pub use object::RawObject;
pub use strict::Limits;

use batch::{LARGEST_BATCH, Parts};

use crate::error::{ErrorCode, RpcError};

mod batch;
pub mod compose;
mod id;
pub mod json_text;
mod object;
mod strict;

/// What one POST body holds.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// One message, as every revision since 2025-06-18 demands.
    One(Message<'a>),
    /// A JSON-RPC batch, which only 2025-03-26 knows.
    Batch(Vec<Message<'a>>),
}

/// One JSON-RPC message.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Expects an answer.
    Request(Request<'a>),
    /// Expects none.
    Notification(Notification<'a>),
    /// Answers a request of the other side.
    Response(Response<'a>),
}

/// A request with its id, method and parameters; members it carries beyond those survive.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    id: Id,
    method: Cow<'a, str>,
    members: RawObject<'a>,
    params: Option<RawObject<'a>>,
    meta: Option<RawObject<'a>>,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notification<'a> {
    method: Cow<'a, str>,
    members: RawObject<'a>,
    params: Option<RawObject<'a>>,
    meta: Option<RawObject<'a>>,
}

/// A response; its id is absent when the other side could not read ours.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    id: Option<Id>,
    outcome: Outcome<'a>,
}

/// What a response says.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// The members of `result`.
    Result(RawObject<'a>),
    /// The members of `error`.
    Error(ErrorObject<'a>),
}

/// The `error` member of a response.
#[derive(Clone, Debug)]
pub struct ErrorObject<'a> {
    /// JSON-RPC error code.
    pub code: i64,
    /// Text for people.
    pub message: String,
    /// All members as received, `data` among them.
    pub members: RawObject<'a>,
}

/// A body that is no message we accept; carries the request's id when it could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    /// The id to answer with.
    pub id: Option<Id>,
    /// What is wrong.
    pub kind: ParseErrorKind,
}

/// Why a body is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Not UTF-8, or not JSON.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// JSON, but neither object nor non-empty array of objects.
    #[error("expected a JSON-RPC message object")]
    NotAnObject,
    /// More nesting than [`Limits::depth`].
    #[error("the message nests deeper than {0} levels")]
    TooDeep(usize),
    /// A batch of more messages than are served together.
    #[error("a batch may hold at most {0} messages")]
    BatchTooLong(usize),
    /// More members than [`Limits::members`].
    #[error("the message has more than {0} object members")]
    TooManyMembers(usize),
    /// One object names a member twice.
    #[error("the member {0:?} appears twice in one object")]
    DuplicateMember(String),
    /// A member that differs from a known one in letter case only.
    #[error("the member {found:?} must be written {expected:?}")]
    MisspeltMember {
        /// As received.
        found: String,
        /// As the protocol writes it.
        expected: &'static str,
    },
    /// `jsonrpc` is not "2.0".
    #[error("`jsonrpc` must be the string \"2.0\"")]
    Version,
    /// `id` is neither string nor integer, or is too long.
    #[error("`id` must be a string or an integer of at most 256 bytes")]
    Id,
    /// `method` is not a string.
    #[error("`method` must be a string")]
    Method,
    /// `params` or `params._meta` is not an object.
    #[error("`{0}` must be an object")]
    Params(&'static str),
    /// The message is a response without exactly one of a `result` object and an `error` object.
    #[error("a response must have either a `result` object or an `error` object with an integer `code`")]
    Response,
}

const ENVELOPE_MEMBERS: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS_MEMBERS: &[&str] = &[
    "_meta",
    "name",
    "arguments",
    "uri",
    "cursor",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "inputResponses",
    "requestState",
    "task",
    "taskId",
];

impl ParseError {
    /// The JSON-RPC error to answer with: -32700 for broken JSON, else -32600.
    pub fn to_rpc(&self) -> RpcError {
        let code = match self.kind {
            ParseErrorKind::Syntax(_) => ErrorCode::Parse,
            _ => ErrorCode::InvalidRequest,
        };
        RpcError::new(code, self.kind.to_string())
    }
}

impl<'a> Body<'a> {
    /// Parses a client's POST body: the whole text is checked for depth, member count and duplicate members.
    ///
    /// The caller has already bounded the length (4 MiB by default), and counted [`Body::most_built`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let text = utf8(bytes)?;
        if !text.trim_ascii_start().starts_with('[') {
            return Message::parse_with(text, Limits::INBOUND).map(Self::One);
        }
        let Parts(parts) =
            serde_json::from_str(text).map_err(|error| ParseErrorKind::Syntax(error.to_string()))?;
        if parts.len() > LARGEST_BATCH {
            return Err(ParseErrorKind::BatchTooLong(LARGEST_BATCH).into());
        }
        if parts.is_empty() {
            return Err(ParseErrorKind::NotAnObject.into());
        }
        let messages = parts.into_iter().map(|part| Message::parse_with(part.get(), Limits::INBOUND));
        messages.collect::<Result<_, _>>().map(Self::Batch)
    }
}

impl Body<'_> {
    /// The most memory that the parsed form of `bytes` takes besides the text.
    pub fn most_built(bytes: &[u8]) -> usize {
        let is_batch = bytes.trim_ascii_start().starts_with(b"[");
        RawObject::most_built(bytes.len(), if is_batch { LARGEST_BATCH } else { 1 })
    }
}

impl<'a> Message<'a> {
    /// Parses one message of an upstream: depth is bounded and the envelope is strict, but objects inside
    /// `result` may hold what they like, since nothing in them decides anything here.
    pub fn parse_upstream(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_with(utf8(bytes)?, Limits::UPSTREAM)
    }

    fn parse_with(text: &'a str, limits: Limits) -> Result<Self, ParseError> {
        let members = RawObject::parse_within(text).map_err(|error| {
            let text = error.to_string();
            let kind =
                if error.is_data() { ParseErrorKind::NotAnObject } else { ParseErrorKind::Syntax(text) };
            ParseError { id: None, kind }
        })?;
        let members = members.ok_or(ParseErrorKind::TooManyMembers(RawObject::MOST_MEMBERS))?;
        let id = members.only("id").map(Id::parse);
        let readable = id.as_ref().and_then(|id| id.as_ref().ok()).cloned();
        Self::from_members(text, members, id, limits).map_err(|kind| ParseError { id: readable, kind })
    }

    fn from_members(
        text: &'a str,
        members: RawObject<'a>,
        id: Option<Result<Id, ParseErrorKind>>,
        limits: Limits,
    ) -> Result<Self, ParseErrorKind> {
        members.check_names(ENVELOPE_MEMBERS)?;
        strict::scan(text, limits)?;
        if members.get("jsonrpc").map(RawValue::get) != Some("\"2.0\"") {
            return Err(ParseErrorKind::Version);
        }
        let Some(method) = members.get_borrowed("method") else {
            return Response::from_members(&members, id).map(Self::Response);
        };
        if members.get("result").is_some() || members.get("error").is_some() {
            return Err(ParseErrorKind::Response);
        }
        let method =
            serde_json::from_str::<BorrowedText<'a>>(method.get()).map_err(|_| ParseErrorKind::Method)?.0;
        let params = nested(&members, "params", "params", PARAMS_MEMBERS)?;
        let meta = match &params {
            Some(params) => nested(params, "_meta", "params._meta", crate::version::meta::KNOWN)?,
            None => None,
        };
        Ok(match id.transpose()? {
            Some(id) => Self::Request(Request { id, method, members, params, meta }),
            None => Self::Notification(Notification { method, members, params, meta }),
        })
    }
}

impl<'a> Request<'a> {
    /// The request's id with its original text.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The method, compared byte for byte everywhere.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The members of `params`, if there are any.
    pub fn params(&self) -> Option<&RawObject<'a>> {
        self.params.as_ref()
    }

    /// One member of `params`.
    pub fn param(&self, name: &str) -> Option<&RawValue> {
        self.params.as_ref()?.get(name)
    }

    /// One member of `params` that must be a string when present (-32602 otherwise).
    pub fn text_param(&self, name: &str) -> Result<Option<String>, RpcError> {
        let read = |raw: &RawValue| {
            serde_json::from_str(raw.get()).map_err(|_| {
                RpcError::new(ErrorCode::InvalidParams, format!("`params.{name}` must be a string"))
            })
        };
        self.param(name).map(read).transpose()
    }

    /// The members of `params._meta`, if there are any.
    pub fn meta(&self) -> Option<&RawObject<'a>> {
        self.meta.as_ref()
    }

    /// The request as text with another id and other parameters; further members keep their place and bytes.
    pub fn rebuild(&self, id: &Id, params: Option<&RawObject<'_>>) -> String {
        let mut out = String::with_capacity(128 + params.map_or(0, RawObject::written_len));
        let mut members = self.members.clone();
        if params.is_none() {
            members.remove("params");
        } else if members.get("params").is_none() {
            members.set("params", json_text::raw_object(""));
        }
        members.write_with(&mut out, |name, out| match (name, params) {
            ("id", _) => {
                out.push_str(id.as_json());
                true
            }
            ("params", Some(params)) => {
                params.write(out);
                true
            }
            _ => false,
        });
        out
    }
}

impl<'a> Notification<'a> {
    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The members of `params`, if there are any.
    pub fn params(&self) -> Option<&RawObject<'a>> {
        self.params.as_ref()
    }

    /// The members of `params._meta`, if there are any.
    pub fn meta(&self) -> Option<&RawObject<'a>> {
        self.meta.as_ref()
    }

    /// The whole message as text, with other parameters.
    pub fn rebuild(&self, params: &RawObject<'_>) -> String {
        let mut out = String::new();
        self.members.write_with(&mut out, |name, out| {
            let ours = name == "params";
            if ours {
                params.write(out);
            }
            ours
        });
        out
    }
}

impl<'a> Response<'a> {
    /// The id of the request that it answers.
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// What it says.
    pub fn outcome(&self) -> &Outcome<'a> {
        &self.outcome
    }

    /// What it says, by value.
    pub fn into_outcome(self) -> Outcome<'a> {
        self.outcome
    }

    fn from_members(
        members: &RawObject<'a>,
        id: Option<Result<Id, ParseErrorKind>>,
    ) -> Result<Self, ParseErrorKind> {
        let broken = |_| ParseErrorKind::Response;
        let outcome = match (members.get_borrowed("result"), members.get_borrowed("error")) {
            (Some(result), None) => {
                let result = RawObject::parse(result.get()).map_err(broken)?;
                result.check_names(crate::version::RESULT_MEMBERS)?;
                Outcome::Result(result)
            }
            (None, Some(error)) => Outcome::Error(ErrorObject::parse(error)?),
            _ => return Err(ParseErrorKind::Response),
        };
        let id = match members.get("id").map(RawValue::get) {
            Some("null") | None => None,
            Some(_) => id.transpose()?,
        };
        if id.is_none() && matches!(outcome, Outcome::Result(_)) {
            return Err(ParseErrorKind::Id);
        }
        Ok(Self { id, outcome })
    }
}

impl<'a> ErrorObject<'a> {
    fn parse(raw: &'a RawValue) -> Result<Self, ParseErrorKind> {
        let members = RawObject::parse(raw.get()).map_err(|_| ParseErrorKind::Response)?;
        members.check_names(&["code", "message", "data"])?;
        let code = members.get("code").and_then(|code| serde_json::from_str(code.get()).ok());
        let message = members.get("message").and_then(|text| serde_json::from_str(text.get()).ok());
        Ok(Self {
            code: code.ok_or(ParseErrorKind::Response)?,
            message: message.unwrap_or_default(),
            members,
        })
    }

    /// The `data` member, as received.
    pub fn data(&self) -> Option<&RawValue> {
        self.members.get("data")
    }
}

/// Whether a JSON text of an upstream stays within [`Limits::UPSTREAM`].
pub(crate) fn is_shallow(json: &str) -> bool {
    strict::scan(json, Limits::UPSTREAM).is_ok()
}

impl From<ParseErrorKind> for ParseError {
    fn from(kind: ParseErrorKind) -> Self {
        Self { id: None, kind }
    }
}

#[derive(serde::Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

fn utf8(bytes: &[u8]) -> Result<&str, ParseError> {
    std::str::from_utf8(bytes).map_err(|error| ParseErrorKind::Syntax(error.to_string()).into())
}

fn nested<'a>(
    outer: &RawObject<'a>,
    name: &str,
    shown: &'static str,
    known: &[&'static str],
) -> Result<Option<RawObject<'a>>, ParseErrorKind> {
    let Some(raw) = outer.get_borrowed(name) else { return Ok(None) };
    let object = RawObject::parse(raw.get()).map_err(|_| ParseErrorKind::Params(shown))?;
    object.check_names(known)?;
    Ok(Some(object))
}

#[cfg(test)]
mod tests;
