//! The answer's body, tied to its audit record.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;

use gatehouse_audit::event::Outcome;

use crate::context::AuditRow;
use crate::server::body::{Body, BodyError, empty};
use crate::server::write_timeout::stream::Delivery;

/// Counts what is sent and keeps the record open until the last byte.
pub(super) struct AuditedBody {
    inner: Body,
    row: Arc<AuditRow>,
    delivery: Option<Arc<Delivery>>,
}

impl AuditedBody {
    pub(super) fn wrap(inner: Body, row: Arc<AuditRow>, delivery: Option<Arc<Delivery>>) -> Body {
        Self { inner, row, delivery }.boxed_unsync()
    }
}

/// Says of a client that was given up why it was. For the body itself, that client is gone like any other.
impl Drop for AuditedBody {
    fn drop(&mut self) {
        if self.delivery.as_ref().is_some_and(|delivery| delivery.given_up()) && self.row.is_allowed() {
            drop(std::mem::replace(&mut self.inner, empty()));
            self.row.conclude(Outcome::Error, "client_stalled");
        }
    }
}

impl HttpBody for AuditedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(task);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.row.count(data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
