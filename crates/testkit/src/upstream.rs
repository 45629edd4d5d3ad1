//! A server that keeps every byte it is sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::raw_http::{fields, split_head, unchunked};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// A header; the empty text when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// An answer without body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// An answer of some media type.
    pub fn of(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }.with("content-type", media_type)
    }

    /// A JSON answer.
    pub fn json(body: &Value) -> Self {
        Self::of("application/json", body.to_string())
    }

    /// The same under another status.
    #[must_use]
    pub fn under(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Answer\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

#[derive(Default)]
struct Seen {
    bytes: Mutex<Vec<u8>>,
    requests: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    closed: AtomicBool,
}

/// A listener on a loopback port.
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Upstream {
    /// Answers everything with `answer`.
    pub fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, answer) = (Arc::new(Seen::default()), Arc::new(answer));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.closed.load(Ordering::SeqCst) {
                    break;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                std::thread::spawn(move || converse(stream, &shared, answer.as_ref()));
            }
        });
        Self { address, seen }
    }

    /// Its origin, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were opened to it.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every byte so far, over all connections.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.seen.closed.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees that it is over.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

fn converse(mut stream: TcpStream, seen: &Seen, answer: &(dyn Fn(&Received) -> Reply + Send + Sync)) {
    let mut pending = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        while let Some((request, rest)) = take(&pending) {
            pending = rest;
            let reply = answer(&request);
            seen.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            if stream.write_all(&reply.bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => {
                pending.extend_from_slice(&chunk[..count]);
                seen.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..count]);
            }
            _ => return,
        }
    }
}

/// The first whole request in `bytes`, and what follows it.
fn take(bytes: &[u8]) -> Option<(Received, Vec<u8>)> {
    let (head, rest) = split_head(bytes)?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = fields(lines);
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let (body, length) = if header("transfer-encoding").is_some_and(|value| value == "chunked") {
        let end = rest.windows(5).position(|window| window == b"0\r\n\r\n")? + 5;
        (unchunked(&rest[..end])?, end)
    } else {
        let length = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        (rest.get(..length)?.to_vec(), length)
    };
    Some((Received { method, target, headers, body }, rest[length..].to_vec()))
}
