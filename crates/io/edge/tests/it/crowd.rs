//! More connections than there is room for, and heads that take more memory than bytes.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use gatehouse_edge::server::routes::Route;
use gatehouse_edge::server::{ConnectionLimits, ListenerLimits};

use crate::house::{House, Plan, Site, Verified, plain, text};
use crate::http2::{END_STREAM_AND_HEADERS, GOAWAY, HEADERS, Http2, PING, RST_STREAM, block, frame, status};
use crate::peer::{LONG, get};

/// `/` answers, `/wait` never does.
fn routes(site: &Site) -> Vec<Route> {
    let open = Route::public("open", Method::GET, "/", plain, |_body, _context| async { text("here") });
    let wait = site.guarded("/wait", Method::GET, |_body, _context: Verified| async {
        std::future::pending::<()>().await;
        text("")
    });
    vec![open, wait]
}

async fn house(connections: ConnectionLimits) -> House {
    let plan = Plan::default();
    let limits = ListenerLimits { connections, idle_timeout: Duration::from_secs(60), ..plan.limits };
    House::with(Plan { limits, ..plan }, routes).await
}

async fn ends(client: &mut Http2) -> bool {
    let mut rest = Vec::new();
    timeout(LONG, client.stream.read_to_end(&mut rest)).await.is_ok()
}

/// A connection of HTTP/1 that was answered once and rests.
async fn resting(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(answers(&mut stream, address).await);
    stream
}

async fn answers(stream: &mut TcpStream, address: SocketAddr) -> bool {
    let head = format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let mut buffer = [0; 1024];
    let asked = stream.write_all(head.as_bytes()).await;
    let read = timeout(LONG, stream.read(&mut buffer)).await.expect("an answer or the end");
    asked.is_ok() && read.is_ok_and(|length| buffer[..length].starts_with(b"HTTP/1.1 200 "))
}

#[tokio::test]
async fn references_of_one_byte_end_their_connection_before_they_are_decoded() {
    let house = house(ConnectionLimits::default()).await;
    let authority = house.address().to_string();
    let pair = [("a", "b")];
    let first = [&block(&authority, &[])[..], b"\x40\x01a\x01b"].concat();
    let bomb = [&block(&authority, &pair)[..], &[0xbe; 940]].concat();
    for heads in [
        // In one frame, and in pieces of a head that has begun.
        vec![frame(HEADERS, END_STREAM_AND_HEADERS, 3, &bomb)],
        bomb.chunks(100)
            .enumerate()
            .map(|(at, part)| frame(if at == 0 { 1 } else { 9 }, 0, 3, part))
            .collect(),
    ] {
        let mut client = Http2::connect(house.address()).await;
        client.stream.write_all(&frame(HEADERS, END_STREAM_AND_HEADERS, 1, &first)).await.unwrap();
        assert_eq!(status(&client.until(HEADERS).await.unwrap()), 200);
        let _ = client.stream.write_all(&heads.concat()).await;
        assert!(ends(&mut client).await);
    }
    assert_eq!(get(house.address(), "/", &[]).await.text, "here");
}

#[tokio::test]
async fn the_connection_that_holds_most_is_closed_and_leaves_records() {
    let most = ConnectionLimits { header_bytes: 1_500_000, ..ConnectionLimits::default() };
    let house = house(most).await;
    let authority = house.address().to_string();
    let mut clients = Vec::new();
    for streams in [3, 40, 20] {
        let mut client = Http2::connect(house.address()).await;
        for number in 0..streams {
            client.ask(2 * number + 1, &authority, "/wait").await;
        }
        client.stream.write_all(&frame(PING, 0, 0, &[0; 8])).await.unwrap();
        client.until(PING).await.unwrap();
        clients.push(client);
    }
    // The second holds most already; what the third asks for next is too much.
    for number in 20..35 {
        clients[2].ask(2 * number + 1, &authority, "/wait").await;
    }
    assert!(ends(&mut clients[1]).await);
    for record in house.records.at_least(40).await {
        assert_eq!(record["reason"], "connection_excessive", "{record}");
    }
    clients[0].ask(7, &authority, "/").await;
    assert_eq!(clients[0].until(HEADERS).await.map(|head| head.stream), Some(7), "a bystander");
}

