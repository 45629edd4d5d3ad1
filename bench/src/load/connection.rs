//! One keep-alive connection and the requests on it.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Request;
use super::events::EventCounter;
use super::tally::{Reply, Tally};

pub(super) struct Connection {
    request: Arc<Request>,
    sender: SendRequest<Full<Bytes>>,
    /// Owns the task that moves the bytes; it ends with the connection.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(super) async fn open(request: Arc<Request>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&request.authority)
            .await
            .with_context(|| format!("cannot connect to {}", request.authority))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong here fails the request that is under way, too, and is counted there.
            drop(connection.await);
        });
        Ok(Self { request, sender, _driver: driver })
    }

    /// Sends requests until `deadline`. A failed exchange is counted, and the next goes over a new connection.
    pub(super) async fn run_until(mut self, deadline: Instant) -> anyhow::Result<Tally> {
        let mut tally = Tally::new()?;
        while Instant::now() < deadline {
            match self.exchange().await {
                Ok(reply) => tally.record(&reply),
                Err(error) => {
                    tally.record_error(&format!("{error:#}"));
                    self = Self::open(self.request).await?;
                }
            }
        }
        Ok(tally)
    }

    pub(super) async fn fetch(mut self) -> anyhow::Result<(StatusCode, Bytes)> {
        let reply = self.send().await?;
        let status = reply.status();
        Ok((status, reply.into_body().collect().await?.to_bytes()))
    }

    async fn exchange(&mut self) -> anyhow::Result<Reply> {
        let start = Instant::now();
        let reply = self.send().await?;
        let status = reply.status().as_u16();
        let mut body = reply.into_body();
        let mut events = EventCounter::default();
        let (mut bytes, mut first_byte, mut first_token) = (0, None, None);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            first_byte.get_or_insert_with(|| start.elapsed());
            bytes += data.len() as u64;
            if events.push(&data) {
                first_token = Some(start.elapsed());
            }
        }
        Ok(Reply { status, bytes, events: events.count(), whole: start.elapsed(), first_byte, first_token })
    }

    async fn send(&mut self) -> anyhow::Result<http::Response<hyper::body::Incoming>> {
        let mut request = http::Request::new(Full::new(self.request.next_body()));
        *request.method_mut() = self.request.method.clone();
        *request.uri_mut() = self.request.path.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.request.headers);
        headers.insert(http::header::HOST, self.request.authority.parse()?);
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}
