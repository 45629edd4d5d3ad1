//! The time limit of a stream of HTTP/2.
//!
//! A client may hold back single streams by their windows (RFC 9113 §5.2) while its connection stays lively, so the
//! connection's own time limit notices nothing, and neither does a body that nobody asks for more. Here every stream
//! has a time limit of its own, which runs only while a frame of its answer waits for the client.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Sleep, sleep};

use super::{UnreadStreams, WRITE_TIMEOUT};
use crate::server::body::{Body, BodyError};

/// The most that is offered at once.
const PIECE: usize = 16 * 1024;
/// The most that is offered last. A piece goes out once the window has room for any of it, and with the last one the
/// stream's task ends: so much of an answer can lie in memory, within no time limit, for a client that does not read.
const LAST_PIECE: usize = 1024;

/// How far a client has taken an answer. All but [`Self::given_up`] belongs to the task of the stream.
#[derive(Default)]
pub struct Delivery {
    /// How many frames the client was offered.
    offered: AtomicU64,
    /// It took all of them, and there is no other yet.
    taken: AtomicBool,
    given_up: AtomicBool,
}

/// The streams of one connection: runs their tasks, and ends those whose answers are not read.
#[derive(Clone)]
pub(crate) struct StreamExecutor {
    unread_streams: Arc<UnreadStreams>,
    /// The stream whose task is about to be started.
    next: Arc<Mutex<Option<Arc<Delivery>>>>,
}

/// An answer in pieces that tells its [`Delivery`].
struct TrackedBody {
    inner: Body,
    rest: Bytes,
    delivery: Arc<Delivery>,
}

impl Delivery {
    /// Whether the client was given up because it did not read.
    pub(crate) fn given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// The number of the frame that waits for the client.
    fn held_back(&self) -> Option<u64> {
        let offered = self.offered.load(Ordering::Relaxed);
        (offered > 0 && !self.taken.load(Ordering::Relaxed)).then_some(offered)
    }
}

impl StreamExecutor {
    pub(crate) fn new(unread_streams: Arc<UnreadStreams>) -> Self {
        Self { unread_streams, next: Arc::default() }
    }

    /// The delivery on the stream that the connection starts a task for next: it asks for the answer first and then,
    /// before anything else, has the task started.
    pub(crate) fn begin(&self) -> Arc<Delivery> {
        let delivery = Arc::<Delivery>::default();
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&delivery));
        delivery
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, work: F) {
        let begun = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        match begun {
            None => TokioExecutor::new().execute(work),
            Some(delivery) => {
                TokioExecutor::new().execute(while_read(work, delivery, Arc::clone(&self.unread_streams)));
            }
        }
    }
}

/// Does `work` to its end, or until the client has left a frame lying for too long. What is dropped then resets the
/// stream and cancels what an upstream does for it.
async fn while_read(
    work: impl Future<Output = ()>,
    delivery: Arc<Delivery>,
    unread_streams: Arc<UnreadStreams>,
) {
    let mut work = pin!(work);
    let mut waiting: Option<(u64, Pin<Box<Sleep>>)> = None;
    poll_fn(|task| {
        if work.as_mut().poll(task).is_ready() {
            return Poll::Ready(());
        }
        let Some(frame) = delivery.held_back() else {
            waiting = None;
            return Poll::Pending;
        };
        let (_, timer) = match &mut waiting {
            Some(running) if running.0 == frame => running,
            other => other.insert((frame, Box::pin(sleep(WRITE_TIMEOUT)))),
        };
        ready!(timer.as_mut().poll(task));
        delivery.given_up.store(true, Ordering::Relaxed);
        unread_streams.add();
        Poll::Ready(())
    })
    .await;
}

/// `body`, offered in pieces to the client of `delivery`.
pub(crate) fn tracked(body: Body, delivery: Arc<Delivery>) -> Body {
    if body.is_end_stream() {
        body
    } else {
        TrackedBody { inner: body, rest: Bytes::new(), delivery }.boxed_unsync()
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            match Pin::new(&mut this.inner).poll_frame(task) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                ended_or_pending => {
                    this.delivery.taken.store(true, Ordering::Relaxed);
                    return ended_or_pending;
                }
            }
        }
        this.delivery.taken.store(false, Ordering::Relaxed);
        this.delivery.offered.fetch_add(1, Ordering::Relaxed);
        let length = match this.rest.len() {
            last @ ..=LAST_PIECE => last,
            more => (more - LAST_PIECE).min(PIECE),
        };
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (held, rest) = (self.rest.len() as u64, self.inner.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(held));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}

#[cfg(test)]
mod tests;
