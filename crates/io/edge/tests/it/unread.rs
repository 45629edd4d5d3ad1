//! Answers to clients that send on and on: whoever is refused in the middle of a request reads why.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use gatehouse_edge::server::body;
use gatehouse_edge::server::routes::Route;

use crate::house::{House, Public, Site, Verified, plain, text};
use crate::peer::{Answer, LONG};

const MIB: usize = 1024 * 1024;

/// `/read` takes 64 KiB, `/deaf` looks at no body, `/guarded` wants to know who calls.
pub(crate) fn routes(site: &Site) -> Vec<Route> {
    let read = Route::public("read", Method::POST, "/read", plain, |body, context: Public| async move {
        text(body::read(&context, body, 64 * 1024).await?.len().to_string())
    });
    let deaf = Route::public("deaf", Method::POST, "/deaf", plain, |_body, _context| async { text("hm?") });
    let guarded = site.guarded("/guarded", Method::POST, |_body, _context: Verified| async { text("in") });
    vec![read, deaf, guarded]
}

/// A client that sends all it has before it reads anything, as many do, and that takes any error for a broken network.
pub(crate) async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, parts: &[&[u8]]) -> Answer {
    let mut answer = Vec::new();
    let talking = async {
        for part in parts {
            stream.write_all(part).await.unwrap();
        }
        stream.read_to_end(&mut answer).await.unwrap();
    };
    timeout(LONG, talking).await.expect("the connection ends");
    Answer::parse(&answer)
}

async fn ask(address: SocketAddr, line: &str, fields: &str, body: &[u8]) -> Answer {
    let head = format!("{line} HTTP/1.1\r\nhost: {address}\r\n{fields}\r\n");
    talk(TcpStream::connect(address).await.unwrap(), &[head.as_bytes(), body]).await
}

fn chunked(size: usize) -> Vec<u8> {
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    [chunk.repeat(size / 0x10000), b"0\r\n\r\n".to_vec()].concat()
}

#[tokio::test]
async fn who_is_refused_while_sending_reads_why() {
    let house = House::open(routes).await;
    let address = house.address();
    let (large, larger) = (vec![b'x'; 8 * MIB], vec![b'x'; 40 * MIB]);
    let length = |body: &[u8]| format!("content-length: {}\r\n", body.len());
    let chunks = ("transfer-encoding: chunked\r\n".to_owned(), chunked(8 * MIB));
    let coded = format!("content-encoding: gzip\r\n{}", length(&large));
    let upgrade = format!("connection: upgrade, http2-settings\r\nupgrade: h2c\r\n{}", length(&large));
    for (what, line, fields, body, expected) in [
        ("a length", "POST /read", length(&large), &large, (413, "body_too_large")),
        ("chunks", "POST /read", chunks.0, &chunks.1, (413, "body_too_large")),
        ("a coding", "POST /read", coded, &large, (415, "body_encoded")),
        ("an offer of HTTP/2", "POST /read", upgrade, &large, (413, "body_too_large")),
        ("nobody listens", "POST /deaf", length(&larger), &larger, (200, "")),
        ("no credential", "POST /guarded", length(&larger), &larger, (401, "credential_missing")),
        ("no such path", "POST /nowhere", length(&larger), &larger, (404, "route_unknown")),
        ("another method", "PUT /read", length(&larger), &larger, (405, "method_not_allowed")),
    ] {
        let answer = ask(address, line, &fields, body).await;
        assert_eq!(answer.verdict(), expected, "{what}: {answer:?}");
        assert_eq!(answer.header("connection"), "close", "{what}");
    }
    let twice = "content-length: 5\r\ntransfer-encoding: chunked\r\n";
    let answer = ask(address, "POST /read", twice, &chunks.1).await;
    assert_eq!(answer.verdict(), (400, "body_length_contradictory"), "{answer:?}");
    let endless = format!("x-wide: {}\r\n", "y".repeat(MIB));
    assert_eq!(ask(address, "GET /read", &endless, b"").await.status, 431);
    assert_eq!(ask(address, "G\0T /read", "", &large).await.status, 400);
}

/// The answer does not wait for the rest of the body.
#[tokio::test]
async fn the_answer_comes_before_the_body_has_ended() {
    let house = House::open(routes).await;
    let address = house.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /read HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", 8 * MIB);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 1000]).await.unwrap();
    let (began, mut answer) = (Instant::now(), String::new());
    timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    for _ in 0..8 {
        stream.write_all(&vec![b'x'; MIB - 125]).await.unwrap();
    }
}

/// Only what is not there yet costs the connection.
#[tokio::test]
async fn a_body_that_came_whole_leaves_the_connection_alone() {
    let house = House::open(routes).await;
    let address = house.address();
    let post = |path: &str, more: &str, body: &str| {
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{more}\r\n{body}")
    };
    let all = [
        post("/deaf", "", "not heard"),
        post("/guarded", "", "not let in"),
        post(
            "/read",
            "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n",
            "four",
        ),
        post("/read", "connection: close\r\n", "heard"),
    ];
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answers = String::new();
    for request in &all {
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    timeout(LONG, stream.read_to_string(&mut answers)).await.unwrap().unwrap();
    let ends = ["hm?HTTP/1.1 401", "\r\n\r\n4HTTP/1.1 200", "\r\n\r\n5"];
    assert!(ends.iter().all(|end| answers.contains(end)), "{answers}");
}
