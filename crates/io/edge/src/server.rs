//! Listeners: sockets, TLS, connection limits and graceful drain.

pub mod address;
pub mod admission;
pub mod body;
mod connections;
pub mod routes;
mod stall;
pub mod tls;
pub mod uptake;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::body::{Body, BodyError};
use self::connections::{ConnectionLimits, Slot};
use self::stall::Unstalled;
use self::uptake::{LeftUnread, Streams, Uptake, paced};

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers requests; one per listener.
pub trait Answer: Send + Sync + 'static {
    /// The answer to `request`, which came in from `peer`. Where streams of one connection are read on their own,
    /// `uptake` knows how this one is.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        uptake: Option<Arc<Uptake>>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Whether `peer` is a proxy that carries many clients, and so is exempt from the limit per address.
    fn carries_many(&self, peer: IpAddr) -> bool;
}

/// How a listener treats its connections.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// How long a client may take to send a request head.
    pub header_read_timeout: Duration,
    /// How long running requests may take after the listener is told to stop.
    pub drain: Duration,
}

/// A bound socket that is not accepting yet.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Binds `address`; with `tls`, only TLS connections are served.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, tls: tls.map(TlsAcceptor::from) })
    }

    /// The address that is bound, with the port that the system chose when 0 was asked for.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` is cancelled, then drains: no new connections, running requests get time to finish.
    /// Returns how many connections had to be cut.
    pub async fn serve<A: Answer>(
        self,
        answer: Arc<A>,
        stop: CancellationToken,
        limits: ListenerLimits,
    ) -> usize {
        let room = Arc::new(ConnectionLimits::default());
        let draining = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors or a connection that died in the queue: wait a little rather than spin.
                    tracing::warn!(error = %error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let peer = peer.ip().to_canonical();
            let carries_many = answer.carries_many(peer);
            let Some(slot) = room.admit(peer, carries_many) else {
                tracing::warn!(peer.ip = %peer, "connection refused, limit reached");
                continue;
            };
            let connection = Connection {
                peer,
                slot,
                watcher: draining.watcher(),
                header_read_timeout: limits.header_read_timeout,
                left_unread: LeftUnread::of_peer(carries_many),
            };
            let (answer, tls) = (Arc::clone(&answer), self.tls.clone());
            tasks.spawn(connection.run(stream, tls, answer));
        }
        drop(self.socket);
        if tokio::time::timeout(limits.drain, draining.shutdown()).await.is_ok() {
            return 0;
        }
        while tasks.try_join_next().is_some() {}
        let left = tasks.len();
        tasks.shutdown().await;
        left
    }
}

struct Connection {
    peer: IpAddr,
    slot: Slot,
    watcher: Watcher,
    /// How long a request may take to come. The first one is timed here: the protocol is told apart by its first
    /// bytes, and hyper's own timer runs only after that.
    header_read_timeout: Duration,
    left_unread: Arc<LeftUnread>,
}

impl Connection {
    async fn run<A: Answer>(self, stream: TcpStream, tls: Option<TlsAcceptor>, answer: Arc<A>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "TCP_NODELAY not set");
        }
        let streams = Streams::new(Arc::clone(&self.left_unread));
        let stream = Unstalled::new(stream, self.left_unread);
        let (peer, first_request) = (self.peer, self.header_read_timeout);
        let builder = connection_builder(first_request, streams.clone());
        let heard = Arc::new(AtomicBool::new(false));
        let hears = Arc::clone(&heard);
        let service = service_fn(move |request: Request<Incoming>| {
            hears.store(true, Ordering::Relaxed);
            let answer = Arc::clone(&answer);
            let uptake = (request.version() == Version::HTTP_2).then(|| streams.begin());
            async move {
                let response = answer.answer(request, peer, uptake.clone()).await;
                Ok::<_, Infallible>(match uptake {
                    None => response,
                    Some(uptake) => response.map(|body| paced(body, uptake)),
                })
            }
        });
        let watcher = self.watcher;
        let connection: Pin<Box<dyn Future<Output = Result<(), BodyError>> + Send>> = match tls {
            None => {
                let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                Box::pin(watcher.watch(connection))
            }
            Some(tls) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                    Box::pin(watcher.watch(connection))
                }
                Ok(Err(error)) => {
                    return tracing::debug!(peer.ip = %peer, error = %error, "TLS handshake failed");
                }
                Err(_) => return tracing::debug!(peer.ip = %peer, "TLS handshake timed out"),
            },
        };
        let served = unless_silent(connection, &heard, first_request).await;
        match served {
            Some(Err(error)) => {
                tracing::debug!(peer.ip = %peer, error = %error, "connection ended with an error");
            }
            None => tracing::debug!(peer.ip = %peer, "connection closed, no request came"),
            Some(Ok(())) => {}
        }
        drop(self.slot);
    }
}

/// What became of `connection`; `None` when it was given up because no request came within `patience`.
async fn unless_silent<C: Future + Unpin>(
    mut connection: C,
    heard: &AtomicBool,
    patience: Duration,
) -> Option<C::Output> {
    if let Ok(served) = tokio::time::timeout(patience, &mut connection).await {
        return Some(served);
    }
    if heard.load(Ordering::Relaxed) { Some(connection.await) } else { None }
}

/// HTTP/1.1 and HTTP/2 with the limits of a server that faces the internet.
fn connection_builder(header_read_timeout: Duration, streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read_timeout)
        .max_headers(admission::MAX_HEADER_FIELDS + 1)
        .max_buf_size(64 * 1024)
        .half_close(false)
        .pipeline_flush(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_frame_size(16 * 1024)
        .max_header_list_size(32 * 1024)
        .max_pending_accept_reset_streams(50)
        .max_local_error_reset_streams(1024)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
