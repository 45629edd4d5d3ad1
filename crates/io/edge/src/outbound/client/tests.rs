use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;

use gatehouse_config::snapshot::mcp::{Connection, ListLimits, ProxyUpstream};
use gatehouse_config::snapshot::outbound::Outbound as OutboundRule;

use super::{OutboundRequest, USUAL, UpstreamClient};
use crate::memory::Memory;
use crate::outbound::Outbound;
use crate::permit::Listing;
use crate::server::body;

/// A server that answers every request on every connection, and counts the connections.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                while stream.read(&mut head).is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
                }
            });
        }
    });
    (url, connections)
}

/// How many connections a number of calls takes, one after the other.
async fn connections(client: &UpstreamClient, calls: usize) -> usize {
    let (url, connections) = server();
    let list = ListLimits { bytes: 0, pages: 0 };
    let server = ProxyUpstream { url: url.parse().unwrap(), tls: None, connection: USUAL, list };
    for _ in 0..calls {
        let to = Listing::of_tools(&server, &OutboundRule::Unprotected).destination().unwrap();
        let request = OutboundRequest {
            method: Method::GET,
            path: PathAndQuery::from_static("/"),
            headers: HeaderMap::new(),
            body: body::empty(),
        };
        let response = client.send(&to, request, Duration::from_secs(30)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        // Lets the connection go back to the pool.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    connections.load(Ordering::SeqCst)
}

#[tokio::test]
async fn idle_connections_are_kept_as_configured() {
    let kept = Connection { max_idle: 1, ..USUAL };
    let dropped = Connection { max_idle: 0, ..USUAL };
    let outbound =
        Outbound::new([], Memory::default()).unwrap().with_connections([(None, kept), (None, dropped)]);
    assert!(connections(outbound.upstreams(None, kept), 20).await < 20);
    assert_eq!(connections(outbound.upstreams(None, dropped), 20).await, 20);
}
