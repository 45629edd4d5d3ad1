//! Bytes of bodies are counted for whoever sends them, before they arrive.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use gatehouse_edge::memory::{Memory, MemoryLimits};
use gatehouse_edge::server::body;
use gatehouse_edge::server::routes::Route;

use crate::house::{House, Plan, Public, Site, TEAM_KEY, Verified, plain, text};
use crate::peer::{Answer, LONG, raw};

const KIB: usize = 1024;
/// The largest body.
const LARGEST: usize = 64 * KIB;
/// Room for two of them.
const LIMITS: MemoryLimits = MemoryLimits { total: 1024 * KIB, per_holder: 2 * LARGEST };

/// Anybody may post to `/open`, callers to `/guarded`.
fn routes(site: &Site) -> Vec<Route> {
    let open = Route::public("open", Method::POST, "/open", plain, |body, context: Public| async move {
        text(body::read(&context, body, LARGEST).await?.len().to_string())
    });
    let guarded = site.guarded("/guarded", Method::POST, |body, context: Verified| async move {
        text(body::read(&context, body, LARGEST).await?.len().to_string())
    });
    vec![open, guarded]
}

async fn house() -> (House, Memory) {
    let memory = Memory::new(LIMITS);
    let plan = Plan { memory: memory.clone(), ..Plan::default() };
    (House::with(plan, routes).await, memory)
}

fn head(address: SocketAddr, path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{more}\r\n")
}

/// A request whose body comes as slowly as it may, piece by piece; dropping it ends it.
fn unfinished(address: SocketAddr, path: &str, more: &str, piece: Vec<u8>) -> AbortOnDropHandle<()> {
    let head = head(address, path, more);
    AbortOnDropHandle::new(TaskTracker::new().spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(&piece).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        std::future::pending::<()>().await;
    }))
}

async fn post(address: SocketAddr, path: &str, more: &str) -> Answer {
    let more = format!("{more}content-length: 5\r\n");
    raw(address, format!("{}hello", head(address, path, &more)).as_bytes()).await
}

/// Waits until `bytes` are held.
async fn holds(memory: &Memory, bytes: usize) {
    let held = async {
        while memory.held() != bytes {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(LONG, held).await.is_ok(), "{} bytes are held", memory.held());
}

fn refused(answer: &Answer) -> bool {
    answer.status == 429 && !answer.header("retry-after").is_empty() && answer.text.contains("in flight")
}

#[tokio::test]
async fn a_network_has_its_share_of_bodies_that_have_not_come() {
    let (house, memory) = house().await;
    let address = house.address();
    let declared = format!("content-length: {LARGEST}\r\n");
    let first = unfinished(address, "/open", &declared, vec![b'x'; 600]);
    let second = unfinished(address, "/open", &declared, vec![b'x'; 600]);
    holds(&memory, 2 * LARGEST).await;
    let third = post(address, "/open", "").await;
    assert!(refused(&third), "{third:?}");
    // A caller who is known has an account of its own.
    let known = post(address, "/guarded", &format!("x-api-key: {TEAM_KEY}\r\n")).await;
    assert_eq!((known.status, known.text.as_str()), (200, "5"));
    drop((first, second));
    holds(&memory, 0).await;
    assert_eq!(post(address, "/open", "").await.status, 200);
}

#[tokio::test]
async fn a_caller_has_one_share_over_all_its_credentials_connections_and_lengths() {
    let (house, memory) = house().await;
    let address = house.address();
    let key = format!("x-api-key: {TEAM_KEY}\r\n");
    let declared = format!("{key}content-length: {LARGEST}\r\n");
    let first = unfinished(address, "/guarded", &declared, vec![b'x'; 600]);
    holds(&memory, LARGEST).await;
    // Nobody knows how long this one gets: it is counted as it grows, by what is allocated.
    let chunked = format!("{key}transfer-encoding: chunked\r\n");
    let chunk = [b"258\r\n".as_slice(), &[b'x'; 0x258], b"\r\n"].concat();
    let second = unfinished(address, "/guarded", &chunked, chunk);
    let begun = async {
        while memory.held() <= LARGEST {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, begun).await.unwrap();
    let third = raw(address, head(address, "/guarded", &declared).as_bytes()).await;
    assert!(refused(&third), "{third:?}");
    let stranger = post(address, "/open", "").await;
    assert_eq!(stranger.status, 200);
    drop((first, second));
    holds(&memory, 0).await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_held() {
    let (house, memory) = house().await;
    let address = house.address();
    let large = vec![b'x'; 4 * LARGEST];
    let more = format!("x-api-key: gwk_nobody\r\ncontent-length: {}\r\n", large.len());
    let answer = raw(address, &[head(address, "/guarded", &more).as_bytes(), &large].concat()).await;
    assert_eq!((answer.status, memory.held(), memory.refused()), (401, 0, 0));
}
