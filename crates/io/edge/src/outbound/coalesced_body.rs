//! Frames that have already arrived, handed over as one.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};

/// How much is gathered before it goes on.
const ENOUGH: usize = 16 * 1024;

/// An upstream's body that gives what has already arrived as one frame.
///
/// A chunked reply comes one chunk at a time, and the connection that it goes out on flushes after each: a system
/// call for every event, even with a hundred of them in the receive buffer. Here a chunk stays until every task that
/// could run has had its turn, the upstream's connection among them. When that brought no other chunk, what is held
/// goes on: nothing ever waits for time to pass or for bytes to arrive.
pub struct CoalescedBody<B: Body> {
    upstream: B,
    held: Held,
    /// The latest round, once there was one.
    round: Option<Arc<Round>>,
    /// It began after the latest chunk.
    asked: bool,
    /// What came after the bytes that are held.
    next: Option<Next<B::Error>>,
}

/// One round of the scheduler. The connection that polls us may do so several times within one turn of its task, so
/// that being polled again does not tell that others had theirs.
#[derive(Default)]
struct Round {
    over: AtomicBool,
    waiting: AtomicWaker,
}

/// What is not data.
enum Next<E> {
    Frame(Result<Frame<Bytes>, E>),
    End,
}

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl<B: Body<Data = Bytes> + Unpin> CoalescedBody<B> {
    /// Gathers the chunks of `upstream`.
    pub fn new(upstream: B) -> Self {
        Self { upstream, held: Held::default(), round: None, asked: false, next: None }
    }

    /// Ready when what is held should go on.
    fn gather(&mut self, task: &mut Context<'_>) -> Poll<()> {
        while self.next.is_none() && self.held.len() < ENOUGH && !self.upstream.is_end_stream() {
            match Pin::new(&mut self.upstream).poll_frame(task) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.held.add(data);
                        self.asked = false;
                    }
                    Err(trailers) => self.next = Some(Next::Frame(Ok(trailers))),
                },
                Poll::Ready(Some(Err(error))) => self.next = Some(Next::Frame(Err(error))),
                Poll::Ready(None) => self.next = Some(Next::End),
                Poll::Pending if self.held.len() == 0 => return Poll::Pending,
                Poll::Pending => {
                    let round = self.round.get_or_insert_default();
                    if !std::mem::replace(&mut self.asked, true) {
                        Round::begin(round);
                    }
                    std::task::ready!(round.poll(task));
                    break;
                }
            }
        }
        Poll::Ready(())
    }
}

impl Round {
    /// Begins a round: it is over when the runtime has nothing else to run at once.
    fn begin(this: &Arc<Self>) {
        this.over.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(this));
        // `yield_now` leaves its waker with the runtime at its first poll; nobody needs its second.
        let _pending = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
    }

    fn poll(&self, task: &Context<'_>) -> Poll<()> {
        self.waiting.register(task.waker());
        if self.over.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Wake for Round {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.over.store(true, Ordering::Release);
        self.waiting.wake();
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for CoalescedBody<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.gather(task).is_pending() {
            return Poll::Pending;
        }
        if let Some(data) = self.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(match self.next.take() {
            Some(Next::Frame(frame)) => Some(frame),
            Some(Next::End) | None => {
                self.next = Some(Next::End);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        let over = match &self.next {
            Some(Next::End) => true,
            Some(Next::Frame(_)) => false,
            None => self.upstream.is_end_stream(),
        };
        over && self.held.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.len() as u64;
        let rest = self.upstream.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(held));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(data) => data.len(),
            Self::Several(data) => data.len(),
        }
    }

    fn add(&mut self, data: Bytes) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut several = BytesMut::with_capacity((first.len() + data.len()).max(ENOUGH / 2));
                several.extend_from_slice(&first);
                several.extend_from_slice(&data);
                Self::Several(several)
            }
            Self::Several(mut several) => {
                several.extend_from_slice(&data);
                Self::Several(several)
            }
        };
    }

    fn take(&mut self) -> Option<Bytes> {
        match std::mem::take(self) {
            Self::Nothing => None,
            Self::One(data) => Some(data),
            Self::Several(data) => Some(data.freeze()),
        }
    }
}

#[cfg(test)]
mod tests;
