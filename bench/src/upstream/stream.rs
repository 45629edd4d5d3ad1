//! A streamed reply of the Messages API.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::{Sleep, sleep};

use super::Pace;

const OPENING: [&str; 2] = [
    concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01XFDUDYJgAACzvnptvVoYEL\",",
        "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-5-5\",\"content\":[],\"stop_reason\":null,",
        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":9,\"cache_creation_input_tokens\":0,",
        "\"cache_read_input_tokens\":11873,\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\n",
    ),
    concat!(
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,",
        "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    ),
];
const TOKEN: &str = concat!(
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,",
    "\"delta\":{\"type\":\"text_delta\",\"text\":\" overdue since\"}}\n\n",
);
const CLOSING: [&str; 3] = [
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    concat!(
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",",
        "\"stop_sequence\":null},\"usage\":{\"output_tokens\":10000}}\n\n",
    ),
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

/// Two opening events, so many text events, three closing events; each is a chunk of its own.
pub(super) struct EventStream {
    next: u64,
    tokens: u64,
    /// Waits before every text event but the first.
    pace: Option<Pace>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl EventStream {
    pub(super) fn new(tokens: u64, pace: Option<Pace>) -> Self {
        Self { next: 0, tokens, pace, waiting: None }
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let first_token = OPENING.len() as u64;
        if let Some(Pace(gap)) = self.pace
            && (first_token + 1..first_token + self.tokens).contains(&self.next)
        {
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(gap)));
            ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        }
        let event = self.event();
        self.next += 1;
        Poll::Ready(event.map(|event| Bytes::from_static(event.as_bytes())))
    }

    fn event(&self) -> Option<&'static str> {
        let place = |index: u64| usize::try_from(index).unwrap_or(usize::MAX);
        let after_opening = self.next.checked_sub(OPENING.len() as u64);
        match after_opening {
            None => OPENING.get(place(self.next)).copied(),
            Some(token) if token < self.tokens => Some(TOKEN),
            Some(rest) => CLOSING.get(place(rest - self.tokens)).copied(),
        }
    }
}
