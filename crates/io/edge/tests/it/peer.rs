//! Clients and upstreams: bytes on a socket, and HTTP/1.1 where the bytes do not matter.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use gatehouse_config::snapshot::mcp::{Connection, ListLimits, ProxyUpstream};
use gatehouse_config::snapshot::outbound::Outbound as OutboundRule;
use gatehouse_edge::outbound::client::OutboundRequest;
use gatehouse_edge::permit::{Destination, Listing};
use gatehouse_edge::server::body::Body;
use gatehouse_testkit::loopback::listen;

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// An answer as it was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Status and reason code.
    pub(crate) fn verdict(&self) -> (u16, &str) {
        (self.status, self.header("x-reason"))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self { status: status.unwrap_or(0), headers, text: body.to_owned() }
    }
}

/// Sends `bytes` and reads until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has refused may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    until_closed(stream).await
}

pub(crate) async fn until_closed(mut stream: TcpStream) -> Answer {
    let mut read = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut read)).await.expect("the connection closes");
    Answer::parse(&read)
}

/// One request on one connection; `headers` besides Host.
pub(crate) async fn ask(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    raw(address, request(address, line, headers, body).as_bytes()).await
}

pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(address, &format!("GET {path}"), headers, "").await
}

/// The bytes of a request that closes its connection.
pub(crate) fn request(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> String {
    let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let host = if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        String::new()
    } else {
        format!("host: {address}\r\n")
    };
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\n{host}connection: close\r\n{fields}{length}\r\n{body}")
}

/// A server that records requests and answers with bytes that a test gives.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    /// Connections that the other side closed before they were answered to the end.
    gone: Arc<AtomicUsize>,
}

/// What a [`Peer`] does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Bytes, then the connection is closed.
    Bytes(String),
    /// The same after a pause.
    Late(Duration, String),
    /// Bytes, then nothing; the connection stays open.
    Begin(String),
}

impl Reply {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Self::Bytes(format!(
            "HTTP/1.1 {status} As Said\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

impl Peer {
    /// `answer` sees the whole request.
    pub(crate) async fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let (seen, gone) = (Arc::new(Mutex::new(Vec::new())), Arc::<AtomicUsize>::default());
        let (record, lost, answer) = (Arc::clone(&seen), Arc::clone(&gone), Arc::new(answer));
        let address = listen(move |mut stream| {
            let (record, lost, answer) = (Arc::clone(&record), Arc::clone(&lost), Arc::clone(&answer));
            async move {
                let request = whole_request(&mut stream).await;
                record.lock().unwrap().push(request.clone());
                reply(stream, answer(&request), &lost).await;
            }
        })
        .await;
        Self { address, seen, gone }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn gone(&self) -> usize {
        self.gone.load(Ordering::SeqCst)
    }
}

async fn reply(mut stream: TcpStream, reply: Reply, lost: &AtomicUsize) {
    let (pause, bytes, stays) = match reply {
        Reply::Bytes(bytes) => (Duration::ZERO, bytes, false),
        Reply::Late(pause, bytes) => (pause, bytes, false),
        Reply::Begin(bytes) => (Duration::ZERO, bytes, true),
    };
    if pause > Duration::ZERO {
        let mut byte = [0];
        if let Ok(Ok(0) | Err(_)) = timeout(pause, stream.read(&mut byte)).await {
            lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
    }
    let _ = stream.write_all(bytes.as_bytes()).await;
    if stays {
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
        lost.fetch_add(1, Ordering::SeqCst);
    }
}

/// Head and body of one request.
async fn whole_request(stream: &mut TcpStream) -> String {
    let (mut read, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
            if body.len() >= length.unwrap_or(0) && (!chunked || body.ends_with("0\r\n\r\n")) {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&read).into_owned(),
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
}

/// `request` as one that a permit leads to its URL.
pub(crate) fn permitted(request: Request<Body>) -> (Destination, OutboundRequest) {
    let (head, body) = request.into_parts();
    let connection = Connection { dial_timeout: LONG, keep_alive: LONG, max_idle: 1 };
    let list = ListLimits { bytes: 0, pages: 0 };
    let url = head.uri.to_string().parse().unwrap();
    let server = ProxyUpstream { url, tls: None, connection, list };
    let to = Listing::of_tools(&server, &OutboundRule::Unprotected).destination().unwrap();
    let path = head.uri.path_and_query().unwrap().clone();
    (to, OutboundRequest { method: head.method, path, headers: head.headers, body })
}
