//! The answer's body, tied to its audit record.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::context::AuditRow;
use crate::server::body::{Body, BodyError};

/// Counts what is sent and keeps the record open until the last byte.
pub(super) struct AuditedBody {
    inner: Body,
    row: Arc<AuditRow>,
}

impl AuditedBody {
    pub(super) fn wrap(inner: Body, row: Arc<AuditRow>) -> Body {
        Self { inner, row }.boxed_unsync()
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
