use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::chunks::{Chunks, Malformed};
use super::{
    Body, Followed, Follower, Framing, LONGEST_HEAD, MAX_HEADER_FIELDS, Place, Requests, Seen, read_head,
};
use crate::server::connections::{ConnectionLimits, Connections};

/// What a body may hold to lead somebody astray.
const BAIT: &str =
    "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";

fn post(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
}

fn followed(fields: &str) -> Option<Body> {
    let head = post(fields);
    let Seen { length, body, .. } = read_head(format!("{head}{BAIT}").as_bytes()).ok()??;
    assert_eq!(length, head.len());
    Some(body)
}

#[test]
fn a_head_says_what_follows() {
    for (fields, expected) in [
        ("", Body::Length(0)),
        ("content-length: 0\r\n", Body::Length(0)),
        ("Content-Length:\t 17 \r\n", Body::Length(17)),
        ("content-length: 017\r\ncontent-length: 17\r\n", Body::Length(17)),
        ("TRANSFER-encoding: Chunked\r\n", Body::Chunks),
        ("content-length: 17\r\ncontent-length: 18\r\n", Body::Refused),
        ("content-length: 17, 17\r\n", Body::Refused),
        ("content-length: +17\r\n", Body::Refused),
        ("content-length:\r\n", Body::Refused),
        ("content-length: 99999999999999999999\r\n", Body::Refused),
        ("transfer-encoding: gzip, chunked\r\n", Body::Refused),
        ("transfer-encoding: chunked, identity\r\n", Body::Refused),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Body::Refused),
        ("transfer-encoding: \"chunked\"\r\n", Body::Refused),
        ("content-length: 17\r\nx: y\r\ntransfer-encoding: chunked\r\n", Body::Contradictory),
        ("Transfer-Encoding: chunked\r\nx: y\r\nCONTENT-LENGTH: 17\r\n", Body::Contradictory),
        ("transfer-encoding: chunked\r\ncontent-length: none\r\n", Body::Contradictory),
        (
            "transfer-encoding: gzip\r\ncontent-length: 17\r\ntransfer-encoding: chunked\r\n",
            Body::Contradictory,
        ),
        ("x-content-length: 17\r\ntransfer-encodings: chunked\r\n", Body::Length(0)),
    ] {
        assert_eq!(followed(fields), Some(expected), "{fields:?}");
    }
    for fields in
        [" folded: yes\r\n", "x: a\r\n content-length: 17\r\n", "content-length : 17\r\n", "no field\r\n"]
    {
        assert_eq!(followed(fields), None, "{fields:?}");
    }
    assert_eq!(followed(&"x: y\r\n".repeat(MAX_HEADER_FIELDS - 1)), Some(Body::Length(0)));
    assert_eq!(followed(&"x: y\r\n".repeat(MAX_HEADER_FIELDS)), None);
    assert!(read_head(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").is_err(), "HTTP/2 is no head");
}

#[test]
fn a_head_without_end_is_not_kept_for_ever() {
    let mut follower = Follower::new(Requests::new());
    follower.follow(b"GET / HTTP/1.1\r\nx: ").unwrap();
    for _ in 0..LONGEST_HEAD / 1024 {
        follower.follow(&[b'a'; 1024]).unwrap();
    }
    assert!(matches!(follower.at, Place::Beyond));
    assert_eq!(follower.head.capacity(), 0);
}

/// What is told of heads that hyper refuses names what to shorten and shows no value.
#[test]
fn a_head_that_is_too_large_says_what_of_it_is() {
    let refused = |head: &str| {
        let requests = Requests::new();
        let mut follower = Follower::new(Arc::clone(&requests));
        for piece in head.as_bytes().chunks(8192) {
            follower.follow(piece).unwrap();
        }
        follower.give_up_head();
        requests.too_large().map(str::to_owned)
    };
    let secret = "s3cret".repeat(12_000);
    let cookie = format!("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\ncookie: {secret}");
    assert_eq!(refused(&cookie).unwrap(), "cookie has 72008 bytes, of 72039 that came");
    let path = format!("GET /{secret}");
    assert_eq!(refused(&path).unwrap(), "the request line has 72005 bytes, of 72005 that came");
    assert_eq!(refused(&post(&"x: y\r\n".repeat(MAX_HEADER_FIELDS))).unwrap(), "more than 100 fields");
    assert_eq!(refused("GET / HTTP/1.1\r\nhost: a"), None);
    assert_eq!(refused(&post("x: y\r\n")), None);
}

#[test]
fn chunks_end_where_they_say() {
    for (chunks, rest) in [
        ("0\r\n\r\n", ""),
        ("0\r\n\r\nGET", "GET"),
        ("3\r\nabc\r\n0\r\n\r\nrest", "rest"),
        ("00A \t;x=\"\r\n0123456789\r\n0;last\r\nx: y\r\nz:\r\n\r\nrest", "rest"),
    ] {
        assert_eq!(Chunks::default().skip(chunks.as_bytes()), Ok(Some(rest.as_bytes())), "{chunks:?}");
        let unfinished = &chunks.as_bytes()[..chunks.len() - rest.len() - 1];
        assert_eq!(Chunks::default().skip(unfinished), Ok(None), "{chunks:?} but for a byte");
    }
    for chunks in
        ["\r\n", "g\r\n", ";x\r\n", "1 1\r\n", "1\n", "1;\n", "1\r\nab", "1\r\na\n", "0\r\n\ra", "0\r\nx\ra"]
    {
        assert_eq!(Chunks::default().skip(chunks.as_bytes()), Err(Malformed), "{chunks:?}");
    }
    assert_eq!(Chunks::default().skip(b"11112222333344445\r\n"), Err(Malformed), "more than there can be");
}

/// A request as bytes, and how it is framed.
#[derive(Clone, Debug)]
struct Sent(String, Framing);

fn body() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just(BAIT.to_owned()), Just("GET / HTTP".to_owned()), "[ -~\r\n]{0,40}"]
}

