//! The limits of a listener, as a client meets them.

use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use gatehouse_edge::server::body;
use gatehouse_edge::server::routes::Route;
use gatehouse_edge::server::{Drain, ListenerLimits};
use gatehouse_testkit::eventually::until;
use gatehouse_testkit::log_capture::LogCapture;

use crate::house::{House, Plan, Public, Site, plain, text};
use crate::peer::{LONG, ask, get, raw, request, until_closed};

/// `/` answers; `/body` reads at most 64 KiB and says how many there were.
fn routes(_site: &Site) -> Vec<Route> {
    let open = Route::public("open", Method::GET, "/", plain, |_body, _context| async { text("here") });
    let read = Route::public("body", Method::POST, "/body", plain, |body, context: Public| async move {
        text(body::read(&context, body, 64 * 1024).await?.len().to_string())
    });
    vec![open, read]
}

fn impatient() -> Plan {
    let plan = Plan::default();
    let limits = ListenerLimits {
        header_read_timeout: Duration::from_millis(400),
        idle_timeout: Duration::from_secs(2),
        drain: Drain::within(Duration::from_secs(1)),
        ..plan.limits
    };
    Plan { limits, ..plan }
}

#[tokio::test]
async fn header_fields_are_limited_in_number_and_size() {
    let house = House::open(routes).await;
    let address = house.address();
    // Two more are there already: Host and Connection.
    let many = |count: usize| (0..count).map(|n| (format!("x-{n}"), "1".to_owned())).collect::<Vec<_>>();
    let wide = |count, size| (0..count).map(|n| (format!("x-{n}"), "y".repeat(size))).collect::<Vec<_>>();
    for (fields, expected) in [
        (many(98), 200),
        (many(99), 431),
        (many(150), 431),
        (wide(1, 16_000), 200),
        (wide(1, 16_400), 431),
        (wide(2, 16_000), 200),
        (wide(3, 12_000), 431),
        (wide(4, 20_000), 431),
    ] {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = get(address, "/", &fields).await;
        assert_eq!(answer.status, expected, "{} fields of {}", fields.len(), fields[0].1.len());
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n", "a".repeat(9_000));
    assert_eq!(raw(address, long.as_bytes()).await.status, 400);
}

/// Whichever part refuses a head, its operator reads what to shorten, and no value.
#[tokio::test]
async fn the_log_names_the_header_that_is_too_large() {
    let house = House::open(routes).await;
    let heard = LogCapture::here();
    let secret = "s3cret".repeat(3_000);
    let larger = "s3cret".repeat(20_000);
    let many: String = (0..150).map(|number| format!("x-{number}: s3cret\r\n")).collect();
    for (fields, message, detail) in [
        (format!("cookie: {secret}\r\n"), "request refused", "cookie has 18006 bytes"),
        (
            format!("x-a: {0}\r\nx-bc: {0}\r\nx-d: {0}\r\n", "s3cret".repeat(2_000)),
            "request refused",
            "x-bc has 12004",
        ),
        (
            format!("x-a: b\r\nauthorization: Bearer {larger}\r\n"),
            "request head refused",
            "authorization has ",
        ),
        (many, "request head refused", "more than 100 fields"),
    ] {
        let host = house.address();
        let head = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{fields}\r\n");
        let mut stream = TcpStream::connect(house.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(until_closed(stream).await.status, 431, "{detail}");
        let lines = || heard.from_info_up().into_iter().filter(|line| line.field("message") == message);
        until(
            || lines().any(|line| line.field("detail").contains(detail)),
            || format!("{detail} in the log"),
        )
        .await;
        assert!(lines().all(|line| line.field("status") == "431"));
    }
    assert!(heard.from_info_up().iter().all(|line| !format!("{line:?}").contains("s3cret")));
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let house = House::open(routes).await;
    let own = house.address();
    for head in [
        format!("POST /body HTTP/1.1\r\nhost: {own}\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc"),
        format!("POST /body HTTP/1.1\r\nhost: {own}\r\ncontent-length: -1\r\n\r\nabc"),
        format!("POST /body HTTP/1.1\r\nhost: {own}\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {own}\r\nx y: z\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {own}\r\nx: a\r\n folded\r\n\r\n"),
        "hello\r\n\r\n".to_owned(),
    ] {
        let answer = raw(own, head.as_bytes()).await;
        assert_eq!(answer.status, 400, "{head:?}: {answer:?}");
    }
}

#[tokio::test]
async fn silent_and_slow_heads_are_cut() {
    let house = House::with(impatient(), routes).await;
    let address = house.address();
    let started = Instant::now();
    let silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
    let mut dripping = TcpStream::connect(address).await.unwrap();
    let drip = async {
        for byte in
            b"GET / HTTP/1.1\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        {
            if dripping.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        until_closed(dripping).await
    };
    // Halves of the preface of HTTP/2 tell no protocol either.
    let mut preface = TcpStream::connect(address).await.unwrap();
    preface.write_all(b"PRI * HTTP/2").await.unwrap();
    let (silent, half, dripping, preface) =
        tokio::join!(until_closed(silent), until_closed(half), drip, until_closed(preface));
    assert!(started.elapsed() >= Duration::from_millis(400), "nobody is cut early");
    for answer in [&silent, &half, &dripping, &preface] {
        assert_ne!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(get(address, "/", &[]).await.text, "here");
}

/// Between two requests there is more time than within a head.
#[tokio::test]
async fn a_connection_may_rest_but_the_next_head_may_not_crawl() {
    let house = House::with(impatient(), routes).await;
    let head = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", house.address());
    let mut resting = TcpStream::connect(house.address()).await.unwrap();
    let mut buffer = [0; 1024];
    for pause in [0, 800, 800] {
        sleep(Duration::from_millis(pause)).await;
        resting.write_all(head.as_bytes()).await.unwrap();
        let read = timeout(LONG, resting.read(&mut buffer)).await.unwrap().unwrap();
        assert!(buffer[..read].ends_with(b"here"), "after {pause} ms");
    }
    let rested = Instant::now();
    assert_eq!(timeout(LONG, resting.read(&mut buffer)).await.unwrap().unwrap(), 0);
    assert!(rested.elapsed() >= Duration::from_millis(1900), "{:?}", rested.elapsed());

    let plan = impatient();
    let limits = ListenerLimits { idle_timeout: LONG * 4, ..plan.limits };
    let house = House::with(Plan { limits, ..plan }, routes).await;
    let head = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", house.address());
    let mut crawling = TcpStream::connect(house.address()).await.unwrap();
    crawling.write_all(head.as_bytes()).await.unwrap();
    let read = timeout(LONG, crawling.read(&mut buffer)).await.unwrap().unwrap();
    assert!(buffer[..read].ends_with(b"here"));
    crawling.write_all(&head.as_bytes()[..20]).await.unwrap();
    let cut = timeout(LONG, crawling.read(&mut buffer)).await.unwrap();
    assert_eq!(cut.unwrap_or(0), 0, "half a head does not hold a connection for as long as none");
}

/// A connection that is used may stay, however long its requests take.
#[tokio::test]
async fn a_long_answer_outlives_the_patience_for_heads() {
    let house = House::with(impatient(), |_site| {
        vec![Route::public("long", Method::GET, "/", plain, |_body, _context| async {
            sleep(Duration::from_millis(1200)).await;
            text("done")
        })]
    })
    .await;
    assert_eq!(get(house.address(), "/", &[]).await.text, "done");
}

#[tokio::test]
async fn bodies_are_limited_before_and_while_they_come() {
    let house = House::open(routes).await;
    let address = house.address();
    let limit = 64 * 1024;
    assert_eq!(ask(address, "POST /body", &[], &"x".repeat(limit)).await.text, limit.to_string());
    let declared = format!(
        "POST /body HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 9999999\r\n\r\n"
    );
    assert_eq!(raw(address, declared.as_bytes()).await.verdict(), (413, "body_too_large"));
    let head = format!(
        "POST /body HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let fits = format!("{head}{}0\r\n\r\n", chunk.repeat(4));
    assert_eq!(raw(address, fits.as_bytes()).await.text, limit.to_string());
    let too_much = format!("{head}{}1\r\nx\r\n0\r\n\r\n", chunk.repeat(4));
    assert_eq!(raw(address, too_much.as_bytes()).await.verdict(), (413, "body_too_large"));
    for coding in ["gzip", "br", "zstd", "deflate", "identity, gzip"] {
        let answer = ask(address, "POST /body", &[("content-encoding", coding)], "squeezed").await;
        assert_eq!(answer.verdict(), (415, "body_encoded"), "{coding}");
    }
    assert_eq!(ask(address, "POST /body", &[("content-encoding", "identity")], "plain").await.text, "5");
}

/// The read timeout is one second here: a body that stalls is given up, one that comes slowly but steadily is not.
#[tokio::test]
async fn a_body_may_be_slow_but_not_stall() {
    let house = House::open(routes).await;
    let address = house.address();
    let head = format!(
        "POST /body HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 12000\r\n\r\n"
    );
    let started = Instant::now();
    let stalled = raw(address, format!("{head}begin").as_bytes()).await;
    assert_eq!(stalled.verdict(), (400, "body_too_slow"));
    assert!(started.elapsed() >= Duration::from_secs(1));

    let mut steady = TcpStream::connect(address).await.unwrap();
    steady.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..6 {
        sleep(Duration::from_millis(250)).await;
        steady.write_all(&[b'x'; 2000]).await.unwrap();
    }
    assert_eq!(until_closed(steady).await.text, "12000");
}

#[tokio::test]
async fn a_body_that_ends_early_reaches_nobody() {
    let house = House::open(routes).await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let whole = request(house.address(), "POST /body", &[], "all of it");
    stream.write_all(&whole.as_bytes()[..whole.len() - 3]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}
