//! The time limit of a whole connection: it ends when nothing could be sent for a while, and with it the work that an
//! upstream does for its client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::{UnreadStreams, WRITE_TIMEOUT};

/// A connection that does not wait for ever for its client to read.
pub(crate) struct TimedConnection<S> {
    stream: S,
    /// Runs while a write waits. Most writes do not, and cost nothing here.
    timer: Option<Pin<Box<Sleep>>>,
    unread_streams: Arc<UnreadStreams>,
}

impl<S: Unpin> TimedConnection<S> {
    pub(crate) fn new(stream: S, unread_streams: Arc<UnreadStreams>) -> Self {
        Self { stream, timer: None, unread_streams }
    }

    /// The outcome of `attempt`; an error when attempts have led to nothing for too long, or too many streams were
    /// left unread. Giving one up makes the connection say so, which comes by here.
    fn attempt<T>(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        attempt: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let this = &mut *self;
        if this.unread_streams.too_many() {
            return Poll::Ready(Err(unread()));
        }
        if let Poll::Ready(done) = attempt(Pin::new(&mut this.stream), task) {
            this.timer = None;
            return Poll::Ready(done);
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(timer.as_mut().poll(task));
        Poll::Ready(Err(unread()))
    }
}

fn unread() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client does not read")
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedConnection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedConnection<S> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.attempt(task, |stream, task| stream.poll_write(task, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.attempt(task, |stream, task| stream.poll_write_vectored(task, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.attempt(task, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.attempt(task, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests;