/// One body as one to three chunks and their end.
fn chunked() -> impl Strategy<Value = String> {
    let extension = select(vec!["", " ", ";a=b", " ; \"\t"]);
    let trailers = select(vec!["", "x: y\r\n", "content-length: 3\r\ntransfer-encoding: chunked\r\n"]);
    let upper = any::<bool>();
    (vec(body(), 0..3), extension, trailers, upper).prop_map(|(bodies, extension, trailers, upper)| {
        let size = |body: &String| {
            if upper { format!("0{:X}", body.len()) } else { format!("{:x}", body.len()) }
        };
        let bodies = bodies.iter().filter(|body| !body.is_empty());
        let chunks: Vec<_> = bodies.map(|body| format!("{}{extension}\r\n{body}\r\n", size(body))).collect();
        format!("{}0{extension}\r\n{trailers}\r\n", chunks.concat())
    })
}

/// Any legal request, or one of two lengths.
fn sent() -> impl Strategy<Value = Sent> {
    let start = select(vec!["", "\r\n", "\n\r\n"]);
    let length = select(vec!["content-length: ", "Content-Length:", "CONTENT-LENGTH:\t "]);
    let coding = select(vec!["transfer-encoding: chunked", "Transfer-Encoding:\tCHUNKED "]);
    let other =
        select(vec!["", "x: transfer-encoding: chunked\r\n", "expect: 100-continue\r\n", "te: trailers\r\n"]);
    let kind = 0..14_u8;
    (start, length, coding, other, kind, body(), chunked()).prop_map(
        |(start, length, coding, other, kind, body, chunks)| {
            let head = format!("{start}POST / HTTP/1.1\r\n{other}host: a\r\n");
            let length = format!("{length}{}", body.len());
            let (framed, behind, framing) = match kind {
                0..2 => (String::new(), "", Framing::Single),
                2..6 => (format!("{length}\r\n"), body.as_str(), Framing::Single),
                6 => (format!("{length}\r\n{length}\r\n"), body.as_str(), Framing::Single),
                7..12 => (format!("{coding}\r\n"), chunks.as_str(), Framing::Single),
                12 => (format!("{coding}\r\n{length}\r\n"), chunks.as_str(), Framing::Contradictory),
                _ => (format!("{length}\r\n{coding}\r\n"), chunks.as_str(), Framing::Contradictory),
            };
            Sent(format!("{head}{framed}\r\n{behind}"), framing)
        },
    )
}

