//! Where requests end on a connection, when somebody says so twice or oddly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use gatehouse_edge::server::body;
use gatehouse_edge::server::routes::Route;

use crate::house::{House, Public, plain, text};
use crate::peer::{raw, until_closed};

/// A house whose `/` counts and measures what it is sent.
struct Counting {
    house: House,
    admitted: Arc<AtomicUsize>,
}

impl Counting {
    async fn open() -> Self {
        let admitted = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&admitted);
        let house = House::open(move |_site| {
            vec![Route::public("open", Method::POST, "/", plain, move |body, context: Public| {
                count.fetch_add(1, Ordering::SeqCst);
                async move { text(format!("[{}]", body::read(&context, body, 64 * 1024).await?.len())) }
            })]
        })
        .await;
        Self { house, admitted }
    }

    fn post(&self, fields: &str, body: &str) -> String {
        format!("POST / HTTP/1.1\r\nhost: {}\r\n{fields}\r\n{body}", self.house.address())
    }

    fn admitted(&self) -> usize {
        self.admitted.load(Ordering::SeqCst)
    }
}

const CHUNKED: &str = "3\r\nabc\r\n0\r\n\r\n";

#[tokio::test]
async fn a_length_and_chunks_are_refused_in_either_order() {
    let counting = Counting::open().await;
    let second = counting.post("content-length: 1\r\n", "x");
    for fields in [
        "content-length: 13\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 13\r\n",
        "Transfer-Encoding: CHUNKED\r\nx: y\r\nCONTENT-LENGTH:13\r\n",
        "transfer-encoding: chunked\r\ncontent-length: many\r\n",
        "content-length: 3\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n",
        "content-length: 3\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
        "content-length: 99999\r\ntransfer-encoding: chunked\r\n",
    ] {
        let attack = format!("{}{second}", counting.post(fields, CHUNKED));
        let answer = raw(counting.house.address(), attack.as_bytes()).await;
        assert_eq!(answer.verdict(), (400, "body_length_contradictory"), "{fields:?}");
        assert_eq!(answer.header("connection"), "close", "{fields:?}");
        assert!(!answer.text.contains("HTTP/1.1"), "{fields:?}: {answer:?}");
    }
    assert_eq!(counting.admitted(), 0);
    let record = &counting.house.records.at_least(7).await[0];
    let said = (&record["event"], &record["outcome"], &record["reason"]);
    assert_eq!(said, (&"request.refused".into(), &"deny".into(), &"body_length_contradictory".into()));
}

#[tokio::test]
async fn other_odd_framings_are_refused_and_end_the_connection() {
    let counting = Counting::open().await;
    let second = counting.post("content-length: 1\r\n", "x");
    for fields in [
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: \x0bchunked\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        "transfer-encoding : chunked\r\n",
        "x: y\r\n transfer-encoding: chunked\r\n",
        "content-length: 3\r\ncontent-length: 4\r\n",
        "content-length: 3, 3\r\n",
        "content-length: +3\r\n",
        "content-length: 0x3\r\n",
    ] {
        let attack = format!("{}{second}", counting.post(fields, CHUNKED));
        let answer = raw(counting.house.address(), attack.as_bytes()).await;
        assert_eq!(answer.status, 400, "{fields:?}: {answer:?}");
        assert!(!answer.text.contains("HTTP/1.1"), "{fields:?}: {answer:?}");
    }
    for fields in ["transfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\ncontent-length: 3\r\n"] {
        let old = counting.post(fields, CHUNKED).replace("HTTP/1.1", "HTTP/1.0");
        let answer = raw(counting.house.address(), format!("{old}{second}").as_bytes()).await;
        assert_eq!(answer.status, 400, "{fields:?}: {answer:?}");
        assert!(!answer.text.contains("HTTP/1."), "{fields:?}: {answer:?}");
    }
    assert_eq!(counting.admitted(), 0);
}

/// Those in front of a refused request were there first; those behind it never were requests.
#[tokio::test]
async fn what_stands_before_is_answered_and_what_stands_behind_is_not() {
    let counting = Counting::open().await;
    let bait = counting.post("content-length: 3\r\ntransfer-encoding: chunked\r\n", CHUNKED);
    let chunks = format!("{:x};x=y\r\n{bait}\r\n0\r\nx: y\r\n\r\n", bait.len());
    let long = "z".repeat(48 * 1024);
    let legal = [
        counting.post("", ""),
        counting.post(&format!("content-length: {}\r\n", bait.len()), &bait),
        counting.post("transfer-encoding: chunked\r\n", &chunks),
        counting.post(&format!("content-length: {}\r\n", long.len()), &long),
    ];
    let all = format!("{}{bait}{}", legal.concat(), legal.concat());
    let lengths =
        ["[0]", &format!("[{}]", bait.len()), &format!("[{}]", bait.len()), "[49152]"].map(str::to_owned);
    for (round, size) in [all.len(), 1000, 17].into_iter().enumerate() {
        let mut stream = TcpStream::connect(counting.house.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in all.as_bytes().chunks(size) {
            // Refused, it may close before it was sent everything.
            if stream.write_all(piece).await.is_err() {
                break;
            }
            if size < 1000 {
                tokio::task::yield_now().await;
            }
        }
        let answer = until_closed(stream).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut rest = answer.text.as_str();
        for length in &lengths {
            let (_, behind) =
                rest.split_once(length.as_str()).unwrap_or_else(|| panic!("{length} in {answer:?}"));
            rest = behind;
        }
        assert!(rest.starts_with("HTTP/1.1 400 ") && rest.matches("HTTP/1.1").count() == 1, "{rest}");
        assert!(rest.contains("body_length_contradictory"), "{rest}");
        assert_eq!(counting.admitted(), lengths.len() * (round + 1));
    }
}

/// The next request on a connection is read where the one before it ended.
#[tokio::test]
async fn a_connection_carries_one_request_after_another() {
    let counting = Counting::open().await;
    let mut stream = TcpStream::connect(counting.house.address()).await.unwrap();
    let last = counting.post("connection: close\r\ncontent-length: 2\r\n", "ok");
    let chunked = counting.post("transfer-encoding: chunked\r\n", CHUNKED);
    let sized = counting.post("content-length: 13\r\n", CHUNKED);
    for request in [&chunked, &sized, &chunked, &sized, &last] {
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = until_closed(stream).await;
    assert_eq!(answer.text.matches("HTTP/1.1 200 ").count(), 4, "{answer:?}");
    assert!(answer.text.ends_with("[2]"), "{answer:?}");
    assert_eq!(counting.admitted(), 5);
}
