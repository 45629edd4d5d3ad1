//! A model provider, or an identity provider: a server that keeps every byte it gets and sends the bytes it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use gatehouse_testkit::coded::flushed;
use gatehouse_testkit::loopback::listen;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase()))
            .collect()
    }
}

/// What is sent, piece by piece, and whether the connection then stays open without another byte.
#[derive(Clone)]
pub(crate) struct Reply {
    pieces: Vec<Vec<u8>>,
    hangs: bool,
}

impl Reply {
    pub(crate) fn new(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nconnection: close\r\n{fields}content-length: {length}\r\n\r\n");
        Self { pieces: vec![[head.as_bytes(), body].concat()], hangs: false }
    }

    pub(crate) fn json(status: &str, body: &str) -> Self {
        Self::new(status, &[("content-type", "application/json")], body.as_bytes())
    }

    /// A JSON body that promises `missing` more bytes than there are.
    pub(crate) fn cut(status: &str, body: &str, missing: usize) -> Self {
        let length = body.len() + missing;
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Self { pieces: vec![head.into_bytes()], hangs: false }
    }

    /// The same, and the connection stays open.
    pub(crate) fn stalled(status: &str, body: &str, missing: usize) -> Self {
        Self { hangs: true, ..Self::cut(status, body, missing) }
    }

    /// These bytes, and the connection stays open.
    pub(crate) fn begun(bytes: &str) -> Self {
        Self { pieces: vec![bytes.as_bytes().to_vec()], hangs: true }
    }

    /// A stream in these pieces, each sent alone, without a length and ended by the end of the connection.
    pub(crate) fn stream(pieces: &[&[u8]]) -> Self {
        Self::stream_with("", pieces)
    }

    /// The same in a coding, each piece flushed.
    pub(crate) fn coded_stream(coding: &str, pieces: &[&[u8]]) -> Self {
        let coded = flushed(coding, pieces);
        let coded: Vec<&[u8]> = coded.iter().map(Vec::as_slice).collect();
        Self::stream_with(&format!("content-encoding: {coding}\r\n"), &coded)
    }

    fn stream_with(fields: &str, pieces: &[&[u8]]) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n\
             {fields}connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let mut all = vec![head.into_bytes()];
        let chunk = |piece: &&[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        all.extend(pieces.iter().map(chunk));
        all.push(b"0\r\n\r\n".to_vec());
        Self { pieces: all, hangs: false }
    }

    /// The same without its last piece.
    pub(crate) fn broken(mut self) -> Self {
        self.pieces.pop();
        self
    }

    /// The same without its last piece, and without an end.
    pub(crate) fn hanging(mut self) -> Self {
        self.pieces.pop();
        self.hangs = true;
        self
    }

    /// No byte at all.
    pub(crate) fn silence() -> Self {
        Self { pieces: Vec::new(), hangs: true }
    }
}

pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    gone: Arc<AtomicUsize>,
}

impl Provider {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let (seen, gone) = (Arc::new(Mutex::new(Vec::new())), Arc::<AtomicUsize>::default());
        let (record, lost, answer) = (Arc::clone(&seen), Arc::clone(&gone), Arc::new(answer));
        let address = listen(move |mut stream| {
            let (record, lost, answer) = (Arc::clone(&record), Arc::clone(&lost), Arc::clone(&answer));
            async move {
                stream.set_nodelay(true).unwrap();
                let Some(request) = read(&mut stream).await else { return };
                record.lock().unwrap().push(request.clone());
                if !send(&mut stream, &answer(&request)).await {
                    lost.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
        .await;
        Self { address, seen, gone }
    }

    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// How many requests were given up by whoever made them.
    pub(crate) fn gone(&self) -> usize {
        self.gone.load(Ordering::SeqCst)
    }
}

/// Whether everything could be sent and, when the reply hangs, the other side stayed.
async fn send(stream: &mut TcpStream, reply: &Reply) -> bool {
    for piece in &reply.pieces {
        if stream.write_all(piece).await.is_err() {
            return false;
        }
        // Pieces must not arrive as one.
        sleep(Duration::from_millis(1)).await;
    }
    if reply.hangs {
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
        return false;
    }
    stream.shutdown().await.is_ok()
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let (mut read, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..at]).into_owned();
            let seen = Seen { head, body: read[at + 4..].to_vec() };
            let length = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
            assert_eq!(seen.header("transfer-encoding"), None, "bodies go out with their length");
            if seen.body.len() >= length {
                return Some(seen);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
}
