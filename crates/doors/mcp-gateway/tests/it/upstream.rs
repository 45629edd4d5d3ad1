//! An HTTP server that records what it gets and answers as a test says.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;

use gatehouse_testkit::eventually::until;
use gatehouse_testkit::loopback::listen;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What to answer.
pub(crate) struct Script {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body in pieces, each sent after a pause.
    pub(crate) pieces: Vec<(Duration, Vec<u8>)>,
}

/// A running server.
pub(crate) struct Upstream {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    cut: Arc<AtomicUsize>,
}

/// Counts an answer that is given up before its last piece.
struct Whole(Option<Arc<AtomicUsize>>);

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(count) = self.0.take() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Script {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::new(200, "application/json", vec![body.into()])
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, "application/json", vec![body.into()])
    }

    pub(crate) fn events(events: Vec<String>) -> Self {
        let pieces = events.into_iter().map(|event| format!("event: message\ndata: {event}\n\n")).collect();
        Self::new(200, "text/event-stream", pieces)
    }

    pub(crate) fn new(status: u16, kind: &str, pieces: Vec<String>) -> Self {
        Self::raw(status, kind, pieces.into_iter().map(String::into_bytes).collect())
    }

    pub(crate) fn raw(status: u16, kind: &str, pieces: Vec<Vec<u8>>) -> Self {
        let pieces = pieces.into_iter().map(|piece| (Duration::ZERO, piece)).collect();
        Self { status, headers: vec![("content-type", kind.to_owned())], pieces }
    }

    /// Waits before every piece.
    pub(crate) fn paced(mut self, pause: Duration) -> Self {
        self.pieces.iter_mut().for_each(|(before, _)| *before = pause);
        self
    }
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn rpc_method(&self) -> String {
        self.json()["method"].as_str().unwrap_or_default().to_owned()
    }

    /// Everything that arrived, as one text.
    pub(crate) fn everything(&self) -> String {
        format!("{} {}\n{:?}\n{}", self.method, self.target, self.headers, self.body)
    }
}

impl Upstream {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let cut = Arc::<AtomicUsize>::default();
        let (record, answer, count) = (Arc::clone(&seen), Arc::new(answer), Arc::clone(&cut));
        let address = listen(move |stream| {
            let (record, answer, count) = (Arc::clone(&record), Arc::clone(&answer), Arc::clone(&count));
            let service = service_fn(move |request: Request<Incoming>| {
                let (record, answer, count) = (Arc::clone(&record), Arc::clone(&answer), Arc::clone(&count));
                async move {
                    let seen = read(request).await;
                    record.lock().unwrap().push(seen.clone());
                    Ok::<_, Infallible>(response(answer(&seen), count))
                }
            });
            async move {
                let builder = Builder::new(TokioExecutor::new());
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            }
        })
        .await;
        Self { url: format!("http://{address}"), seen, cut }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests whose JSON-RPC method is `method`.
    pub(crate) fn rpc(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.rpc_method() == method).collect()
    }
}

impl Upstream {
    /// Waits until `count` answers were given up before their end.
    pub(crate) async fn cut(&self, count: usize) {
        until(|| self.cut.load(Ordering::SeqCst) >= count, || format!("{count} answers to be given up"))
            .await;
    }

    /// Waits until there was a request of the JSON-RPC method.
    pub(crate) async fn heard(&self, method: &str) -> Seen {
        until(|| !self.rpc(method).is_empty(), || format!("{method} to arrive")).await;
        self.rpc(method).remove(0)
    }

    /// Everything that ever arrived, as one text.
    pub(crate) fn everything(&self) -> String {
        self.seen().iter().map(Seen::everything).collect::<Vec<_>>().join("\n\n")
    }
}

async fn read(request: Request<Incoming>) -> Seen {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

fn response(script: Script, cut: Arc<AtomicUsize>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let start = (script.pieces.into_iter(), Whole(Some(cut)));
    let frames = stream::unfold(start, |(mut pieces, mut whole)| async move {
        let Some((pause, piece)) = pieces.next() else {
            whole.0.take();
            return None;
        };
        tokio::time::sleep(pause).await;
        Some((Ok(Frame::data(Bytes::from(piece))), (pieces, whole)))
    });
    let mut response = Response::builder().status(script.status);
    for (name, value) in script.headers {
        response = response.header(name, value);
    }
    response.body(StreamBody::new(frames).boxed_unsync()).unwrap()
}
