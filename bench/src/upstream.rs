//! What gateways are put in front of: a model provider and an MCP server that cost next to nothing.

mod mcp;
mod messages;
mod reply;
mod stream;

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::reply::{Reply, text};

/// The time between two events of a paced stream.
#[derive(Clone, Copy, Debug)]
pub struct Pace(pub Duration);

/// Serves `POST /v1/messages`, `POST /mcp` and `GET /health` for ever.
pub async fn serve(socket: TcpListener, pace: Pace) -> io::Result<()> {
    let mut connections = JoinSet::new();
    // hyper's own way of writing: a handful of events goes out with each system call, as fast as the socket takes them.
    let protocol = http1::Builder::new();
    loop {
        let (stream, _) = socket.accept().await?;
        stream.set_nodelay(true)?;
        let service =
            service_fn(move |request| async move { Ok::<_, Infallible>(answer(request, pace).await) });
        let connection = protocol.serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move {
            // A client that goes away in the middle of a reply is its own business.
            drop(connection.await);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>, pace: Pace) -> Response<Reply> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return text(StatusCode::BAD_REQUEST, "the body broke off") };
    let body = body.to_bytes();
    match (&head.method, head.uri.path()) {
        (&Method::POST, "/v1/messages") => messages::answer(&body, pace),
        (&Method::POST, "/mcp") => mcp::answer(&body),
        (&Method::GET, "/health") => text(StatusCode::OK, "ok"),
        _ => text(StatusCode::NOT_FOUND, "only /v1/messages, /mcp and /health are here"),
    }
}
