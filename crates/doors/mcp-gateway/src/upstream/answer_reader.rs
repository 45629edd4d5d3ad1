//! An answer of an upstream while it is read.
//!
//! What is in memory of it is counted for the upstream before it is allocated, and given back when it is gone. At most
//! one chunk is read ahead of whoever takes the messages.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use gatehouse_edge::memory::{Account, Held, OverBudget};
use gatehouse_edge::outbound::coding::Received;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_mcp::mirror::SESSION_ID;
use gatehouse_mcp::sse::Decoder;
use gatehouse_wire::media_type;

use super::unusable;

/// The least that is allocated for an answer whose length nobody knows.
const LEAST: usize = 4 * 1024;

/// Why an answer is given up that is larger than it may be.
pub(crate) const TOO_LARGE: &str = "upstream_too_large";

/// An answer under way.
pub(crate) struct AnswerReader {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `Mcp-Session-Id`, when there is a usable one.
    pub(crate) session: Option<String>,
    /// Where the answer waits if it grows large.
    pub(crate) lane: Option<Lane>,
    body: Received,
    form: Form,
    /// How many bytes have arrived.
    received: usize,
    /// The most that may arrive.
    largest: usize,
    /// Events of other types than `message`.
    skipped: usize,
    /// Whether the stream ended inside of an event.
    is_cut: bool,
    /// Messages that were received and not yet taken.
    ready: VecDeque<Vec<u8>>,
    /// Bytes of the message that was taken last.
    taken: usize,
    held: Held,
}

enum Form {
    /// One JSON text.
    Whole(Vec<u8>),
    /// Server-sent events.
    Events(Box<Decoder>),
    /// Everything was received.
    Over,
}

/// Where large answers of one kind wait for one another, so that many of them at once take no more memory than a few.
pub(crate) struct Lane {
    slots: Arc<Semaphore>,
    slot: Option<OwnedSemaphorePermit>,
}

impl Lane {
    /// What may be read before an answer counts as large.
    const SMALL: usize = 1024 * 1024;

    pub(crate) fn new(slots: &Arc<Semaphore>) -> Self {
        Self { slots: Arc::clone(slots), slot: None }
    }

    /// Waits for a slot, which is kept for as long as this lives.
    async fn enter(&mut self, give_up: Instant) -> Result<(), Rejection> {
        if self.slot.is_none() {
            let slot = timeout_at(give_up, Arc::clone(&self.slots).acquire_owned()).await;
            self.slot = Some(slot.ok().and_then(Result::ok).ok_or_else(too_busy)?);
        }
        Ok(())
    }
}

impl AnswerReader {
    /// Begins to read an answer of at most `largest` bytes, which are counted in `account`.
    pub(super) fn begin(
        response: Response<Received>,
        account: Account,
        largest: usize,
    ) -> Result<Self, Rejection> {
        let (head, body) = response.into_parts();
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let events =
            text(CONTENT_TYPE.as_str()).is_some_and(|kind| media_type::is(kind, media_type::EVENT_STREAM));
        let form =
            if events { Form::Events(Box::new(Decoder::new(largest))) } else { Form::Whole(Vec::new()) };
        let visible =
            |id: &&str| (1..=1024).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        Ok(Self {
            status: head.status.as_u16(),
            session: text(SESSION_ID).filter(visible).map(str::to_owned),
            lane: None,
            body,
            form,
            received: 0,
            largest,
            skipped: 0,
            is_cut: false,
            ready: VecDeque::new(),
            taken: 0,
            held: account.hold(0).map_err(over_budget)?,
        })
    }

