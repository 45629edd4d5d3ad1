//! Closing a connection under a client that is still sending (RFC 9112 §9.6).
//!
//! A system that closes a socket with bytes that nobody has read makes the network tell the client that the connection
//! broke, and the client then drops the answer that it had not read yet. So the rest of what it sends is read, dropped
//! and held nowhere, until it has ended or has had enough time to read why it was refused. The connection is idle
//! meanwhile, and gives way to others like any that is.

use std::future::Future as _;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// The most that is dropped: several times the largest body that is served.
const MOST: usize = 256 * 1024 * 1024;
/// How long that may take.
const WITHIN: Duration = Duration::from_secs(30);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(5);
/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// What the client of a connection that is closing may still send.
pub(super) struct Lingering {
    left: usize,
    end: Instant,
    /// Wakes at the end, or when nothing has come for too long.
    timer: Pin<Box<Sleep>>,
}

impl Lingering {
    pub(super) fn begin() -> Self {
        Self { left: MOST, end: Instant::now() + WITHIN, timer: Box::pin(sleep(SILENCE)) }
    }

    /// Reads on until the client closes, `more` finds in what it sends that it has said all, or the time or the
    /// number of bytes is up. Whatever ends it, nothing is to be told to anybody.
    pub(super) fn poll_end<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        task: &mut Context<'_>,
        mut more: impl FnMut(&[u8]) -> bool,
    ) -> Poll<()> {
        let mut room = [MaybeUninit::uninit(); PIECE];
        let mut heard = false;
        loop {
            let mut piece = ReadBuf::uninit(&mut room);
            match Pin::new(&mut *stream).poll_read(task, &mut piece) {
                Poll::Ready(Ok(())) => {
                    let bytes = piece.filled();
                    let left = self.left.checked_sub(bytes.len());
                    if bytes.is_empty() || left.is_none() || !more(bytes) {
                        return Poll::Ready(());
                    }
                    self.left = left.unwrap_or(0);
                    heard = true;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    if heard {
                        self.timer.as_mut().reset((Instant::now() + SILENCE).min(self.end));
                    }
                    ready!(self.timer.as_mut().poll(task));
                    return Poll::Ready(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
