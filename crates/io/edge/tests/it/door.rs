//! The door: the order of its checks, what it survives, and the one record that every request leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use gatehouse_audit::event::EventKind;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::body::{self, Body};
use gatehouse_edge::server::routes::{Origins, Route};
use gatehouse_testkit::eventually::until;

use crate::house::{House, Public, Site, TEAM_KEY, Verified, plain, text};
use crate::peer::{Answer, LONG, ask, get, request};

fn guarded(site: &Site) -> Vec<Route> {
    let inside = site.guarded("/in", Method::GET, |_body, context: Verified| async move {
        text(context.who.caller().principal.subject().to_string())
    });
    let fails = site.guarded("/fails", Method::GET, |_body, _context: Verified| async {
        Err(Rejection::internal("it_broke", "the secret story"))
    });
    let refuses = site.guarded("/refuses", Method::GET, |_body, _context: Verified| async {
        Err(Rejection::new(RejectionKind::Forbidden, "not_you", "Not you.").because("the secret story"))
    });
    let panics = site.guarded("/panics", Method::GET, |_body, context: Verified| async move {
        assert!(context.head.uri.path().is_empty(), "the secret story");
        text("")
    });
    vec![inside, fails, refuses, panics]
}

fn keyed(house: &House, path: &str) -> impl Future<Output = crate::peer::Answer> {
    let address = house.address();
    let path = path.to_owned();
    async move { get(address, &path, &[("x-api-key", TEAM_KEY)]).await }
}

fn facts(record: &Value) -> (&str, &str, &str, u64) {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let status = record.pointer("/result/status").and_then(Value::as_u64).unwrap_or(0);
    (text("/event"), text("/outcome"), text("/reason"), status)
}

#[tokio::test]
async fn every_end_of_a_request_leaves_exactly_one_record() {
    for (path, key, expected) in [
        ("/in", TEAM_KEY, ("tool.call", "allow", "", 200)),
        ("/fails", TEAM_KEY, ("tool.call", "error", "it_broke", 500)),
        ("/refuses", TEAM_KEY, ("tool.call", "deny", "not_you", 403)),
        ("/panics", TEAM_KEY, ("tool.call", "error", "handler_panicked", 500)),
        ("/in", "gwk_wrong", ("credential.refused", "deny", "key_refused", 401)),
    ] {
        let house = House::open(guarded).await;
        let answer = get(house.address(), path, &[("x-api-key", key)]).await;
        let record = house.records.only().await;
        assert_eq!(facts(&record), expected, "{path}");
        assert_eq!(u64::from(answer.status), expected.3, "{path}");
        assert!(!answer.text.contains("secret"), "{answer:?}");
        assert_eq!(record["request"]["id"], answer.header("request-id"), "{record}");
        assert!(!record.to_string().contains(key), "{record}");
        if expected.1 == "allow" {
            assert_eq!(record["result"]["bytes"], answer.text.len(), "{record}");
        }
    }
}

