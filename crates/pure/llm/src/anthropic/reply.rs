//! What a reply says about itself, and a scanner that finds it in a JSON reply of any size.

use memchr::memchr2;
use serde_json::Value;

use crate::usage::Usage;

/// The longest member value that is kept for reading, in bytes.
const MAX_CAPTURE: usize = 16 * 1024;
/// What the members that are read take as a rule, in bytes: reserved once, so that nothing grows a byte at a time.
const USUAL_CAPTURE: usize = 512;

/// The facts of a reply that audit and accounting record; no content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyFacts {
    /// The provider's message id.
    pub id: Option<String>,
    /// The model that answered, in the provider's words.
    pub model: Option<String>,
    /// Why the reply ended.
    pub stop_reason: Option<String>,
    /// Token counts; `None` when the provider reported none.
    pub usage: Option<Usage>,
    /// The type of the error that the provider reported.
    pub error_type: Option<String>,
}

/// Finds [`ReplyFacts`] in a non-streaming JSON reply, in memory that does not grow with the reply.
///
/// Only members of the outermost object are looked at; what is not JSON yields no facts.
#[derive(Debug, Default)]
pub struct ReplyScanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Whether a member's value is being read, rather than its name.
    in_value: bool,
    /// Whose value, when it is one we want.
    member: Option<Member>,
    captured: Vec<u8>,
    facts: ReplyFacts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Id,
    Model,
    StopReason,
    Usage,
    Error,
    InputTokens,
}

impl ReplyFacts {
    /// Takes over the `id`, `model` and `usage` of a message object.
    pub(crate) fn read_message(&mut self, message: &Value) {
        self.id = text(message.get("id")).or(self.id.take());
        self.model = text(message.get("model")).or(self.model.take());
        self.read_usage(message.get("usage"));
    }

    pub(crate) fn read_usage(&mut self, usage: Option<&Value>) {
        if let Some(usage) = usage.filter(|usage| usage.is_object()) {
            self.usage.get_or_insert_default().update(usage);
        }
    }

    pub(crate) fn read_stop_reason(&mut self, reason: Option<&Value>) {
        self.stop_reason = text(reason).or(self.stop_reason.take());
    }

    pub(crate) fn read_error(&mut self, error: Option<&Value>) {
        let kind = text(error.and_then(|error| error.get("type")));
        self.error_type = kind.or(self.error_type.take());
    }
}

impl ReplyScanner {
    /// A scanner at the start of a reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next bytes of the reply, cut anywhere.
    pub fn push(&mut self, mut chunk: &[u8]) {
        while let Some((&byte, rest)) = chunk.split_first() {
            if self.in_string {
                chunk = self.string(chunk);
                continue;
            }
            self.structure(byte);
            chunk = rest;
        }
    }

    /// The facts found.
    pub fn finish(self) -> ReplyFacts {
        self.facts
    }

    /// Reads string content up to and including the next quote or escape; returns what follows.
    fn string<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let length = if std::mem::take(&mut self.escaped) {
            1
        } else {
            match memchr2(b'"', b'\\', chunk) {
                Some(at) => {
                    let quote = chunk.get(at) == Some(&b'"');
                    self.in_string = !quote;
                    self.escaped = !quote;
                    at + 1
                }
                None => chunk.len(),
            }
        };
        let (read, rest) = chunk.split_at(length.min(chunk.len()));
        self.capture(read);
        rest
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b':' if self.depth == 1 && !self.in_value => {
                self.member = Member::named(self.captured.trim_ascii());
                self.in_value = true;
                self.captured.clear();
                return;
            }
            b',' if self.depth == 1 => return self.end_member(),
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth == 1 {
                    return;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return self.end_member();
                }
            }
            b'"' => self.in_string = true,
            _ => {}
        }
        self.capture(&[byte]);
    }

    fn capture(&mut self, bytes: &[u8]) {
        if self.depth == 0 || (self.in_value && self.member.is_none()) {
            return;
        }
        if self.captured.len() + bytes.len() > MAX_CAPTURE {
            self.captured.clear();
            self.in_value = true;
            self.member = None;
            return;
        }
        if self.captured.capacity() == 0 {
            self.captured.reserve(USUAL_CAPTURE);
        }
        self.captured.extend_from_slice(bytes);
    }

    fn end_member(&mut self) {
        self.in_value = false;
        let read = self.member.take().map(|member| (member, serde_json::from_slice::<Value>(&self.captured)));
        // Cleared, not given away: the next member is captured into the same memory.
        self.captured.clear();
        let Some((member, Ok(value))) = read else { return };
        match member {
            Member::Id => self.facts.id = text(Some(&value)),
            Member::Model => self.facts.model = text(Some(&value)),
            Member::StopReason => self.facts.read_stop_reason(Some(&value)),
            Member::Usage => self.facts.read_usage(Some(&value)),
            Member::Error => self.facts.read_error(Some(&value)),
            Member::InputTokens => {
                if let Some(counted) = value.as_u64() {
                    self.facts.usage.get_or_insert_default().input = counted;
                }
            }
        }
    }
}

impl Member {
    fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"\"id\"" => Some(Self::Id),
            b"\"model\"" => Some(Self::Model),
            b"\"stop_reason\"" => Some(Self::StopReason),
            b"\"usage\"" => Some(Self::Usage),
            b"\"error\"" => Some(Self::Error),
            b"\"input_tokens\"" => Some(Self::InputTokens),
            _ => None,
        }
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests;
