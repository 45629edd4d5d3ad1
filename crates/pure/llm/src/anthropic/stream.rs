//! Messages API event streams: a scanner that reads usage off passing bytes, and the two events that the
//! gateway itself may add.

use bytes::Bytes;
use memchr::memchr2;
use serde_json::Value;

use super::error::{ErrorType, envelope};
use super::reply::ReplyFacts;

/// The longest line or event that is read, in bytes. Longer ones pass like any other and are not read.
pub const MAX_EVENT: usize = 64 * 1024;
/// How much room for a line stays with a stream after a longer one.
const USUAL_LINE: usize = 4 * 1024;

/// The event to send while the provider is silent. Only at an event boundary:
/// see [`UsageScanner::at_event_boundary`].
pub const PING: Bytes = Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n");

/// Reads a passing stream of server-sent events for usage, without ever holding it up.
///
/// Only `message_start`, `message_delta`, `message_stop` and `error` are parsed; of every other event only
/// the line ends are looked for. Memory is bounded by [`MAX_EVENT`].
#[derive(Debug, Default)]
pub struct UsageScanner {
    /// The start of a line whose end has not come yet.
    partial: Vec<u8>,
    /// A carriage return ended the last line: a line feed now belongs to it.
    after_cr: bool,
    event: Event,
    data: Vec<u8>,
    has_data: bool,
    content_started: bool,
    end: Option<StreamEnd>,
    facts: ReplyFacts,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// With `message_stop`.
    Complete,
    /// Without `message_stop` or `error`: something between the model and us broke.
    Truncated,
    /// With an `error` event.
    Error,
}

/// What a whole stream told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// How it ended.
    pub end: StreamEnd,
    /// What it said about itself, as far as it came.
    pub facts: ReplyFacts,
}

/// What is known of the event being received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Event {
    /// No line of it yet.
    #[default]
    Boundary,
    /// Lines, but no name: its data says what it is.
    Unnamed,
    /// One that we read.
    Wanted(Kind),
    /// One that we do not read.
    Skipped { line_started: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Start,
    Delta,
    Stop,
    Error,
}

impl UsageScanner {
    /// A scanner at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next bytes of the stream, cut anywhere.
    pub fn push(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.after_cr)
                && let Some(rest) = chunk.strip_prefix(b"\n")
            {
                chunk = rest;
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', chunk) else {
                return self.hold(chunk);
            };
            let (line, rest) = chunk.split_at(end);
            self.after_cr = rest.first() == Some(&b'\r');
            chunk = rest.get(1..).unwrap_or_default();
            self.end_line(line);
        }
    }

    /// Whether an event may be inserted here without tearing another apart.
    pub fn at_event_boundary(&self) -> bool {
        self.event == Event::Boundary && self.partial.is_empty()
    }

    /// Whether content has begun; from then on another provider can no longer take over.
    pub fn content_started(&self) -> bool {
        self.content_started
    }

    /// What the stream has said so far, for a client that went away.
    pub fn facts(&self) -> &ReplyFacts {
        &self.facts
    }

    /// The stream has ended.
    pub fn finish(self) -> StreamSummary {
        StreamSummary { end: self.end.unwrap_or(StreamEnd::Truncated), facts: self.facts }
    }

    /// The last bytes to send when the stream cannot go on: an `error` event.
    ///
    /// In the middle of an event it takes that event over, so that a client never sees the torn one as whole.
    pub fn error_event(&self, error: ErrorType, message: &str, request_id: &str) -> Bytes {
        let separator = if self.at_event_boundary() { "" } else { "\n" };
        Bytes::from(format!(
            "{separator}event: error\ndata: {envelope}\n\n",
            envelope = envelope(error, message, request_id)
        ))
    }

    fn hold(&mut self, part: &[u8]) {
        if let Event::Skipped { line_started } = &mut self.event {
            *line_started = true;
        } else if self.partial.len() + part.len() > MAX_EVENT {
            self.skip(true);
        } else {
            self.partial.extend_from_slice(part);
        }
    }

    fn end_line(&mut self, rest: &[u8]) {
        if let Event::Skipped { line_started } = &mut self.event {
            if !std::mem::take(line_started) && rest.is_empty() {
                self.event = Event::Boundary;
            }
        } else if self.partial.is_empty() {
            self.line(rest);
        } else {
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(rest);
            self.line(&line);
            line.clear();
            line.shrink_to(USUAL_LINE);
            self.partial = line; // keeps its allocation
        }
    }

    fn line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return self.end_event();
        }
        if line.len() > MAX_EVENT {
            return self.skip(false);
        }
        if self.event == Event::Boundary {
            self.event = Event::Unnamed;
        }
        if let Some(name) = field(line, b"event:") {
            self.named(name);
        } else if let Some(data) = field(line, b"data:") {
            if self.data.len() + data.len() >= MAX_EVENT {
                return self.skip(false);
            }
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(data);
        }
    }

    fn named(&mut self, name: &[u8]) {
        if let Some(kind) = Kind::named(name) {
            self.event = Event::Wanted(kind);
        } else {
            self.content_started |= name.starts_with(b"content_block");
            self.skip(false);
        }
    }

    fn skip(&mut self, line_started: bool) {
        self.event = Event::Skipped { line_started };
        self.partial.clear();
        self.partial.shrink_to(USUAL_LINE);
        self.data.clear();
        self.data.shrink_to(USUAL_LINE);
        self.has_data = false;
    }

    fn end_event(&mut self) {
        let event = std::mem::take(&mut self.event);
        if self.has_data {
            self.read(event);
        }
        self.data.clear();
        self.data.shrink_to(USUAL_LINE);
        self.has_data = false;
    }

    fn read(&mut self, event: Event) {
        // An event counts by its name even when its data cannot be read.
        let data = serde_json::from_slice::<Value>(&self.data).unwrap_or_default();
        let kind = if let Event::Wanted(kind) = event {
            kind
        } else {
            let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
            self.content_started |= name.starts_with("content_block");
            let Some(kind) = Kind::named(name.as_bytes()) else { return };
            kind
        };
        match kind {
            Kind::Start => {
                if let Some(message) = data.get("message") {
                    self.facts.read_message(message);
                }
            }
            Kind::Delta => {
                self.facts.read_stop_reason(data.pointer("/delta/stop_reason"));
                self.facts.read_usage(data.get("usage"));
            }
            Kind::Stop => self.end = self.end.or(Some(StreamEnd::Complete)),
            Kind::Error => {
                self.facts.read_error(data.get("error"));
                self.end = self.end.or(Some(StreamEnd::Error));
            }
        }
    }
}

impl Kind {
    fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"message_start" => Some(Self::Start),
            b"message_delta" => Some(Self::Delta),
            b"message_stop" => Some(Self::Stop),
            b"error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// The value of a line when it is of the field `name`; one space after the colon is not part of it.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests;
