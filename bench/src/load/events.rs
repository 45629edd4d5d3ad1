//! Counts the events of a `text/event-stream` without reading them.

use memchr::memmem;

/// What the first event with text of the model has in it.
const TOKEN: &[u8] = b"content_block_delta";

/// Fed with the pieces of a reply, however they are cut.
#[derive(Default)]
pub(super) struct EventCounter {
    count: u64,
    ends_with_newline: bool,
    token_seen: bool,
}

impl EventCounter {
    /// Takes the next piece; whether it holds the first token.
    ///
    /// A first token that is cut in two is not found. Only time to first token depends on it, and there every event
    /// is a piece of its own.
    pub(super) fn push(&mut self, piece: &[u8]) -> bool {
        let Some(last) = piece.last() else { return false };
        let mut rest = piece;
        if self.ends_with_newline
            && let Some((b'\n', after)) = piece.split_first()
        {
            self.count += 1;
            rest = after;
        }
        self.count += memmem::find_iter(rest, b"\n\n").count() as u64;
        // The second newline of a blank line begins no further one.
        self.ends_with_newline = *last == b'\n' && !rest.ends_with(b"\n\n") && !rest.is_empty();
        let first = !self.token_seen && memmem::find(piece, TOKEN).is_some();
        self.token_seen |= first;
        first
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests;