/// All bytes, cut into pieces.
fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

/// What hyper hands out of what comes in `pieces`, until it closes: how we see the framing, and whether its own view
/// has a length and chunks.
async fn served(pieces: Vec<Vec<u8>>) -> Vec<(Framing, bool, bool)> {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let (mut client, server) = duplex(1 << 20);
    let (requests, log) = (Requests::new(), Arc::clone(&seen));
    let slot = Connections::new(ConnectionLimits::default(), Arc::default());
    let slot = slot.admit([127, 0, 0, 1].into(), false).unwrap();
    let account = (slot.account(), Arc::default());
    let stream = Followed::new(server, Arc::clone(&requests), account, Duration::from_secs(60));
    let service = service_fn(move |request: Request<Incoming>| {
        let has = |name| request.headers().contains_key(name);
        let (_, framing) = requests.begin();
        log.lock().unwrap().push((framing, has(CONTENT_LENGTH), has(TRANSFER_ENCODING)));
        async {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let serving = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service);
    let asking = async {
        for piece in pieces {
            if client.write_all(&piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut Vec::new()).await;
    };
    let _ = tokio::join!(serving, asking);
    seen.lock().unwrap().clone()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

proptest! {
    /// However the bytes are cut, and whatever the bodies hold.
    #[test]
    fn the_first_request_of_two_lengths_is_found(
        sent in vec(sent(), 1..6), cuts in vec(any::<Index>(), 0..20),
    ) {
        let bytes: String = sent.iter().map(|Sent(bytes, _)| bytes.as_str()).collect();
        let requests = Requests::new();
        let mut follower = Follower::new(Arc::clone(&requests));
        for piece in pieces(bytes.as_bytes(), &cuts) {
            follower.follow(piece).unwrap();
        }
        let first = sent.iter().position(|Sent(_, framing)| *framing == Framing::Contradictory);
        for number in 0..sent.len() {
            let expected = first.is_some_and(|first| number >= first);
            let (counted, framing) = requests.begin();
            prop_assert_eq!((counted, framing == Framing::Contradictory), (number as u64, expected));
            prop_assert_eq!(requests.came_whole(counted), !expected, "{}", number);
        }
        if first.is_none() {
            prop_assert!(matches!(follower.at, Place::Head) && follower.head.is_empty(), "out of step");
            prop_assert_eq!(follower.heads, sent.len() as u64);
        }
    }

    /// hyper reads the same requests: it answers all up to the first of two lengths, and none behind it.
    #[test]
    fn hyper_keeps_in_step(sent in vec(sent(), 1..6), cuts in vec(any::<Index>(), 0..20)) {
        let bytes: String = sent.iter().map(|Sent(bytes, _)| bytes.as_str()).collect();
        let pieces = pieces(bytes.as_bytes(), &cuts).into_iter().map(<[u8]>::to_vec).collect();
        let seen: Vec<_> = block_on(served(pieces)).into_iter().map(|(framing, ..)| framing).collect();
        let mut expected: Vec<_> = sent.iter().map(|Sent(_, framing)| *framing).collect();
        if let Some(first) = expected.iter().position(|framing| *framing == Framing::Contradictory) {
            expected.truncate(first + 1);
        }
        prop_assert_eq!(seen, expected);
    }

    /// Bytes that are nearly requests: what is called contradictory has chunks, and a length that hyper has dropped.
    #[test]
    fn no_other_request_is_suspected(
        sent in vec(sent(), 1..6),
        edits in vec((any::<Index>(), select(b"\r\n :;,0123aA\0\x7f\xff".to_vec()), any::<bool>()), 0..4),
        cuts in vec(any::<Index>(), 0..8),
    ) {
        let mut bytes: Vec<u8> = sent.iter().flat_map(|Sent(bytes, _)| bytes.bytes()).collect();
        for (place, byte, replace) in edits {
            let place = place.index(bytes.len());
            if replace { bytes[place] = byte } else { bytes.insert(place, byte) }
        }
        let pieces = pieces(&bytes, &cuts).into_iter().map(<[u8]>::to_vec).collect();
        for (framing, length, chunks) in block_on(served(pieces)) {
            if framing == Framing::Contradictory {
                prop_assert!(chunks && !length);
            }
        }
    }
}
