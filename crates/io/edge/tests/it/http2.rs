//! HTTP/2, frame by frame: the settings that a server of the internet needs, and what abuse meets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Response};
use http_body::Frame as BodyFrame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use gatehouse_edge::server::routes::Route;

use crate::house::{House, Plan, Site, TEAM_KEY, Verified, plain, text};
use crate::peer::{LONG, get};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_STREAM_AND_HEADERS: u8 = 5;

fn routes(_site: &Site) -> Vec<Route> {
    vec![Route::public("open", Method::GET, "/", plain, |_body, _context| async { text("here") })]
}

/// A frame as it was read.
pub(crate) struct Frame {
    kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct Http2 {
    pub(crate) stream: TcpStream,
}

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A frame that waits for the other side's kernel waits for ever where the clock stands still.
        stream.set_nodelay(true).unwrap();
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self { stream }
    }

    /// The next frame; `None` when the connection is closed.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        timeout(LONG, self.stream.read_exact(&mut head)).await.expect("a frame or the end").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Frames until one of this kind, or the end.
    pub(crate) async fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Frames until one of this kind, or the end, however long that takes; pings are answered.
    pub(crate) async fn patiently_until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            if head[3] == PING && head[4] == 0 {
                let _ = self.stream.write_all(&frame(PING, 1, 0, &payload)).await;
            }
            if head[3] == kind {
                let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
                return Some(Frame { kind, flags: head[4], stream, payload });
            }
        }
    }

    /// Begins `stream` with a `GET` as the team.
    pub(crate) async fn ask(&mut self, stream: u32, authority: &str, path: &str) {
        let mut block = vec![0x82, 0x86, 0x04];
        string(&mut block, path);
        block.push(0x01);
        string(&mut block, authority);
        block.push(0x00);
        string(&mut block, "x-api-key");
        string(&mut block, TEAM_KEY);
        self.stream.write_all(&frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block)).await.unwrap();
    }

    /// How a connection that is abused ends: GOAWAY, or just closed.
    async fn is_turned_away(&mut self) -> bool {
        self.until(GOAWAY).await.is_none_or(|goaway| goaway.payload[4..8] != [0; 4])
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// `GET /` in HPACK, without any table: the pseudo-headers, then `fields`.
pub(crate) fn block(authority: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    // Indexed: `:method: GET`, `:scheme: http`, `:path: /`; literal: `:authority`.
    let mut block = vec![0x82, 0x86, 0x84, 0x01];
    string(&mut block, authority);
    for (name, value) in fields {
        block.push(0x00);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

/// A string literal (RFC 7541 §5.2): its length with a prefix of seven bits, then its bytes.
fn string(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        block.push(u8::try_from(length).unwrap());
    }
    block.extend_from_slice(text.as_bytes());
}

/// The `:status` of a HEADERS frame whose first field is that one: indexed, or a literal of three digits.
pub(crate) fn status(headers: &Frame) -> u16 {
    match headers.payload[0] {
        0x88 => 200,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        _ => String::from_utf8_lossy(&huffman_digits(&headers.payload)).parse().unwrap_or(0),
    }
}

/// Three digits of a literal `:status`: all of them have Huffman codes of five or six bits (RFC 7541, Appendix B).
fn huffman_digits(payload: &[u8]) -> Vec<u8> {
    let bytes = payload.iter().skip(2).take(usize::from(payload[1] & 0x7f));
    let bits: Vec<u8> = bytes.flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0_u8, |number, bit| number << 1 | bit);
    let (mut digits, mut at) = (Vec::new(), 0);
    while digits.len() < 3 && at + 5 <= bits.len() {
        let short = number(&bits[at..at + 5]);
        if short < 3 {
            digits.push(b'0' + short);
            at += 5;
        } else {
            digits.push(b'3' + number(&bits[at..at + 6]).wrapping_sub(0x19));
            at += 6;
        }
    }
    digits
}

#[tokio::test]
async fn the_settings_are_those_of_a_server_of_the_internet() {
    let house = House::open(routes).await;
    let mut client = Http2::connect(house.address()).await;
    let settings = client.until(SETTINGS).await.unwrap();
    let value = |wanted: u16| {
        settings.payload.chunks(6).find_map(|entry| {
            let id = u16::from_be_bytes([entry[0], entry[1]]);
            (id == wanted).then(|| u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
        })
    };
    assert_eq!(value(3), Some(100), "concurrent streams");
    assert_eq!(value(4).unwrap_or(65_535), 65_536, "window of a stream");
    assert_eq!(value(5).unwrap_or(16_384), 16_384, "frame");
    assert_eq!(value(6), Some(32 * 1024), "header list");
}

#[tokio::test]
async fn a_request_is_answered_and_headers_are_limited_as_in_http1() {
    let house = House::open(routes).await;
    let authority = house.address().to_string();
    let many: Vec<_> = (0..120).map(|n| format!("x-{n}")).collect();
    let too_many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    // Crumbs of a cookie count one by one.
    let crumbs = vec![("cookie", "a=1"); 120];
    for (authority, fields, expected) in [
        (authority.as_str(), vec![("x-a", "b")], 200),
        (authority.as_str(), too_many[..100].to_vec(), 200),
        (authority.as_str(), too_many, 431),
        (authority.as_str(), crumbs, 431),
        (authority.as_str(), vec![("host", "evil.example")], 400),
        (authority.as_str(), vec![("x_user", "root")], 400),
        ("evil.example", Vec::new(), 421),
    ] {
        let mut client = Http2::connect(house.address()).await;
        let headers = frame(HEADERS, END_STREAM_AND_HEADERS, 1, &block(authority, &fields));
        client.stream.write_all(&headers).await.unwrap();
        let answer = client.until(HEADERS).await.unwrap();
        assert_eq!((answer.stream, status(&answer)), (1, expected), "{} fields", fields.len());
    }
}

#[tokio::test]
async fn what_is_read_once_is_sent_once_in_http2_too() {
    let house = House::open(routes).await;
    let authority = house.address().to_string();
    for fields in [
        [("origin", "https://page.example"), ("origin", "https://evil.example")],
        [("mcp-session-id", "a"), ("mcp-session-id", "a")],
        [("user-agent", "a"), ("user-agent", "b")],
    ] {
        let mut client = Http2::connect(house.address()).await;
        let block = block(&authority, &fields);
        client.stream.write_all(&frame(HEADERS, END_STREAM_AND_HEADERS, 1, &block)).await.unwrap();
        assert_eq!(status(&client.until(HEADERS).await.unwrap()), 400, "{fields:?}");
    }
}

#[tokio::test]
async fn a_header_list_that_is_too_long_is_not_taken() {
    let house = House::open(routes).await;
    let authority = house.address().to_string();
    let wide = "y".repeat(15_000);
    let fields = [("x-1", wide.as_str()), ("x-2", &wide), ("x-3", &wide)];
    let mut client = Http2::connect(house.address()).await;
    let block = block(&authority, &fields);
    let (first, rest) = block.split_at(16_000);
    client.stream.write_all(&frame(HEADERS, 1, 1, first)).await.unwrap();
    for (index, part) in rest.chunks(16_000).enumerate() {
        let last = if (index + 1) * 16_000 >= rest.len() { 4 } else { 0 };
        client.stream.write_all(&frame(CONTINUATION, last, 1, part)).await.unwrap();
    }
    let mut seen = Vec::new();
    while let Some(frame) = client.next().await {
        if frame.kind == HEADERS {
            assert_eq!(status(&frame), 431);
            return;
        }
        if [RST_STREAM, GOAWAY].contains(&frame.kind) {
            return;
        }
        assert_ne!(frame.kind, DATA);
        seen.push(frame.kind);
    }
}

#[tokio::test]
async fn rapid_reset_ends_the_connection_and_harms_nobody_else() {
    let house = House::open(routes).await;
    let authority = house.address().to_string();
    let mut client = Http2::connect(house.address()).await;
    let block = block(&authority, &[]);
    let mut flood = Vec::new();
    for number in 0..5_000_u32 {
        let stream = number * 2 + 1;
        flood.extend(frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let _ = client.stream.write_all(&flood).await;
    assert!(client.is_turned_away().await, "GOAWAY with an error, or closed");
    assert_eq!(get(house.address(), "/", &[]).await.text, "here");
}

#[tokio::test]
async fn endless_continuation_ends_the_connection() {
    let house = House::open(routes).await;
    let mut client = Http2::connect(house.address()).await;
    let block = block(&house.address().to_string(), &[]);
    let mut flood = frame(HEADERS, 1, 1, &block);
    for number in 0..20_000 {
        let mut field = vec![0x00];
        string(&mut field, &format!("x-{number}"));
        string(&mut field, "some value that takes room");
        flood.extend(frame(CONTINUATION, 0, 1, &field));
    }
    let _ = client.stream.write_all(&flood).await;
    assert!(client.is_turned_away().await, "GOAWAY with an error, or closed");
    assert_eq!(get(house.address(), "/", &[]).await.text, "here");
}

/// More streams than were agreed upon are refused one by one; the connection goes on.
#[tokio::test]
async fn more_streams_than_agreed_are_refused() {
    let house = House::open(|_site| {
        vec![Route::public("never", Method::GET, "/", plain, |_body, _context| async {
            std::future::pending::<()>().await;
            text("")
        })]
    })
    .await;
    let mut client = Http2::connect(house.address()).await;
    let block = block(&house.address().to_string(), &[]);
    let flood: Vec<u8> = (0..130_u32)
        .flat_map(|number| frame(HEADERS, END_STREAM_AND_HEADERS, number * 2 + 1, &block))
        .collect();
    client.stream.write_all(&flood).await.unwrap();
    for expected in 0..30 {
        let refused = client.until(RST_STREAM).await.unwrap();
        assert_eq!(refused.payload, 7_u32.to_be_bytes(), "REFUSED_STREAM");
        assert_eq!(refused.stream, (100 + expected) * 2 + 1);
    }
}

/// An upstream's work, counted while it is not given up.
struct Working(Arc<AtomicUsize>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Small answers, and streams of events that do not end by themselves.
fn unread(site: &Site, working: &Arc<AtomicUsize>) -> Vec<Route> {
    let small = site.guarded("/", Method::GET, |_body, _context: Verified| async { text("here") });
    let working = Arc::clone(working);
    let events = site.guarded("/events", Method::GET, move |_body, _context: Verified| {
        working.fetch_add(1, Ordering::SeqCst);
        let work = Working(Arc::clone(&working));
        async move {
            let events = stream::unfold(work, |work| async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Some((Ok(BodyFrame::data(Bytes::from_static(b"data: x\n\n"))), work))
            });
            Ok(Response::new(StreamBody::new(events).boxed_unsync()))
        }
    });
    vec![small, events]
}

/// A client whose streams have a window of so many bytes that it never opens any wider, and that answers pings.
async fn window(address: SocketAddr, bytes: u8) -> Http2 {
    let mut client = Http2::connect(address).await;
    client.stream.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, bytes])).await.unwrap();
    client
}

/// Pings are answered, so the connection is alive; what is not read is given up all the same.
#[tokio::test(start_paused = true)]
async fn an_answer_that_a_closed_window_holds_back_is_given_up_and_recorded() {
    for path in ["/", "/events"] {
        let working = Arc::<AtomicUsize>::default();
        let house = House::open(|site| unread(site, &working)).await;
        let authority = house.address().to_string();
        let mut client = window(house.address(), 0).await;
        client.ask(1, &authority, path).await;
        let reset = client.patiently_until(RST_STREAM).await.expect("the stream alone is reset");
        assert_eq!((reset.stream, &reset.payload[..]), (1, &8_u32.to_be_bytes()[..]), "CANCEL");
        let record = house.records.only().await;
        assert_eq!((&record["outcome"], &record["reason"]), (&"error".into(), &"client_stalled".into()));
        assert_eq!(working.load(Ordering::SeqCst), 0, "the upstream's work has ended");
        client.ask(3, &authority, "/nothing").await;
        assert!(client.patiently_until(HEADERS).await.is_some(), "the connection goes on");
    }
}

/// A window that opens a little is no reason to keep the whole of an answer in memory.
#[tokio::test(start_paused = true)]
async fn an_answer_that_a_narrow_window_holds_back_is_given_up_and_recorded() {
    let house = House::open(|site| {
        vec![site.guarded("/", Method::GET, |_body, _context: Verified| async { text("z".repeat(12_000)) })]
    })
    .await;
    let mut client = window(house.address(), 1).await;
    client.ask(1, &house.address().to_string(), "/").await;
    let reset = timeout(Duration::from_mins(2), client.patiently_until(RST_STREAM)).await;
    let reset = reset.expect("a time limit").expect("the stream alone is reset");
    assert_eq!((reset.stream, &reset.payload[..]), (1, &8_u32.to_be_bytes()[..]), "CANCEL");
    let record = house.records.only().await;
    assert_eq!((&record["outcome"], &record["reason"]), (&"error".into(), &"client_stalled".into()));
}

#[tokio::test(start_paused = true)]
async fn a_third_answer_that_is_not_read_ends_the_connection_unless_it_is_a_proxys() {
    let working = Arc::<AtomicUsize>::default();
    let trusting = Plan { trusted: vec!["127.0.0.0/8"], ..Plan::default() };
    let alone = House::open(|site| unread(site, &working)).await;
    let behind = House::with(trusting, |site| unread(site, &working)).await;
    for (house, goes_on) in [(&alone, false), (&behind, true)] {
        let authority = house.address().to_string();
        let mut client = window(house.address(), 0).await;
        for stream in [1, 3] {
            client.ask(stream, &authority, "/events").await;
            assert_eq!(client.patiently_until(RST_STREAM).await.map(|reset| reset.stream), Some(stream));
        }
        client.ask(5, &authority, "/events").await;
        assert_eq!(client.patiently_until(RST_STREAM).await.is_some(), goes_on);
        assert_eq!(house.records.at_least(3).await.len(), 3);
    }
    assert_eq!(working.load(Ordering::SeqCst), 0);
}
