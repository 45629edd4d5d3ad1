//! Connections that have become old: they end, but not in the middle of anything.

use std::sync::Arc;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Duration, Instant, sleep};

use gatehouse_edge::server::routes::Route;

use crate::house::{House, plain, text};
use crate::http2::{DATA, END_STREAM, GOAWAY, HEADERS, Http2, status};
use crate::peer::until_closed;

const AGE: Duration = Duration::from_hours(1);

/// `/` answers at once, `/wait` when it is told.
async fn open(go: &Arc<Semaphore>) -> House {
    let go = Arc::clone(go);
    House::open(move |_site| {
        let wait = Route::public("wait", Method::GET, "/wait", plain, move |_body, _context| {
            let go = Arc::clone(&go);
            async move {
                let _turn = go.acquire().await;
                text("finished")
            }
        });
        let open = Route::public("open", Method::GET, "/", plain, |_body, _context| async { text("here") });
        vec![wait, open]
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_of_http1_ends_between_two_requests() {
    let house = open(&Arc::new(Semaphore::new(0))).await;
    let head = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", house.address());
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let began = Instant::now();
    let mut buffer = [0; 1024];
    loop {
        stream.write_all(head.as_bytes()).await.unwrap();
        let length = stream.read(&mut buffer).await.unwrap();
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nhere"), "{answer}");
        tokio::select! {
            closed = stream.read(&mut buffer) => {
                assert_eq!(closed.unwrap(), 0);
                break;
            }
            () = sleep(Duration::from_secs(7)) => {}
        }
    }
    let age = began.elapsed();
    assert!((AGE * 9 / 10..=AGE * 11 / 10 + Duration::from_secs(1)).contains(&age), "{age:?}");
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_of_http1_ends_with_the_request_that_it_is_at() {
    let go = Arc::new(Semaphore::new(0));
    let house = open(&go).await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let head = format!("GET /wait HTTP/1.1\r\nhost: {}\r\n\r\n", house.address());
    stream.write_all(head.repeat(2).as_bytes()).await.unwrap();
    sleep(AGE * 2).await;
    go.add_permits(2);
    let answer = until_closed(stream).await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"), "{answer:?}");
    assert_eq!(answer.text, "finished", "the request behind it may be asked elsewhere");
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_of_http2_says_so_and_ends_with_its_last_stream() {
    let go = Arc::new(Semaphore::new(0));
    let house = open(&go).await;
    let mut client = Http2::connect(house.address()).await;
    client.ask(1, &house.address().to_string(), "/wait").await;
    let began = Instant::now();
    let last_stream = |goaway: &[u8]| u32::from_be_bytes([goaway[0], goaway[1], goaway[2], goaway[3]]);
    let goaway = client.patiently_until(GOAWAY).await.unwrap();
    assert!((AGE * 9 / 10..=AGE * 11 / 10).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!((last_stream(&goaway.payload), &goaway.payload[4..8]), (0x7fff_ffff, &[0; 4][..]), "no error");
    let goaway = client.patiently_until(GOAWAY).await.unwrap();
    assert_eq!((last_stream(&goaway.payload), &goaway.payload[4..8]), (1, &[0; 4][..]));
    go.add_permits(1);
    let headers = client.patiently_until(HEADERS).await.unwrap();
    assert_eq!((headers.stream, status(&headers)), (1, 200));
    let mut body = Vec::new();
    loop {
        let data = client.patiently_until(DATA).await.unwrap();
        body.extend_from_slice(&data.payload);
        if data.flags & END_STREAM != 0 {
            break;
        }
    }
    assert_eq!(body, b"finished");
    assert!(client.patiently_until(DATA).await.is_none(), "closed");
}