    /// The next message, `None` after the last. Giving up waiting loses nothing.
    pub(crate) async fn next(&mut self, give_up: Instant) -> Result<Option<Vec<u8>>, Rejection> {
        self.taken = 0;
        loop {
            if let Some(message) = self.ready.pop_front() {
                self.taken = message.capacity();
                return Ok(Some(message));
            }
            if matches!(self.form, Form::Over) {
                return Ok(None);
            }
            if self.received > Lane::SMALL
                && let Some(lane) = &mut self.lane
            {
                lane.enter(give_up).await?;
            }
            match timeout_at(give_up, self.body.frame()).await {
                Err(_) => return Err(too_slow()),
                Ok(Some(Err(error))) => {
                    return Err(unusable("upstream_cut", "broke off its answer").because(error.to_string()));
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.take(&data)?;
                    }
                }
                Ok(None) => match std::mem::replace(&mut self.form, Form::Over) {
                    Form::Whole(whole) if !whole.is_empty() => self.ready.push_back(whole),
                    Form::Events(decoder) => self.is_cut = decoder.finish(),
                    Form::Whole(_) | Form::Over => {}
                },
            }
        }
    }

    /// Whether there is a message that was received and not taken.
    pub(crate) fn is_heard(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Puts a message back to be taken next.
    pub(crate) fn put_back(&mut self, message: Vec<u8>) {
        self.taken = 0;
        self.ready.push_front(message);
    }

    /// Why there is no response, when everything that was to be read has been read.
    pub(crate) fn silence(&self) -> Rejection {
        let silent = unusable("upstream_silent", "ended its answer without a response");
        match (self.is_cut, self.skipped) {
            // Without the blank line behind it, nobody knows whether an event is whole.
            (true, _) => silent.because(
                "the event stream ended inside of an event: one without a blank line behind it may be cut, and is not \
                 read (WHATWG HTML §9.2.6)",
            ),
            (false, 0) => silent,
            (false, skipped) => {
                silent.because(format!("events of other types than `message` were skipped: {skipped}"))
            }
        }
    }

    /// How many bytes have arrived.
    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// Counts `more` bytes that are about to be made of the message that was taken last.
    pub(crate) fn count_besides(&mut self, more: usize) -> Result<(), Rejection> {
        let bytes = self.buffered() + more;
        self.count(bytes)
    }

    fn take(&mut self, data: &Bytes) -> Result<(), Rejection> {
        self.received += data.len();
        if self.received > self.largest {
            return Err(too_large(self.largest));
        }
        let buffered = self.buffered();
        match &mut self.form {
            Form::Whole(whole) => {
                let (needed, capacity) = (whole.len() + data.len(), whole.capacity());
                if needed > capacity {
                    let larger = needed.max((capacity + capacity / 2).min(self.largest)).max(LEAST);
                    // Until the bytes have moved there are both.
                    count(&mut self.held, buffered + larger)?;
                    whole.reserve_exact(larger - whole.len());
                }
                whole.extend_from_slice(data);
            }
            Form::Events(decoder) => {
                count(&mut self.held, buffered + decoder.held_bytes(data.len()))?;
                let broken = |error: gatehouse_mcp::sse::DecodeError| {
                    unusable("upstream_garbage", "sent an event stream that cannot be read")
                        .because(error.to_string())
                };
                for event in decoder.push(data).map_err(broken)? {
                    // Listeners of `message` hear no other types (WHATWG HTML §9.2.6). Events without data open a
                    // stream and say nothing.
                    if !event.is_message() {
                        self.skipped += 1;
                    } else if !event.data.is_empty() {
                        self.ready.push_back(event.data.into_bytes());
                    }
                }
            }
            Form::Over => {}
        }
        let buffered = self.buffered();
        self.count(buffered)
    }

    fn buffered(&self) -> usize {
        let form = match &self.form {
            Form::Whole(whole) => whole.capacity(),
            Form::Events(decoder) => decoder.held_bytes(0),
            Form::Over => 0,
        };
        form + self.taken + self.ready.iter().map(Vec::capacity).sum::<usize>()
    }

    fn count(&mut self, bytes: usize) -> Result<(), Rejection> {
        count(&mut self.held, bytes)
    }
}

/// Counts `bytes` in all.
fn count(held: &mut Held, bytes: usize) -> Result<(), Rejection> {
    match bytes.checked_sub(held.bytes()) {
        Some(more) if more > 0 => held.grow(more).map_err(over_budget),
        _ => {
            held.shrink_to(bytes);
            Ok(())
        }
    }
}

/// Reads a whole answer of at most `largest` bytes; of a longer one at least one byte more than that. The bytes stay
/// counted in `held`.
pub(crate) async fn read_whole(
    body: Received,
    held: &mut Held,
    largest: usize,
    give_up: Instant,
) -> Result<Vec<u8>, Rejection> {
    let mut body = body;
    let mut whole = Vec::new();
    loop {
        match timeout_at(give_up, body.frame()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(whole),
            Ok(Some(Err(error))) => {
                return Err(unusable("upstream_cut", "broke off its answer").because(error.to_string()));
            }
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                let (needed, capacity) = (whole.len() + data.len(), whole.capacity());
                if needed > capacity {
                    let larger = needed.max((capacity + capacity / 2).min(largest)).max(LEAST);
                    count(held, capacity + larger)?;
                    whole.reserve_exact(larger - whole.len());
                    count(held, whole.capacity())?;
                }
                whole.extend_from_slice(&data);
                if whole.len() > largest {
                    return Ok(whole);
                }
            }
        }
    }
}

/// The upstream has as much in flight as it may.
pub(crate) fn over_budget(over: OverBudget) -> Rejection {
    over.of_upstream("the tool's server")
}

fn too_large(largest: usize) -> Rejection {
    unusable(TOO_LARGE, &format!("answered more than {largest} bytes"))
}

fn too_busy() -> Rejection {
    Rejection::unavailable("lists_busy", "other large lists of tools of this app are being read")
}

fn too_slow() -> Rejection {
    Rejection::new(
        RejectionKind::UpstreamTimeout,
        "upstream_timeout",
        "The tool's server did not answer in time.",
    )
}
