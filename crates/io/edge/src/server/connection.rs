//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use gatehouse_wire::media_type;

use super::body::{Body, BodyError};
use super::closing::Closing;
use super::connections::{Busy, Ending, Slot};
use super::framing::{Followed, Requests};
use super::head_limits::READ_BUFFER;
use super::write_timeout::UnreadStreams;
use super::write_timeout::connection::TimedConnection;
use super::write_timeout::stream::{StreamExecutor, tracked};
use super::{Answer, Arrival};
use crate::timer::Timer;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of the bodies of one connection of HTTP/2 may wait for those who read them.
const WINDOW: u32 = 1024 * 1024;
/// The same where there are many connections; RFC 9113 §6.9.2 knows no less.
const LEAST_WINDOW: u32 = 65_535;

/// An accepted connection that nothing was read from yet.
pub(super) struct Connection {
    pub(super) peer: IpAddr,
    pub(super) slot: Slot,
    pub(super) closing: Arc<Closing>,
    /// How long a request may take to come. The first one is timed here: the protocol is told apart by its first
    /// bytes, and hyper's own timer runs only after that.
    pub(super) header_read_timeout: Duration,
    /// How long it may wait for the next request.
    pub(super) idle_timeout: Duration,
    /// How long it takes new requests.
    pub(super) age: Duration,
    pub(super) unread_streams: Arc<UnreadStreams>,
}

/// How a connection ended.
enum End {
    /// As HTTP would have it.
    Served,
    Failed(BodyError),
    /// No request came.
    Silent,
    /// The listener had waited long enough for its requests.
    Cut,
    /// It was idle, or held too much.
    GaveWay,
}

impl Connection {
    /// Serves it until it ends.
    pub(super) async fn run<A: Answer>(self, stream: TcpStream, tls: Option<TlsAcceptor>, answer: Arc<A>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "TCP_NODELAY not set");
        }
        let peer = self.peer;
        let stream = TimedConnection::new(stream, Arc::clone(&self.unread_streams));
        let served = match tls {
            None => self.serve(stream, answer).await,
            Some(tls) => {
                let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
                let shaken = tokio::select! {
                    shaken = handshake => shaken,
                    () = self.slot.presence.ended() => {
                        return tracing::debug!(peer.ip = %peer, "connection gave way to another");
                    }
                };
                match shaken {
                    Ok(Ok(stream)) => self.serve(stream, answer).await,
                    Ok(Err(error)) => {
                        return tracing::debug!(peer.ip = %peer, error = %error, "TLS handshake failed");
                    }
                    Err(_) => return tracing::debug!(peer.ip = %peer, "TLS handshake timed out"),
                }
            }
        };
        match served {
            End::Failed(error) => {
                tracing::debug!(peer.ip = %peer, error = %error, "connection ended with an error");
            }
            End::Silent => tracing::debug!(peer.ip = %peer, "connection closed, no request came"),
            End::Cut => tracing::debug!(peer.ip = %peer, "connection cut, its requests took too long to end"),
            End::GaveWay => tracing::debug!(peer.ip = %peer, "connection gave way to another"),
            End::Served => {}
        }
        drop(self.slot);
    }

    /// Answers the requests on `stream`.
    async fn serve<S, A>(&self, stream: S, answer: Arc<A>) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: Answer,
    {
        let peer = self.peer;
        let streams = StreamExecutor::new(Arc::clone(&self.unread_streams));
        let window = if self.slot.is_one_of_many { LEAST_WINDOW } else { WINDOW };
        let builder = connection_builder(self.idle_timeout, window, streams.clone());
        let (requests, abort_reason) = (Requests::new(), self.closing.abort_reason());
        let account = (self.slot.account(), Arc::clone(&abort_reason));
        let stream = Followed::new(stream, Arc::clone(&requests), account, self.header_read_timeout);
        let presence = Arc::clone(&self.slot.presence);
        let (heard, tie) = (Arc::clone(&requests), Arc::clone(&abort_reason));
        let offers = Offers::default();
        let made = offers.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            made.note(&mut request);
            let (number, framing) = requests.begin();
            let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
            let version = request.version();
            let delivery = (version == Version::HTTP_2).then(|| streams.begin());
            let abort_reason = Arc::clone(&tie);
            let busy = presence.busy();
            async move {
                let arrival = Arrival { peer, framing, delivery: delivery.clone(), abort_reason };
                let mut response = answer.answer(request, arrival).await;
                if version < Version::HTTP_2 && !requests.came_whole(number) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                if is_event_stream(response.headers()) {
                    requests.note_stream();
                }
                Ok::<_, Infallible>(response.map(|body| {
                    let body = match delivery {
                        None => body,
                        Some(delivery) => tracked(body, delivery),
                    };
                    Busily { body, _busy: busy }
                }))
            }
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let attended: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(self.closing.attend(
            connection,
            self.age,
            (&self.slot.presence, &abort_reason),
            || heard.has_streamed(),
        ));
        let ended = unless_silent(attended, &heard, self.header_read_timeout).await;
        if let Some(detail) = heard.too_large() {
            tracing::info!(peer.ip = %peer, status = 431, detail, "request head refused");
        }
        match ended {
            End::Cut if self.slot.presence.ending() != Ending::None => End::GaveWay,
            End::Served => {
                tokio::select! {
                    () = offers.decline() => End::Served,
                    () = self.slot.presence.ended() => End::GaveWay,
                }
            }
            end => end,
        }
    }
}