#[tokio::test]
async fn a_panic_is_answered_in_the_dialect_and_others_go_on() {
    let house = House::open(guarded).await;
    let (broken, fine) = tokio::join!(keyed(&house, "/panics"), keyed(&house, "/in"));
    assert_eq!((broken.verdict(), fine.status), ((500, "handler_panicked"), 200));
    assert!(broken.text.starts_with("plain: "), "{broken:?}");
    assert_eq!(keyed(&house, "/in").await.status, 200);
    // The connection that met the panic serves on.
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    for (path, expected) in [("/panics", "500"), ("/in", "200")] {
        let own = house.address();
        let head = format!("GET {path} HTTP/1.1\r\nhost: {own}\r\nx-api-key: {TEAM_KEY}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let read = timeout(LONG, stream.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
    }
}

#[tokio::test]
async fn the_first_check_that_fails_decides() {
    let house = House::open(|site| {
        let mut all = guarded(site);
        all.push(site.guarded("/post", Method::POST, |_body, _context: Verified| async { text("") }));
        all
    })
    .await;
    let evil = ("origin", "https://evil.example");
    let (bad_key, good_key) = (("x-api-key", "gwk_wrong"), ("x-api-key", TEAM_KEY));
    for (path, headers, expected) in [
        ("/in", vec![("host", "evil.example"), evil, bad_key], (421, "host_unknown")),
        ("/nowhere", vec![evil, bad_key], (404, "route_unknown")),
        ("/post", vec![evil, bad_key], (405, "method_not_allowed")),
        ("/in", vec![evil, bad_key], (403, "origin_unlisted")),
        ("/in", vec![evil, good_key], (403, "origin_unlisted")),
        ("/in", vec![("origin", "null"), good_key], (403, "origin_unlisted")),
        ("/refuses", vec![bad_key], (401, "key_refused")),
        ("/refuses", vec![good_key], (403, "not_you")),
    ] {
        let answer = get(house.address(), path, &headers).await;
        assert_eq!(answer.verdict(), expected, "{path} {headers:?}");
    }
    house.records.fill(true);
    for (headers, expected) in [
        (vec![evil, bad_key], (403, "origin_unlisted")),
        (vec![bad_key], (503, "audit_unavailable")),
        (vec![good_key], (503, "audit_unavailable")),
    ] {
        assert_eq!(get(house.address(), "/in", &headers).await.verdict(), expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_refused_page_leaves_a_record_on_routes_that_leave_records() {
    let house = House::open(guarded).await;
    get(house.address(), "/in", &[("x-api-key", TEAM_KEY), ("origin", "https://evil.example")]).await;
    let record = house.records.only().await;
    assert_eq!(facts(&record), ("credential.refused", "deny", "origin_unlisted", 403));
}

/// Without room in the spool no handler runs, and nothing says that it did.
#[tokio::test]
async fn a_full_spool_closes_the_door() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let house = House::open(move |site| {
        let protected = {
            let counted = Arc::clone(&counted);
            site.guarded("/in", Method::GET, move |_body, _context: Verified| {
                counted.fetch_add(1, Ordering::SeqCst);
                async { text("") }
            })
        };
        let recorded = {
            let counted = Arc::clone(&counted);
            Route::public("token", Method::GET, "/token", plain, move |_body, _context| {
                counted.fetch_add(1, Ordering::SeqCst);
                async { text("") }
            })
            .with_audit(EventKind::TokenIssue)
        };
        let open =
            Route::public("open", Method::GET, "/open", plain, |_body, _context| async { text("open") });
        vec![protected, recorded, open]
    })
    .await;
    house.records.fill(true);
    for path in ["/in", "/token"] {
        let answer = keyed(&house, path).await;
        assert_eq!(
            (answer.verdict(), answer.header("retry-after")),
            ((503, "audit_unavailable"), "1"),
            "{path}"
        );
    }
    assert_eq!(keyed(&house, "/open").await.text, "open", "what leaves no record goes on");
    assert_eq!((runs.load(Ordering::SeqCst), house.records.all().len()), (0, 0));
    house.records.fill(false);
    assert_eq!(keyed(&house, "/in").await.status, 200);
}

/// `audit.onBlocked.timeout` is 300 ms here: nobody waits longer for a medium that does not answer.
#[tokio::test]
async fn a_record_that_does_not_become_durable_fails_what_it_describes() {
    let house = House::open(|_site| {
        let issue =
            Route::public("issue", Method::GET, "/issue", plain, |_body, context: Public| async move {
                context.audit.as_ref().unwrap().commit().await?;
                text("acknowledged")
            });
        vec![issue.with_audit(EventKind::TokenIssue)]
    })
    .await;
    house.records.stick(true);
    let answer = timeout(LONG, get(house.address(), "/issue", &[])).await.unwrap();
    assert_eq!(answer.verdict(), (503, "audit_unavailable"), "{answer:?}");
    house.records.stick(false);
    assert_eq!(get(house.address(), "/issue", &[]).await.text, "acknowledged");
    let records = house.records.at_least(1).await;
    assert_eq!(facts(&records[0]).1, "allow", "written before the answer, and not again at its end");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(house.records.all().len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_is_recorded_as_gone() {
    let began = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&began);
    let house = House::open(move |site| {
        vec![site.guarded("/in", Method::GET, move |_body, _context: Verified| {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                std::future::pending::<()>().await;
                text("")
            }
        })]
    })
    .await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let head = request(house.address(), "GET /in", &[("x-api-key", TEAM_KEY)], "");
    stream.write_all(head.as_bytes()).await.unwrap();
    until(|| began.load(Ordering::SeqCst) == 1, || "the handler to run".to_owned()).await;
    assert!(house.records.all().is_empty());
    drop(stream);
    let record = house.records.only().await;
    assert_eq!(facts(&record), ("tool.call", "error", "client_gone", 0));
    assert_eq!(record["actor"]["sub"], "team", "{record}");
}

/// The record of a stream is written at its last byte, with all that was sent, and not before.
#[tokio::test]
async fn the_record_of_a_stream_waits_for_its_end() {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let receive = Arc::new(std::sync::Mutex::new(Some(receive)));
    let house = House::open(move |site| {
        vec![site.guarded("/stream", Method::GET, move |_body, _context: Verified| {
            let receive = receive.lock().unwrap().take().unwrap();
            async move {
                let frames = futures_util::stream::unfold(receive, |mut receive| async move {
                    let piece = receive.recv().await?;
                    Some((Ok::<_, body::BodyError>(Frame::data(Bytes::from(piece))), receive))
                });
                let stream: Body = StreamBody::new(frames).boxed_unsync();
                Ok(Response::new(stream))
            }
        })]
    })
    .await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let head = request(house.address(), "GET /stream", &[("x-api-key", TEAM_KEY)], "");
    stream.write_all(head.as_bytes()).await.unwrap();
    send.send("first").unwrap();
    let mut read = String::new();
    let mut buffer = [0; 1024];
    while !read.contains("first") {
        let count = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
        read.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert!(house.records.all().is_empty(), "the stream goes on");
    send.send("-last").unwrap();
    drop(send);
    let record = house.records.only().await;
    assert_eq!(facts(&record), ("tool.call", "allow", "", 200));
    assert_eq!(record["result"]["bytes"], "first-last".len());
}

#[tokio::test]
async fn pages_are_let_in_by_list_and_told_so() {
    let house = House::open(|site| {
        let mut all = guarded(site);
        let any = Route::public("any", Method::GET, "/any", plain, |_body, _context| async { text("all") });
        let pages =
            Route::public("page", Method::GET, "/page", plain, |_body, _context| async { text("us") });
        all.extend([any.with_origins(Origins::Any), pages]);
        all
    })
    .await;
    let address = house.address();
    for (path, origin, status, allowed) in [
        ("/in", "https://page.example", 200, "https://page.example"),
        ("/in", "https://page.example.evil", 403, ""),
        ("/in", "http://page.example", 403, ""),
        ("/any", "https://evil.example", 200, "*"),
        ("/page", "https://evil.example", 200, ""),
    ] {
        let answer = get(address, path, &[("origin", origin), ("x-api-key", TEAM_KEY)]).await;
        let told = (answer.status, answer.header("access-control-allow-origin"));
        assert_eq!(told, (status, allowed), "{path} for {origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), "", "never with cookies");
    }
    for (path, origin, method, status, allowed) in [
        ("/in", "https://page.example", "GET", 204, "https://page.example"),
        ("/in", "https://evil.example", "GET", 405, ""),
        ("/in", "https://page.example", "DELETE", 405, "https://page.example"),
        ("/any", "https://evil.example", "GET", 204, "*"),
        ("/page", "https://page.example", "GET", 405, ""),
    ] {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", "authorization, mcp-method"),
        ];
        let answer = ask(address, &format!("OPTIONS {path}"), &headers, "").await;
        let told = (answer.status, answer.header("access-control-allow-origin"));
        assert_eq!(told, (status, allowed), "{method} {path} for {origin}");
        if status == 204 {
            assert_eq!(answer.header("access-control-allow-headers"), "authorization, mcp-method");
            assert_eq!(answer.header("access-control-allow-methods"), method);
        }
    }
}

/// A page that may call reads why it was refused, wherever that happens: without leave to read, a browser tells its
/// page of any answer that the network failed.
#[tokio::test]
async fn pages_that_are_let_in_may_read_refusals() {
    let house = House::open(guarded).await;
    let address = house.address();
    let (listed, other) = ("https://page.example", "https://evil.example");
    for (line, headers, status) in [
        ("GET /in", vec![], 401),
        ("GET /in", vec![("x-api-key", "gwk_wrong")], 401),
        ("POST /in", vec![("x-api-key", TEAM_KEY)], 405),
        ("GET /.well-known/oauth-authorization-server/in", vec![], 404),
    ] {
        let answer = ask(address, line, &[headers.clone(), vec![("origin", listed)]].concat(), "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, listed), "{line}");
        let exposed = answer.header("access-control-expose-headers");
        assert!(["www-authenticate", "mcp-session-id"].iter().all(|name| exposed.contains(name)), "{line}");
        let answer = ask(address, line, &[headers, vec![("origin", other)]].concat(), "").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{line}");
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let house = House::open(guarded).await;
    let answer = ask(house.address(), "HEAD /in", &[("x-api-key", TEAM_KEY)], "").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(ask(house.address(), "HEAD /in", &[], "").await.status, 401);
    assert_eq!(house.records.at_least(2).await.len(), 2);
}

/// A request keeps the configuration that it entered with.
#[tokio::test]
async fn another_configuration_counts_for_the_requests_after_it() {
    let house = House::open(guarded).await;
    assert_eq!(keyed(&house, "/in").await.text, "team");
    let site = &house.site;
    let routes = vec![site.guarded("/in", Method::GET, |_body, _context: Verified| async { text("new") })];
    house.door.replace(gatehouse_edge::door::ActiveConfig {
        snapshot: Arc::clone(&site.snapshot),
        routes: gatehouse_edge::server::routes::RouteTable::build(routes, Vec::new(), plain).unwrap(),
        hosts: gatehouse_edge::server::admission::HostRules::new([site.address.to_string()]),
        origins: gatehouse_edge::door::OriginRules::new([]),
        proxies: gatehouse_edge::server::address::TrustedProxies::new(Vec::new()),
    });
    assert_eq!(keyed(&house, "/in").await.text, "new");
    assert_eq!(keyed(&house, "/fails").await.status, 404);
}

/// Whatever is answered: a browser that came by https once comes by https from then on.
#[tokio::test]
async fn where_clients_come_by_https_every_answer_says_so() {
    let house = House::open(guarded).await;
    let strict = |answer: &Answer| answer.header("strict-transport-security").to_owned();
    assert_eq!(strict(&keyed(&house, "/in").await), "", "not where plain http is what is meant");
    let site = &house.site;
    let routes = vec![site.guarded("/in", Method::GET, |_body, _context: Verified| async { text("in") })];
    let hosts = gatehouse_edge::server::admission::HostRules::new([site.address.to_string()]);
    house.door.replace(gatehouse_edge::door::ActiveConfig {
        snapshot: Arc::clone(&site.snapshot),
        routes: gatehouse_edge::server::routes::RouteTable::build(routes, Vec::new(), plain).unwrap(),
        hosts: hosts.by_https_only(),
        origins: gatehouse_edge::door::OriginRules::new(["https://page.example".to_owned()]),
        proxies: gatehouse_edge::server::address::TrustedProxies::new(Vec::new()),
    });
    let address = house.address();
    let preflight = [("origin", "https://page.example"), ("access-control-request-method", "GET")];
    for (answer, status) in [
        (keyed(&house, "/in").await, 200),
        (get(address, "/in", &[]).await, 401),
        (get(address, "/nowhere", &[]).await, 404),
        (ask(address, "POST /in", &[], "").await, 405),
        (ask(address, "HEAD /in", &[("x-api-key", TEAM_KEY)], "").await, 200),
        (ask(address, "OPTIONS /in", &preflight, "").await, 204),
        (get(address, "/in", &[("x_odd", "a")]).await, 400),
        (get(address, "/in", &[("host", "evil.example")]).await, 421),
    ] {
        assert_eq!((answer.status, strict(&answer).as_str()), (status, "max-age=31536000"), "{answer:?}");
    }
}
