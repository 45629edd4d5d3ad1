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
use crate::server::abort_reason::AbortReason;
use crate::server::connections::{Account, TooMuch};
use crate::server::http2::Excessive;
use crate::server::lingering::Lingering;

/// How long nothing is read while others give back what they hold.
const PAUSE: Duration = Duration::from_millis(2);

/// A stream that notes down in [`Requests`] what comes by, and fails when a head takes too long to come or too much
/// memory.
///
/// hyper's own timer begins when it waits for a head, not when the head begins, and so has to be as patient as one is
/// with a connection that waits for its next request.
pub(in crate::server) struct Followed<S> {
    stream: S,
    follower: Follower,
    account: Account,
    abort_reason: Arc<AbortReason>,
    patience: Duration,
    /// Runs within a head, of which it has the number. Most heads come at once, and cost nothing here.
    slow: Option<(u64, Pin<Box<Sleep>>)>,
    /// Runs while nothing more should be read.
    pause: Option<Pin<Box<Sleep>>>,
    closing: Closing,
}

/// How far a stream is closed.
enum Closing {
    Open,
    /// Everything was said.
    Said,
    /// The client has not.
    Lingering(Box<Lingering>),
}

impl<S> Followed<S> {
    /// Follows `stream`; a head may take as long as `patience`, and as much memory as `account` has.
    pub(in crate::server) fn new(
        stream: S,
        requests: Arc<Requests>,
        (account, abort_reason): (Account, Arc<AbortReason>),
        patience: Duration,
    ) -> Self {
        let follower = Follower::new(requests);
        Self {
            stream,
            follower,
            account,
            abort_reason,
            patience,
            slow: None,
            pause: None,
            closing: Closing::Open,
        }
    }

    /// Takes note of what was read, before anybody else has it.
    fn note_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        let followed = self.follower.follow(bytes).map_err(|Excessive(why)| why);
        let held = self.follower.held();
        let within = followed
            .and_then(|()| self.account.hold(held).map_err(|TooMuch| "request heads take too much memory"));
        if let Err(why) = within {
            self.abort_reason.exceed();
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
        }
        if self.follower.is_within_head() {
            let number = self.follower.heads();
            if self.slow.as_ref().is_none_or(|(slow, _)| *slow != number) {
                self.slow = Some((number, Box::pin(sleep(self.patience))));
            }
        } else {
            self.slow = None;
        }
        Ok(())
    }

    /// Takes note of what was written. Giving memory back never fails.
    fn note_written(&mut self, bytes: &[u8]) {
        self.follower.wrote(bytes);
        let _ = self.account.hold(self.follower.held());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Followed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.account.should_wait() {
            let pause = this.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
            ready!(pause.as_mut().poll(task));
            this.pause = None;
        }
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(task, buffer) {
            let noted = this.note_read(buffer.filled().get(before..).unwrap_or_default());
            return Poll::Ready(read.and(noted));
        }
        if let Some((_, slow)) = &mut this.slow {
            ready!(slow.as_mut().poll(task));
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "a request head takes too long",
            )));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Followed<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(task, bytes))?;
        self.note_written(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(task, slices))?;
        let mut left = written;
        for slice in slices {
            let some = slice.get(..left.min(slice.len())).unwrap_or_default();
            left -= some.len();
            self.follower.wrote(some);
        }
        self.note_written(&[]);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    /// Says that nothing more comes from here. Of a client that is within a request, the rest of that is taken in.
    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if matches!(this.closing, Closing::Open) {
            ready!(Pin::new(&mut this.stream).poll_shutdown(task))?;
            this.follower.give_up_head();
            this.closing = if this.follower.is_within_request() {
                Closing::Lingering(Box::new(Lingering::begin()))
            } else {
                Closing::Said
            };
        }
        if let Closing::Lingering(lingering) = &mut this.closing {
            let follower = &mut this.follower;
            ready!(lingering.poll_end(&mut this.stream, task, |bytes| {
                follower.follow(bytes).is_ok() && follower.is_within_request()
            }));
            this.closing = Closing::Said;
        }
        Poll::Ready(Ok(()))
    }
}
