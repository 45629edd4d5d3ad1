//! The end of a listener: nobody new, and time for those who are inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use gatehouse_edge::server::body::{Body, BodyError};
use gatehouse_edge::server::routes::Route;
use gatehouse_edge::server::{Drain, ListenerLimits};
use gatehouse_testkit::eventually::until;

use crate::house::{House, Plan, TEAM_KEY, Verified, plain, text};
use crate::peer::{LONG, get, request, until_closed};

/// An event at once, and a second when `gate` opens.
fn event_stream(gate: Arc<Semaphore>) -> Response<Body> {
    let frames = unfold((gate, 0), |(gate, sent)| async move {
        let event = match sent {
            0 => "data: begun\n\n",
            1 => {
                let _turn = gate.acquire().await;
                "data: finished\n\n"
            }
            _ => return None,
        };
        Some((Ok::<_, BodyError>(Frame::data(Bytes::from(event))), (Arc::clone(&gate), sent + 1)))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// Handlers that wait until they are told.
struct Waiting {
    house: House,
    inside: Arc<AtomicUsize>,
    go: Arc<Semaphore>,
}

impl Waiting {
    async fn with_drain(drain: Drain) -> Self {
        let (inside, go) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
        let (count, gate, tap) = (Arc::clone(&inside), Arc::clone(&go), Arc::clone(&go));
        let limits =
            ListenerLimits { header_read_timeout: Duration::from_secs(10), drain, ..Plan::default().limits };
        let house = House::with(Plan { limits, ..Plan::default() }, move |site| {
            let wait = site.guarded("/wait", Method::GET, move |_body, _context: Verified| {
                count.fetch_add(1, Ordering::SeqCst);
                let gate = Arc::clone(&gate);
                async move {
                    let _turn = gate.acquire().await;
                    text("finished")
                }
            });
            let open =
                Route::public("open", Method::GET, "/", plain, |_body, _context| async { text("here") });
            let events = Route::public("events", Method::GET, "/events", plain, move |_body, _context| {
                let gate = Arc::clone(&tap);
                async move { Ok(event_stream(gate)) }
            });
            vec![wait, open, events]
        })
        .await;
        Self { house, inside, go }
    }

    /// A client whose request is inside.
    async fn enter(&self) -> TcpStream {
        let before = self.inside.load(Ordering::SeqCst);
        let mut stream = TcpStream::connect(self.house.address()).await.unwrap();
        let own = self.house.address();
        let head = format!("GET /wait HTTP/1.1\r\nhost: {own}\r\nx-api-key: {TEAM_KEY}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let entered = || self.inside.load(Ordering::SeqCst) > before;
        until(entered, || "the handler to run".to_owned()).await;
        stream
    }

    /// Waits until nobody is let in any more.
    async fn is_closed(&self) {
        for _ in 0..400 {
            match TcpStream::connect(self.house.address()).await {
                Err(_) => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        panic!("the listener still accepts");
    }
}

#[tokio::test]
async fn those_inside_finish_and_nobody_new_comes_in() {
    let mut waiting = Waiting::with_drain(Drain::within(LONG)).await;
    let (one, two) = (waiting.enter().await, waiting.enter().await);
    let mut idle = TcpStream::connect(waiting.house.address()).await.unwrap();
    let own = waiting.house.address();
    idle.write_all(format!("GET / HTTP/1.1\r\nhost: {own}\r\n\r\n").as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    assert!(timeout(LONG, idle.read(&mut buffer)).await.unwrap().unwrap() > 0);

    waiting.house.stop.cancel();
    waiting.is_closed().await;
    let rest = timeout(LONG, idle.read(&mut buffer)).await.unwrap();
    assert_eq!(rest.unwrap_or(0), 0, "a connection without request is closed at once");
    assert!(!waiting.house.served.is_finished(), "it waits for those inside");
    waiting.go.add_permits(2);
    for stream in [one, two] {
        let answer = until_closed(stream).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "finished"));
        assert_eq!(answer.header("connection"), "close", "{answer:?}");
    }
    let cut = timeout(LONG, &mut waiting.house.served).await.unwrap().unwrap();
    assert_eq!(cut, 0);
    assert_eq!(waiting.house.records.at_least(2).await.len(), 2);
}

#[tokio::test]
async fn those_who_take_too_long_are_cut_and_counted() {
    let mut waiting = Waiting::with_drain(Drain::within(Duration::from_millis(300))).await;
    let (one, two) = (waiting.enter().await, waiting.enter().await);
    waiting.house.stop.cancel();
    let cut = timeout(LONG, &mut waiting.house.served).await.unwrap().unwrap();
    assert_eq!(cut, 2);
    for stream in [one, two] {
        assert_eq!(until_closed(stream).await.status, 0);
    }
    for record in waiting.house.records.at_least(2).await {
        assert_eq!(record["reason"], "gateway_stopping", "what was cut is recorded: {record}");
    }
}

/// What the second signal does: nobody waits any more for what the listener serves.
#[tokio::test]
async fn those_who_are_given_up_with_their_listener_did_not_leave() {
    let waiting = Waiting::with_drain(Drain::within(LONG)).await;
    let (one, two) = (waiting.enter().await, waiting.enter().await);
    waiting.house.stop.cancel();
    waiting.is_closed().await;
    waiting.house.served.abort();
    for stream in [one, two] {
        assert_eq!(until_closed(stream).await.status, 0);
    }
    for record in waiting.house.records.at_least(2).await {
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("error"), &json!("gateway_stopping")));
    }
}

#[tokio::test]
async fn those_who_leave_during_the_drain_are_not_said_to_be_cut() {
    let mut waiting = Waiting::with_drain(Drain::within(LONG)).await;
    let (leaving, staying) = (waiting.enter().await, waiting.enter().await);
    waiting.house.stop.cancel();
    waiting.is_closed().await;
    drop(leaving);
    assert_eq!(waiting.house.records.only().await["reason"], "client_gone");
    waiting.go.add_permits(1);
    assert_eq!(until_closed(staying).await.status, 200);
    assert_eq!(timeout(LONG, &mut waiting.house.served).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn event_streams_go_on_when_requests_are_cut() {
    let drain = Drain { requests: Duration::from_millis(300), streams: LONG };
    let mut waiting = Waiting::with_drain(drain).await;
    let request = waiting.enter().await;
    let mut stream = TcpStream::connect(waiting.house.address()).await.unwrap();
    let own = waiting.house.address();
    stream.write_all(format!("GET /events HTTP/1.1\r\nhost: {own}\r\n\r\n").as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    let begun = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
    assert!(buffer[..begun].starts_with(b"HTTP/1.1 200 "));

    waiting.house.stop.cancel();
    assert_eq!(until_closed(request).await.status, 0, "a request has its time");
    assert!(!waiting.house.served.is_finished(), "a stream has more");
    waiting.go.add_permits(1);
    let mut rest = String::new();
    timeout(LONG, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.contains("data: finished"), "{rest}");
    let cut = timeout(LONG, &mut waiting.house.served).await.unwrap().unwrap();
    assert_eq!(cut, 1);
}

#[tokio::test]
async fn an_idle_listener_stops_at_once() {
    let mut waiting = Waiting::with_drain(Drain::within(LONG)).await;
    assert_eq!(get(waiting.house.address(), "/", &[]).await.text, "here");
    let half = {
        let mut stream = TcpStream::connect(waiting.house.address()).await.unwrap();
        let head = request(waiting.house.address(), "GET /", &[], "");
        stream.write_all(&head.as_bytes()[..10]).await.unwrap();
        stream
    };
    waiting.house.stop.cancel();
    let stopped = timeout(Duration::from_secs(12), &mut waiting.house.served).await;
    assert_eq!(stopped.unwrap().unwrap(), 0, "half a head is no reason to wait");
    drop(half);
}
