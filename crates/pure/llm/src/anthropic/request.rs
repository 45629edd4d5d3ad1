//! A Messages API request body: the members we act on, and every byte as the client wrote it.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use serde_json::value::RawValue;

use self::members::{Members, Metadata};

mod depth;
mod members;

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

impl MessagesRequest {
    /// Reads the members that policy, routing and accounting need; everything else is skipped unread.
    pub fn parse(body: Bytes) -> Result<Self, RequestError> {
        depth::check(&body)?;
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            let json = serde_json::from_slice::<IgnoredAny>(&body);
            return Err(json.map_or_else(|error| not_json(&error), |_| RequestError::NotAnObject));
        }
        let members: Members<'_> = serde_json::from_slice(&body).map_err(|error| refusal(&error))?;
        if let Some(refusal) = members.refusal {
            return Err(refusal);
        }
        let raw_model = members.model.ok_or(RequestError::Missing { member: "model" })?;
        let model = checked_model(raw_model)?;
        let model_at = position(&body, raw_model.get()).ok_or(RequestError::Missing { member: "model" })?;
        let stream = member(members.stream, "stream", "a boolean")?.unwrap_or(false);
        let max_tokens = member(members.max_tokens, "max_tokens", "an integer that is not negative")?;
        let metadata: Option<Metadata> = member(
            members.metadata,
            "metadata",
            "an object whose `user_id` is a string of at most 4096 bytes, if present",
        )?;
        let Metadata { user_id, refusal } = metadata.unwrap_or_default();
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let place = |name: &str| {
            let place = position(&body, name)?;
            Some(u32::try_from(place.start).ok()?..u32::try_from(place.end).ok()?)
        };
        let tool_names = members.tools.iter().map(|name| name.map_or(Some(0..0), &place));
        let tool_names = tool_names.collect::<Option<_>>().ok_or(TOOLS)?;
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

/// What is expected of `tools`.
const TOOLS: RequestError = RequestError::Member {
    member: "tools",
    expected: "an array of at most 10000 objects whose `name` and `type` are strings of at most 1024 bytes",
};

fn checked_model(raw: &RawValue) -> Result<String, RequestError> {
    let sound =
        |model: &String| (1..=MAX_MODEL_BYTES).contains(&model.len()) && !model.contains(char::is_control);
    let json = Some(raw.get()).filter(|json| json.len() <= 6 * MAX_MODEL_BYTES + 2);
    json.and_then(|json| serde_json::from_str::<String>(json).ok()).filter(sound).ok_or(
        RequestError::Member {
            member: "model",
            expected: "a string of 1 to 256 bytes without control characters",
        },
    )
}

fn member<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    member: &'static str,
    expected: &'static str,
) -> Result<Option<T>, RequestError> {
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|_| RequestError::Member { member, expected })
}

/// Where `part`, which serde borrowed from `body`, stands in it.
fn position(body: &Bytes, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= body.len()).then_some(start..end)
}

/// Our words for what serde_json found in an object. Its own may quote the body, so only its category and position
/// are used; of what [`Members`] reads, `tools` alone can have a wrong type.
fn refusal(error: &serde_json::Error) -> RequestError {
    match error.classify() {
        Category::Data => TOOLS,
        Category::Syntax | Category::Eof | Category::Io => not_json(error),
    }
}

fn not_json(error: &serde_json::Error) -> RequestError {
    RequestError::NotJson { line: error.line(), column: error.column() }
}

#[cfg(test)]
mod tests;
