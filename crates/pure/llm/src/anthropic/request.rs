//! A Messages API request body: the members we act on, and every byte as the client wrote it.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;

use self::members::Members;
use self::scanner::Scanner;

mod members;
mod scanner;

/// The longest model id that is looked up at all.
const MAX_MODEL_BYTES: usize = 256;

/// The body of `POST /v1/messages` or `POST /v1/messages/count_tokens`, parsed once.
#[derive(Clone, Debug)]
pub struct MessagesRequest {
    body: Bytes,
    model: String,
    model_at: Range<usize>,
    stream: bool,
    max_tokens: Option<u64>,
    /// Where the JSON text of each name stands in the body; empty for a tool without one.
    tool_names: Vec<Range<u32>>,
    user_id: Option<String>,
}

/// Why a body is refused. No variant repeats any content of the body.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// Not JSON, or JSON that ends early.
    #[error("the request body is not valid JSON (line {line}, column {column})")]
    NotJson {
        /// One-based line.
        line: usize,
        /// One-based column.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("the request body must be a JSON object")]
    NotAnObject,
    /// A member that decides something is there twice, so readers could disagree about it.
    #[error("{member}: written more than once")]
    Duplicate {
        /// Its name.
        member: &'static str,
    },
    /// A member that readers which ignore letter case would take for one that decides something.
    #[error("{member}: expected in lower case, found in other letters")]
    LetterCase {
        /// The name that decides.
        member: &'static str,
    },
    /// The name of a member holds half a character, which readers may take for anything.
    #[error("the name of a member cannot be read")]
    Name,
    /// A member that must be there is not.
    #[error("{member}: Field required")]
    Missing {
        /// Its name.
        member: &'static str,
    },
    /// Objects and arrays within one another, more than anybody writes.
    #[error("the request body nests deeper than {0} levels")]
    TooDeep(usize),
    /// A member has a type or length that it must not have.
    #[error("{member}: expected {expected}")]
    Member {
        /// Its name.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl RequestError {
    /// What stands at `at` makes `body` no JSON.
    fn not_json_at(body: &[u8], at: usize) -> Self {
        let before = body.get(..at).unwrap_or_default();
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        Self::NotJson { line, column: 1 + before.len() - line_start }
    }
}

impl MessagesRequest {
    /// Reads the members that policy, routing and accounting need; everything else is checked to be JSON and passed over.
    pub fn parse(body: Bytes) -> Result<Self, RequestError> {
        let mut first = Scanner::new(&body);
        if first.peek() != Some(b'{') {
            return Err(first.value().and_then(|_| first.end()).err().unwrap_or(RequestError::NotAnObject));
        }
        let members = Members::read(&body)?;
        let raw_model = members.model.ok_or(RequestError::Missing { member: "model" })?;
        let model = checked_model(raw_model)?;
        let model_at = position(&body, raw_model).ok_or(RequestError::Missing { member: "model" })?;
        let stream = member(members.stream, "stream", "a boolean")?.unwrap_or(false);
        let max_tokens = member(members.max_tokens, "max_tokens", "an integer that is not negative")?;
        let user_id = members.metadata.map_or(Ok(None), members::user_id)?;
        let place = |name: &[u8]| {
            let place = position(&body, name)?;
            Some(u32::try_from(place.start).ok()?..u32::try_from(place.end).ok()?)
        };
        let tool_names = members.tools.iter().map(|name| name.map_or(Some(0..0), &place));
        let tool_names = tool_names.collect::<Option<_>>().ok_or(members::TOOLS)?;
        Ok(Self { body, model, model_at, stream, max_tokens, tool_names, user_id })
    }

    /// The body, byte for byte as received.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The requested model, decoded and otherwise literal: a suffix such as `[1m]` is part of it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the client asked for a stream of events.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// The most output tokens the client wants; token counting requests have none.
    pub fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }

    /// What names each entry of `tools`, in order: its `name`, else its `type` (as for `mcp_toolset`),
    /// else the empty string, so that no tool escapes a policy by having no name.
    pub fn tool_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.tool_names.iter().map(|place| {
            let place = usize::try_from(place.start).ok().zip(usize::try_from(place.end).ok());
            let json = place.and_then(|(start, end)| self.body.get(start..end)).unwrap_or_default();
            serde_json::from_slice::<BorrowedText<'_>>(json).map_or(Cow::Borrowed(""), |text| text.0)
        })
    }

    /// `metadata.user_id`: opaque, unauthenticated text of the client.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// The body for a route whose upstream knows the model as `upstream`, in pieces: only the value of `model` changes,
    /// every other byte stays. All of them but the name are slices of the received body, which is never copied.
    pub fn with_model(&self, upstream: &str) -> Vec<Bytes> {
        let Range { start, end } = self.model_at;
        if self.model == upstream || start > end || end > self.body.len() {
            return vec![self.body.clone()];
        }
        let name = serde_json::Value::from(upstream).to_string();
        vec![self.body.slice(..start), Bytes::from(name), self.body.slice(end..)]
    }
}

/// A string, borrowed unless it is written with escapes.
#[derive(Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

fn checked_model(json: &[u8]) -> Result<String, RequestError> {
    let sound =
        |model: &String| (1..=MAX_MODEL_BYTES).contains(&model.len()) && !model.contains(char::is_control);
    let json = Some(json).filter(|json| json.len() <= 6 * MAX_MODEL_BYTES + 2);
    json.and_then(|json| serde_json::from_slice::<String>(json).ok()).filter(sound).ok_or(
        RequestError::Member {
            member: "model",
            expected: "a string of 1 to 256 bytes without control characters",
        },
    )
}

fn member<'a, T: Deserialize<'a>>(
    json: Option<&'a [u8]>,
    member: &'static str,
    expected: &'static str,
) -> Result<Option<T>, RequestError> {
    json.map(serde_json::from_slice).transpose().map_err(|_| RequestError::Member { member, expected })
}

/// Where `part` of `body` stands in it.
fn position(body: &Bytes, part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= body.len()).then_some(start..end)
}

#[cfg(test)]
mod tests;
