//! A stream whose requests are followed while they are read.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::{Follower, Requests};

/// A stream that notes down in [`Requests`] what comes by, and fails when a head takes too long to come.
///
/// hyper's own timer begins when it waits for a head, not when the head begins, and so has to be as patient as one is
/// with a connection that waits for its next request.
pub(in crate::server) struct Followed<S> {
    stream: S,
    follower: Follower,
    patience: Duration,
    /// Runs within a head. Most heads come at once, and cost nothing here.
    slow: Option<Pin<Box<Sleep>>>,
}

impl<S> Followed<S> {
    /// Follows `stream`; a head may take as long as `patience`.
    pub(in crate::server) fn new(stream: S, requests: Arc<Requests>, patience: Duration) -> Self {
        Self { stream, follower: Follower::new(requests), patience, slow: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Followed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(task, buffer) {
            this.follower.follow(buffer.filled().get(before..).unwrap_or_default());
            if !this.follower.is_within_head() {
                this.slow = None;
            } else if this.slow.is_none() {
                this.slow = Some(Box::pin(sleep(this.patience)));
            }
            return Poll::Ready(read);
        }
        if let Some(slow) = &mut this.slow {
            ready!(slow.as_mut().poll(task));
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "a request head takes too long",
            )));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Followed<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
