//! A closed-loop load generator: every connection sends its next request when the last reply has ended.

mod connection;
mod events;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::task::JoinSet;

use self::connection::Connection;
use self::tally::Tally;

pub use self::tally::{Report, Spread};

/// How long running replies may take after the last request was sent.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request, sent again and again.
pub struct Request {
    /// `host:port`, the `Host` header and the address that is dialled.
    pub authority: String,
    /// `GET` or `POST`.
    pub method: Method,
    /// Path and query.
    pub path: Uri,
    /// Everything but `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// Empty for none; with the spaces that make it larger.
    body: Bytes,
    /// How many sizes it comes in, one byte apart.
    sizes: usize,
    sent: AtomicUsize,
}

impl Request {
    /// A request to `url`, which is plain http; a POST if there is a body. `headers` are written `Name: value`. The
    /// body comes in `sizes` sizes, each a space longer than the one before.
    pub fn new(url: &str, headers: &[String], mut body: Vec<u8>, sizes: usize) -> anyhow::Result<Self> {
        let url: Uri = url.parse().with_context(|| format!("not a URL: {url}"))?;
        ensure!(url.scheme_str() == Some("http"), "expected an http URL, found {url}");
        let authority = url.authority().context("the URL names no host")?.to_string();
        let path = url.path_and_query().map_or("/", |path| path.as_str()).parse()?;
        let mut map = HeaderMap::new();
        for header in headers {
            let (name, value) = header
                .split_once(':')
                .with_context(|| format!("expected `Name: value`, found `{header}`"))?;
            let name: http::HeaderName = name.trim().parse()?;
            map.append(name, value.trim().parse()?);
        }
        let method = if body.is_empty() { Method::GET } else { Method::POST };
        body.resize(body.len() + sizes.saturating_sub(1), b' ');
        Ok(Self {
            authority,
            method,
            path,
            headers: map,
            body: body.into(),
            sizes,
            sent: AtomicUsize::new(0),
        })
    }

    /// The body of the next request.
    fn next_body(&self) -> Bytes {
        let spaces = self.sent.fetch_add(1, Ordering::Relaxed) % self.sizes.max(1);
        let most = self.sizes.saturating_sub(1);
        self.body.slice(..self.body.len() - (most - spaces))
    }
}

/// Sends `request` over `connections` connections for `duration`; replies that run then are waited for.
pub async fn run(request: Request, connections: usize, duration: Duration) -> anyhow::Result<Report> {
    let request = Arc::new(request);
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Connection::open(Arc::clone(&request)).await?);
    }
    let start = Instant::now();
    let deadline = start + duration;
    let mut lanes = JoinSet::new();
    for connection in opened {
        lanes.spawn(connection.run_until(deadline));
    }
    let mut total = Tally::new()?;
    let all = async {
        while let Some(tally) = lanes.join_next().await {
            total.add(&tally??)?;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(duration + PATIENCE, all).await {
        Ok(done) => done?,
        Err(_) => bail!("a reply has not ended {} s after the last request was sent", PATIENCE.as_secs()),
    }
    Ok(total.report(start.elapsed()))
}

/// Sends `request` once.
pub async fn fetch(request: Request) -> anyhow::Result<(StatusCode, Bytes)> {
    let exchange = async { Connection::open(Arc::new(request)).await?.fetch().await };
    tokio::time::timeout(PATIENCE, exchange).await.context("no complete reply in time")?
}

#[cfg(test)]
mod tests;
