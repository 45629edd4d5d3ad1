//! Calls to upstreams: what goes out is what was given, what comes back is what was sent, and no longer than wanted.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use gatehouse_edge::memory::Memory;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::coding::Received;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body;
use gatehouse_testkit::eventually::until;

use crate::peer::{LONG, Peer, Reply, permitted};

/// Sends a request with a permit that needs no policy.
async fn send(
    outbound: &Outbound,
    url: &str,
    headers: &[(&str, &str)],
    first_byte: Duration,
) -> Result<Response<Received>, Rejection> {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (to, request) = permitted(request.body(body::full("payload")).unwrap());
    outbound.egress(None).upstreams.send(&to, request, first_byte).await
}

fn outbound() -> Outbound {
    Outbound::new([], Memory::default()).unwrap()
}

async fn whole(response: Response<Received>) -> Bytes {
    timeout(LONG, response.into_body().collect()).await.unwrap().unwrap().to_bytes()
}

#[tokio::test]
async fn the_upstream_itself_is_asked() {
    let upstream = Peer::start(|_| Reply::json("{\"from\":\"upstream\"}")).await;
    let response = send(&outbound(), &upstream.url("/v1/x?y=z"), &[], LONG).await.unwrap();
    assert_eq!(whole(response).await, "{\"from\":\"upstream\"}");
    let seen = upstream.seen().remove(0);
    assert!(seen.starts_with("POST /v1/x?y=z HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\npayload"), "{seen}");
    assert!(seen.contains(&format!("host: {}\r\n", upstream.address)), "{seen}");
    let names: Vec<_> = seen.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert_eq!(names, ["accept-encoding", "host", "content-length"], "nothing is added of ours but one");
    assert!(
        seen.contains("\r\naccept-encoding: identity\r\n"),
        "what is read here is asked for as it is: {seen}"
    );
}

/// The same again, with proxies in the environment that do not exist.
#[test]
fn ambient_proxies_are_not_read() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "outbound::the_upstream_itself_is_asked"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(name, "http://127.0.0.1:1");
    }
    let output = again.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let trap = Peer::start(|_| Reply::json("{}")).await;
    let location = trap.url("/internal");
    for status in [301, 302, 303, 307, 308] {
        let location = location.clone();
        let upstream = Peer::start(move |_| {
            Reply::Bytes(format!(
                "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            ))
        })
        .await;
        let response = send(&outbound(), &upstream.url("/"), &[], LONG).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert!(trap.seen().is_empty(), "nobody went there");
}

#[tokio::test]
async fn what_belongs_to_one_connection_ends_there_both_ways() {
    let upstream = Peer::start(|_| {
        Reply::Bytes(
            "HTTP/1.1 200 OK\r\nconnection: close, x-internal\r\nkeep-alive: timeout=5\r\nx-internal: 1\r\n\
             proxy-authenticate: Basic\r\nupgrade: h2c\r\ntrailer: x-sum\r\nx-kept: yes\r\n\
             transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
                .to_owned(),
        )
    })
    .await;
    let headers = [
        ("connection", "keep-alive, X-Secret-Hop"),
        ("x-secret-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("upgrade", "websocket"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-connection", "keep-alive"),
        ("x-kept", "yes"),
    ];
    let response = send(&outbound(), &upstream.url("/"), &headers, LONG).await.unwrap();
    let names: Vec<_> = response.headers().keys().map(ToString::to_string).collect();
    assert_eq!(names, ["x-kept"]);
    assert_eq!(whole(response).await, "ok");
    let seen = upstream.seen().remove(0).to_ascii_lowercase();
    for gone in ["x-secret-hop", "keep-alive", "te:", "upgrade", "proxy-"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    assert!(seen.contains("x-kept: yes"), "{seen}");
}

#[tokio::test]
async fn an_upstream_that_is_not_there_or_does_not_answer_is_told_apart() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let absent = send(&outbound(), &format!("http://{address}/"), &[], LONG).await.unwrap_err();
    assert_eq!((absent.reason, absent.kind.status().as_u16()), ("upstream_unreachable", 502));
    assert!(!absent.public.contains(&address.to_string()), "{absent:?}");
    assert!(absent.internal.unwrap().contains(&address.to_string()));

    let silent = Peer::start(|_| Reply::Begin(String::new())).await;
    let late = send(&outbound(), &silent.url("/"), &[], Duration::from_millis(200)).await.unwrap_err();
    assert_eq!((late.reason, late.kind.status().as_u16()), ("upstream_timeout", 504));
    until(|| silent.gone() == 1, || "the upstream to see it".to_owned()).await;

    let rude = Peer::start(|_| Reply::Bytes("what?\r\n\r\n".to_owned())).await;
    let nonsense = send(&outbound(), &rude.url("/"), &[], LONG).await.unwrap_err();
    assert_eq!((nonsense.reason, nonsense.kind.status().as_u16()), ("upstream_unreachable", 502));
}

/// The time limit is for the head: a long answer may take as long as it takes.
#[tokio::test]
async fn the_limit_is_for_the_first_byte_only() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n";
    let upstream = Peer::start(move |_| Reply::Begin(format!("{head}ab"))).await;
    let response = send(&outbound(), &upstream.url("/"), &[], Duration::from_secs(5)).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
    let more = timeout(Duration::from_millis(300), body.frame()).await;
    assert!(more.is_err(), "it waits");
}

#[tokio::test]
async fn whoever_drops_the_call_cancels_it_within_250_ms() {
    let silent = Peer::start(|_| Reply::Begin(String::new())).await;
    let client = outbound();
    let url = silent.url("/");
    let waiting = send(&client, &url, &[], LONG);
    assert!(timeout(Duration::from_millis(300), waiting).await.is_err());
    let dropped = Instant::now();
    until(|| silent.gone() == 1, || "the upstream to see it".to_owned()).await;
    assert!(dropped.elapsed() < Duration::from_millis(250), "{:?}", dropped.elapsed());

    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: ping\r\n\r\n";
    let endless = Peer::start(move |_| Reply::Begin(head.to_owned())).await;
    let response = send(&client, &endless.url("/"), &[], LONG).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(endless.gone(), 0);
    drop(body);
    let dropped = Instant::now();
    until(|| endless.gone() == 1, || "the upstream to see it".to_owned()).await;
    assert!(dropped.elapsed() < Duration::from_millis(250), "{:?}", dropped.elapsed());
}
