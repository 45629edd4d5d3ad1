//! Listeners: sockets, TLS, connection limits and graceful drain.

pub mod abort_reason;
pub mod address;
pub mod admission;
pub mod body;
mod closing;
mod connection;
mod connections;
pub mod framing;
mod head_limits;
mod http2;
mod lingering;
pub mod routes;
pub mod tls;
pub mod write_timeout;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::abort_reason::AbortReason;
use self::body::Body;
use self::closing::{Closing, Inside};
use self::connection::Connection;
pub use self::connections::ConnectionLimits;
use self::connections::Connections;
use self::framing::Framing;
use self::write_timeout::UnreadStreams;
use self::write_timeout::stream::Delivery;
use crate::limits::Limits;

/// Answers requests; one per listener.
pub trait Answer: Send + Sync + 'static {
    /// The answer to `request`.
    fn answer(
        &self,
        request: Request<Incoming>,
        arrival: Arrival,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Whether `peer` is a proxy that carries many clients, and so has a limit of its own.
    fn carries_many(&self, peer: IpAddr) -> bool;

    /// Where it is counted that a limit was met.
    fn limits(&self) -> &Arc<Limits>;
}

/// How a request came in, besides what it says itself.
pub struct Arrival {
    /// The other end of its connection.
    pub peer: IpAddr,
    /// How its head said where its body ends.
    pub framing: Framing,
    /// How its answer is read, where the streams of one connection are read on their own.
    pub delivery: Option<Arc<Delivery>>,
    /// Who ended its connection, if that ends before its answer.
    pub abort_reason: Arc<AbortReason>,
}

/// How a listener treats its connections.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// How long a client may take to send a request head.
    pub header_read_timeout: Duration,
    /// How long a connection may be without any request.
    pub idle_timeout: Duration,
    /// How long what runs may take after the listener is told to stop.
    pub drain: Drain,
    /// How long a connection takes new requests, give or take a tenth.
    pub max_age: Duration,
    /// How much its connections may take.
    pub connections: ConnectionLimits,
}

/// How long what runs may take after the listener is told to stop.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// Connections at ordinary requests.
    pub requests: Duration,
    /// Connections that have answered with an event stream; no shorter.
    pub streams: Duration,
}

impl Drain {
    /// The same time for all.
    pub const fn within(time: Duration) -> Self {
        Self { requests: time, streams: time }
    }
}

impl Default for ListenerLimits {
    /// Connections end often enough that clients meet the nodes that are new behind a load balancer, and forget those
    /// that have gone; and they wait longer than the 60 seconds for which load balancers keep theirs.
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            drain: Drain { requests: Duration::from_secs(30), streams: Duration::from_mins(10) },
            max_age: Duration::from_hours(1),
            connections: ConnectionLimits::default(),
        }
    }
}

/// The least time between looks for idle connections.
const ROUND: Duration = Duration::from_millis(250);

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
        let room = Connections::new(limits.connections, Arc::clone(answer.limits()));
        let mut rounds = tokio::time::interval((limits.idle_timeout / 8).max(ROUND));
        let closing = Arc::<Closing>::default();
        let mut opened = 0_u32;
        let mut inside = Inside::new(&closing);
        loop {
            inside.sweep();
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = rounds.tick() => {
                    room.end_idle(limits.idle_timeout);
                    continue;
                }
                () = stop.cancelled() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors or a connection that died in the queue: wait a little rather than spin.
                    tracing::warn!(error = %error, "accept failed");
                    room.spare_one();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let peer = peer.ip().to_canonical();
            let carries_many = answer.carries_many(peer);
            let Some(slot) = room.admit(peer, carries_many) else {
                tracing::debug!(peer.ip = %peer, "connection refused, limit reached");
                continue;
            };
            let connection = Connection {
                peer,
                slot,
                closing: Arc::clone(&closing),
                header_read_timeout: limits.header_read_timeout,
                idle_timeout: limits.idle_timeout,
                age: closing::spread(limits.max_age, opened),
                unread_streams: UnreadStreams::of_peer(carries_many),
            };
            opened = opened.wrapping_add(1);
            let (answer, tls) = (Arc::clone(&answer), self.tls.clone());
            inside.connections.spawn(connection.run(stream, tls, answer));
        }
        drop(self.socket);
        closing.begin();
        if inside.all_end(limits.drain.requests).await {
            return 0;
        }
        closing.end_requests();
        let streams = limits.drain.streams.saturating_sub(limits.drain.requests);
        if inside.all_end(streams).await {
            return closing.cut();
        }
        closing.cut() + inside.cut().await
    }
}