#[tokio::test]
async fn pieces_of_heads_of_http1_count_too() {
    let most = ConnectionLimits { header_bytes: 100_000, ..ConnectionLimits::default() };
    let house = house(most).await;
    let mut clients = Vec::new();
    for length in [5_000, 60_000, 30_000] {
        let mut client = TcpStream::connect(house.address()).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: {}\r\nx: ", house.address());
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b'y'; length]).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        clients.push(client);
    }
    let mut rest = Vec::new();
    assert!(timeout(LONG / 4, clients[1].read_to_end(&mut rest)).await.is_ok(), "it held most");
    clients[0].write_all(b"\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    clients[0].read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn what_was_answered_or_reset_is_given_back() {
    let most = ConnectionLimits { header_bytes: 200_000, ..ConnectionLimits::default() };
    let house = house(most).await;
    let authority = house.address().to_string();
    let mut client = Http2::connect(house.address()).await;
    for number in 0..100 {
        client.ask(4 * number + 1, &authority, "/").await;
        assert!(client.until(HEADERS).await.is_some());
        client.ask(4 * number + 3, &authority, "/wait").await;
        client.stream.write_all(&frame(RST_STREAM, 0, 4 * number + 3, &8_u32.to_be_bytes())).await.unwrap();
    }
    client.ask(401, &authority, "/").await;
    assert!(client.until(HEADERS).await.is_some());
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let plan = Plan::default();
    let limits = ListenerLimits { header_read_timeout: Duration::from_millis(500), ..plan.limits };
    let house = House::with(Plan { limits, ..plan }, routes).await;
    let authority = house.address().to_string();
    let mut client = Http2::connect(house.address()).await;
    client.ask(1, &authority, "/").await;
    assert!(client.until(HEADERS).await.is_some());
    sleep(Duration::from_secs(1)).await;
    client.ask(3, &authority, "/").await;
    assert!(client.until(HEADERS).await.is_some(), "between heads there is time");
    client.stream.write_all(&frame(HEADERS, 1, 5, &block(&authority, &[]))).await.unwrap();
    let began = Instant::now();
    assert!(ends(&mut client).await);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn idle_connections_give_way_and_busy_ones_do_not() {
    let house = house(ConnectionLimits { per_address: 4, ..ConnectionLimits::of(4) }).await;
    let address = house.address();
    let silent = TcpStream::connect(address).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let mut oldest = resting(address).await;
    let mut newer = resting(address).await;
    let mut busy = Http2::connect(address).await;
    busy.ask(1, &address.to_string(), "/wait").await;
    busy.stream.write_all(&frame(PING, 0, 0, &[0; 8])).await.unwrap();
    busy.until(PING).await.unwrap();
    // The one that never asked anything goes first, then the one that asked longest ago.
    let mut first = resting(address).await;
    let mut buffer = [0; 8];
    let mut silent = silent;
    assert!(matches!(timeout(LONG, silent.read(&mut buffer)).await, Ok(Ok(0) | Err(_))));
    let mut second = resting(address).await;
    assert!(!answers(&mut oldest, address).await);
    for stream in [&mut newer, &mut first, &mut second] {
        assert!(answers(stream, address).await);
    }
    busy.ask(3, &address.to_string(), "/").await;
    assert!(busy.until(HEADERS).await.is_some());
}

#[tokio::test]
async fn when_all_are_busy_the_new_one_is_refused() {
    let house = house(ConnectionLimits { per_address: 2, ..ConnectionLimits::of(8) }).await;
    let address = house.address();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut busy = Http2::connect(address).await;
        busy.ask(1, &address.to_string(), "/wait").await;
        busy.stream.write_all(&frame(PING, 0, 0, &[0; 8])).await.unwrap();
        busy.until(PING).await.unwrap();
        held.push(busy);
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert!(!answers(&mut refused, address).await);
    held.pop();
    let end = Instant::now() + LONG;
    loop {
        let mut next = TcpStream::connect(address).await.unwrap();
        if answers(&mut next, address).await {
            break;
        }
        assert!(Instant::now() < end, "there is no room again");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_without_requests_leaves_after_the_idle_time() {
    let house = house(ConnectionLimits::default()).await;
    let address = house.address();
    let mut client = Http2::connect(address).await;
    client.ask(1, &address.to_string(), "/").await;
    assert!(client.patiently_until(HEADERS).await.is_some());
    let began = Instant::now();
    assert!(client.patiently_until(GOAWAY).await.is_some());
    let took = began.elapsed();
    assert!((Duration::from_secs(59)..Duration::from_secs(75)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_with_a_request_stays() {
    let house = house(ConnectionLimits::default()).await;
    let address = house.address();
    let mut client = Http2::connect(address).await;
    client.ask(1, &address.to_string(), "/wait").await;
    assert!(timeout(Duration::from_mins(20), client.patiently_until(GOAWAY)).await.is_err());
}
