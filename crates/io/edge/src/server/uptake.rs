//! How the clients of HTTP/2 take their answers (AC-83, AC-85).
//!
//! A client may hold back single streams by their windows while its connection stays lively, so the connection's own
//! patience notices nothing, and neither does a body that nobody asks for more. Here every stream has a time limit
//! of its own, which runs only while a frame of its answer waits for the client.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Sleep, sleep};

use super::body::{Body, BodyError};
use super::stall::PATIENCE;

/// How many streams a client may leave unread until its connection ends.
const FORGIVEN: usize = 2;
/// The most that is offered at once.
const PIECE: usize = 16 * 1024;
/// The most that is offered last. A piece goes out once the window has room for any of it, and with the last one the
/// stream's task ends: so much of an answer can lie in memory, within no time limit, for a client that does not read.
const LAST_PIECE: usize = 1024;

/// Whose turn it is while an answer is sent. All but [`Self::given_up`] belongs to the task of the stream.
#[derive(Default)]
pub struct Uptake {
    /// How many frames the client was offered.
    offered: AtomicU64,
    /// It took all of them, and there is no other yet.
    taken: AtomicBool,
    given_up: AtomicBool,
}

/// The streams of one connection: runs their tasks, and ends those whose answers are not read.
#[derive(Clone)]
pub(super) struct Streams {
    left_unread: Arc<LeftUnread>,
    /// The stream whose task is about to be started.
    next: Arc<Mutex<Option<Arc<Uptake>>>>,
}

/// How many streams of a connection were given up.
pub(super) struct LeftUnread {
    count: AtomicUsize,
    forgiven: usize,
}

/// An answer in pieces that tells its [`Uptake`].
struct Paced {
    inner: Body,
    rest: Bytes,
    uptake: Arc<Uptake>,
}

impl Uptake {
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

impl LeftUnread {
    /// With `carries_many`, the connection is a proxy's: its other clients are not to suffer.
    pub(super) fn of_peer(carries_many: bool) -> Arc<Self> {
        let forgiven = if carries_many { usize::MAX } else { FORGIVEN };
        Arc::new(Self { count: AtomicUsize::new(0), forgiven })
    }

    /// Whether the connection should end.
    pub(super) fn too_many(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.forgiven
    }
}

impl Streams {
    pub(super) fn new(left_unread: Arc<LeftUnread>) -> Self {
        Self { left_unread, next: Arc::default() }
    }

    /// The uptake of the stream that the connection starts a task for next: it asks for the answer first and then,
    /// before anything else, has the task started.
    pub(super) fn begin(&self) -> Arc<Uptake> {
        let uptake = Arc::<Uptake>::default();
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&uptake));
        uptake
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, work: F) {
        let begun = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        match begun {
            None => TokioExecutor::new().execute(work),
            Some(uptake) => {
                TokioExecutor::new().execute(while_taken(work, uptake, Arc::clone(&self.left_unread)));
            }
        }
    }
}

/// Does `work` to its end, or until the client has left a frame lying for too long. What is dropped then resets the
/// stream and cancels what an upstream does for it.
async fn while_taken(work: impl Future<Output = ()>, uptake: Arc<Uptake>, left_unread: Arc<LeftUnread>) {
    let mut work = pin!(work);
    let mut patience: Option<(u64, Pin<Box<Sleep>>)> = None;
    poll_fn(|task| {
        if work.as_mut().poll(task).is_ready() {
            return Poll::Ready(());
        }
        let Some(frame) = uptake.held_back() else {
            patience = None;
            return Poll::Pending;
        };
        let (_, timer) = match &mut patience {
            Some(running) if running.0 == frame => running,
            other => other.insert((frame, Box::pin(sleep(PATIENCE)))),
        };
        ready!(timer.as_mut().poll(task));
        uptake.given_up.store(true, Ordering::Relaxed);
        left_unread.count.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(())
    })
    .await;
}

/// `body`, offered in pieces to the client of `uptake`.
pub(super) fn paced(body: Body, uptake: Arc<Uptake>) -> Body {
    if body.is_end_stream() { body } else { Paced { inner: body, rest: Bytes::new(), uptake }.boxed_unsync() }
}

impl HttpBody for Paced {
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
                    this.uptake.taken.store(true, Ordering::Relaxed);
                    return ended_or_pending;
                }
            }
        }
        this.uptake.taken.store(false, Ordering::Relaxed);
        this.uptake.offered.fetch_add(1, Ordering::Relaxed);
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
