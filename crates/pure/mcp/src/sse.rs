//! Server-sent events (WHATWG HTML §9.2) as a push decoder and an encoder.

use std::fmt::Write as _;

/// The most bytes that one event may hold before the stream is given up.
pub const LARGEST_EVENT: usize = 16 * 1024 * 1024;

/// One event that carries data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; `message` is meant when it is absent.
    pub name: Option<String>,
    /// The `data` lines, joined with line feeds.
    pub data: String,
    /// The `id` field of this event.
    pub id: Option<String>,
}

/// Turns chunks of a stream into events, wherever the chunks are cut.
#[derive(Clone, Debug)]
pub struct Decoder {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    size: usize,
    limit: usize,
    after_cr: bool,
    at_start: bool,
}

/// A stream that cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// One event is too large.
    #[error("one server-sent event is larger than {0} bytes")]
    TooLarge(usize),
    /// The stream is not UTF-8.
    #[error("the event stream is not UTF-8")]
    NotUtf8,
}

/// A field value that would break out of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the `{0}` field of a server-sent event must not hold line breaks or NUL")]
pub struct EncodeError(&'static str);

impl Default for Decoder {
    fn default() -> Self {
        Self::new(LARGEST_EVENT)
    }
}

impl Decoder {
    /// A decoder that accepts events of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let event = Event::default();
        Self { line: Vec::new(), event, has_data: false, size: 0, limit, after_cr: false, at_start: true }
    }

    /// Takes the next chunk; gives the events that it completes.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<Event>, DecodeError> {
        let mut events = Vec::new();
        let mut rest = chunk;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let (line, tail) = rest.split_at(end);
            self.take(line)?;
            events.extend(self.end_line()?);
            rest = match tail {
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [b'\r', b'\n', more @ ..] | [_, more @ ..] => more,
                [] => &[],
            };
        }
        self.take(rest)?;
        Ok(events)
    }

    /// Ends the stream. An event without its closing blank line is dropped, as the standard wants; says
    /// whether there was one.
    pub fn finish(self) -> bool {
        self.has_data || !self.line.is_empty()
    }

    /// The most bytes of memory that are held while a chunk of `chunk` bytes is taken.
    pub fn held_bytes(&self, chunk: usize) -> usize {
        let (len, capacity) = (self.line.len() + chunk, self.line.capacity());
        // A line that outgrows its memory moves to twice as much.
        let moved = if len > capacity { len.max(2 * capacity) } else { 0 };
        let field = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
        let event = self.event.data.capacity() + field(&self.event.name) + field(&self.event.id);
        // What the chunk ends moves on to events, at most once more.
        capacity + moved + event + 2 * chunk
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.size += bytes.len();
        if self.size > self.limit {
            return Err(DecodeError::TooLarge(self.limit));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Event>, DecodeError> {
        let bytes = std::mem::take(&mut self.line);
        let whole = String::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
        let line = if std::mem::take(&mut self.at_start) {
            whole.strip_prefix('\u{FEFF}').unwrap_or(&whole)
        } else {
            &whole
        };
        if line.is_empty() {
            self.size = 0;
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                    self.event.data.push_str(value);
                } else {
                    // Most events are one line, and some are megabytes: the line becomes the event's data.
                    let start = whole.len() - value.len();
                    let mut data = whole;
                    data.drain(..start);
                    self.event.data = data;
                }
            }
            "event" => self.event.name = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            // Comments (empty field name), `retry` and unknown fields carry nothing for us.
            _ => {}
        }
        Ok(None)
    }
}

impl Event {
    /// Whether its type is `message`, which an empty name and none mean as well.
    pub fn is_message(&self) -> bool {
        matches!(self.name.as_deref(), None | Some("" | "message"))
    }

    /// An event with data only.
    pub fn data(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// The event as stream text. Line breaks in the data become further `data` lines; in `event` and `id`
    /// they are refused.
    pub fn encode(&self) -> Result<String, EncodeError> {
        let breaks = self.data.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
        let mut out = String::with_capacity(self.data.len() + 6 * breaks + 32);
        for (field, value) in [("event", &self.name), ("id", &self.id)] {
            if let Some(value) = value {
                if value.contains(['\r', '\n', '\0']) {
                    return Err(EncodeError(field));
                }
                // Writing to a String cannot fail.
                let _ = writeln!(out, "{field}: {value}");
            }
        }
        let mut rest = self.data.as_str();
        loop {
            let (line, more) = match rest.split_once(['\n', '\r']) {
                Some((line, more)) => {
                    let carriage = rest.as_bytes().get(line.len()) == Some(&b'\r');
                    (line, Some(if carriage { more.strip_prefix('\n').unwrap_or(more) } else { more }))
                }
                None => (rest, None),
            };
            out.push_str("data: ");
            out.push_str(line);
            out.push('\n');
            match more {
                Some(more) => rest = more,
                None => break,
            }
        }
        out.push('\n');
        Ok(out)
    }
}

/// A comment line that keeps a quiet stream open.
pub const KEEP_ALIVE: &str = ":\n\n";

#[cfg(test)]
mod tests;