/// The last offer of a client to go on in another protocol (`Upgrade`). None is taken up (RFC 9110 §7.8), but whoever
/// answered it would have the connection after its last answer, and so hyper does not close it then.
#[derive(Clone, Default)]
struct Offers(Arc<Mutex<Option<OnUpgrade>>>);

impl Offers {
    fn note<B>(&self, request: &mut Request<B>) {
        if let Some(offer) = request.extensions_mut().remove::<OnUpgrade>() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(offer);
        }
    }

    /// Closes a connection that was left open for that.
    async fn decline(&self) {
        let offer = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(offer) = offer else { return };
        if let Ok(connection) = offer.await {
            let _ = TokioIo::new(connection).shutdown().await;
        }
    }
}

/// The body of an answer; its connection is not idle until that is gone.
struct Busily {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Busily {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|said| media_type::is(said, media_type::EVENT_STREAM))
}

/// What became of `connection`; [`End::Silent`] when it was given up because no request came within `patience`.
async fn unless_silent<C: Future<Output = Option<Result<(), BodyError>>> + Unpin>(
    mut connection: C,
    heard: &Requests,
    patience: Duration,
) -> End {
    let mut first_request = Timer::new(Instant::now() + patience);
    poll_fn(|task| {
        if let Poll::Ready(served) = Pin::new(&mut connection).poll(task) {
            return Poll::Ready(match served {
                Some(Ok(())) => End::Served,
                Some(Err(error)) => End::Failed(error),
                None => End::Cut,
            });
        }
        if !heard.any() && first_request.poll(task).is_ready() {
            return Poll::Ready(End::Silent);
        }
        Poll::Pending
    })
    .await
}

/// HTTP/1.1 and HTTP/2 with the limits of a server that faces the internet. The number of header fields is limited by
/// what hyper parses unless told otherwise, a hundred: for any other number it allocates twice for every request.
fn connection_builder(
    idle_timeout: Duration,
    window: u32,
    streams: StreamExecutor,
) -> Builder<StreamExecutor> {
    let mut builder = Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        // It runs from the end of a request to the end of the next head; within a head, `Followed` is less patient.
        .header_read_timeout(idle_timeout)
        .max_buf_size(READ_BUFFER)
        .half_close(false)
        .pipeline_flush(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(window)
        .max_frame_size(16 * 1024)
        .max_header_list_size(32 * 1024)
        .max_pending_accept_reset_streams(50)
        .max_local_error_reset_streams(1024)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
