//! Which requests get in: Host, names, methods, who the client is.

use http::Method;

use gatehouse_edge::context::Single;
use gatehouse_edge::server::routes::Route;

use gatehouse_testkit::log_capture::{Line, LogCapture};

use crate::house::{House, Plan, Site, Verified, plain, text};
use crate::peer::{ask, get, raw};

/// `/who` says who is calling from where; `/guarded` needs a credential.
fn routes(site: &Site) -> Vec<Route> {
    let who =
        Route::public("who", Method::GET, "/who", plain, |_body, context: crate::house::Public| async move {
            text(format!("{} {}", context.source.ip, context.source.peer_ip))
        });
    let guarded = site.guarded("/guarded", Method::GET, |_body, _context: Verified| async { text("in") });
    vec![who, guarded]
}

#[tokio::test]
async fn the_host_must_be_ours_and_be_named_once() {
    let house = House::open(routes).await;
    let own = house.address().to_string();
    for (host, expected) in [
        (own.as_str(), 200),
        ("gw.example", 200),
        ("GW.EXAMPLE", 200),
        ("gw.example:81", 421),
        ("gw.example.", 421),
        ("evil.example", 421),
        ("127.0.0.1", 421),
        ("gw.example/who", 400),
        ("gw.example?", 400),
        ("gw.example#", 400),
        ("user@gw.example", 400),
        ("", 400),
    ] {
        let answer = get(house.address(), "/who", &[("host", host)]).await;
        assert_eq!(answer.status, expected, "{host:?}: {answer:?}");
    }
    let address = house.address();
    for (bytes, expected) in [
        ("GET /who HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), 400),
        (format!("GET /who HTTP/1.1\r\nhost: {own}\r\nhost: {own}\r\nconnection: close\r\n\r\n"), 400),
        (format!("GET /who HTTP/1.1\r\nhost: {own}\r\nhost: evil.example\r\nconnection: close\r\n\r\n"), 400),
        (format!("GET http://evil.example/who HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n"), 400),
        (format!("GET http://{own}/who HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n"), 200),
        ("GET http://evil.example/who HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), 421),
    ] {
        let answer = raw(address, bytes.as_bytes()).await;
        assert_eq!(answer.status, expected, "{bytes:?}: {answer:?}");
    }
}

/// What is refused here is refused before anybody looks at the credential, and whoever the caller is.
#[tokio::test]
async fn odd_requests_are_refused_before_the_credential_is_looked_at() {
    let house = House::open(routes).await;
    let bearer = format!("Bearer {}", house.site.token("ada"));
    let address = house.address();
    for (line, extra, expected) in [
        ("GET /guarded", ("x_user", "root"), (400, "header_underscore")),
        ("CONNECT gw.example:443", ("host", "gw.example:443"), (501, "tunnel_refused")),
        ("GET /x/../guarded", ("x-a", "b"), (400, "path_not_canonical")),
        ("GET //guarded", ("x-a", "b"), (400, "path_not_canonical")),
        ("GET /guarded%2f..", ("x-a", "b"), (400, "path_not_canonical")),
        ("GET /%67uarded", ("x-a", "b"), (404, "route_unknown")),
        ("GET /guarded/", ("x-a", "b"), (404, "route_unknown")),
        ("GET /guarded", ("host", "evil.example"), (421, "host_unknown")),
        ("GET /guarded", ("x-original-url", "/who"), (200, "")),
    ] {
        let answer = ask(address, line, &[("authorization", &bearer), extra], "").await;
        assert_eq!(answer.verdict(), expected, "{line} {extra:?}");
    }
}

/// What is offered need not be taken up (RFC 9110 §7.8): Java's clients offer HTTP/2 on every plain connection.
#[tokio::test]
async fn offers_of_other_protocols_are_answered_in_this_one() {
    let house = House::open(routes).await;
    let bearer = format!("Bearer {}", house.site.token("ada"));
    for (connection, upgrade) in [
        ("close, Upgrade, HTTP2-Settings", "h2c"),
        ("close, upgrade", "websocket"),
        ("close, Upgrade", "TLS/1.0, h2c, IRC/6.9"),
        ("close", "h2c"),
    ] {
        let head = format!(
            "GET /guarded HTTP/1.1\r\nhost: {}\r\nauthorization: {bearer}\r\nconnection: {connection}\r\n\
             upgrade: {upgrade}\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
            house.address()
        );
        let answer = raw(house.address(), head.as_bytes()).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "in"), "{upgrade}: {answer:?}");
        assert_eq!(answer.header("upgrade"), "", "{upgrade}");
    }
}

/// Who takes the first line and who takes the last would see different requests.
#[tokio::test]
async fn what_is_read_once_is_sent_once() {
    let house = House::open(routes).await;
    let address = house.address();
    let own = address.to_string();
    let bearer = format!("Bearer {}", house.site.token("ada"));
    for field in Single::ALL {
        let name = field.name();
        let value = match field {
            Single::Host => own.as_str(),
            Single::ContentLength => "0",
            Single::Expect => "100-continue",
            Single::Origin => "https://page.example",
            Single::Authorization => bearer.as_str(),
            _ => "a",
        };
        let once = get(address, "/who", &[(name, value)]).await;
        assert_eq!(once.status, 200, "{name}: {once:?}");
        for other in [value, "b"] {
            if *field == Single::ContentLength && other == value {
                // The one repetition that says the same to everybody, and that HTTP allows (RFC 9110 §8.6).
                continue;
            }
            let twice = get(address, "/who", &[(name, value), ("x-between", "c"), (name, other)]).await;
            assert_eq!(twice.status, 400, "{name}: {value}, {other}: {twice:?}");
        }
    }
    // Our own page first, somebody else's second.
    let origins = [("origin", "https://page.example"), ("origin", "https://evil.example")];
    let headers = [("authorization", bearer.as_str()), origins[0], origins[1]];
    let answer = get(address, "/guarded", &headers).await;
    assert_eq!(answer.verdict(), (400, "header_repeated"));
    let record = house.records.all().pop().unwrap();
    assert_eq!((&record["event"], &record["reason"]), (&"request.refused".into(), &"header_repeated".into()));
    let lists = [("accept", "text/html"), ("accept", "*/*"), ("cookie", "a=b"), ("cookie", "c=d")];
    assert_eq!(get(address, "/who", &lists).await.status, 200, "lists come in as many lines as they like");
}

#[tokio::test]
async fn only_trusted_proxies_speak_for_others() {
    let trusting = Plan { trusted: vec!["127.0.0.0/8"], ..Plan::default() };
    let behind = House::with(trusting, routes).await;
    let alone = House::open(routes).await;
    for (header, value, client) in [
        ("x-forwarded-for", "203.0.113.7", "203.0.113.7"),
        ("x-forwarded-for", "10.1.2.3, 203.0.113.7, 127.0.0.9", "203.0.113.7"),
        ("x-forwarded-for", "10.1.2.3, unknown", "unknown"),
        ("x-forwarded-for", "::ffff:203.0.113.7", "203.0.113.7"),
        ("forwarded", "for=\"[2607:6bc0::1]:4711\";proto=https", "2607:6bc0::1"),
        ("forwarded", "for=203.0.113.7;host=\"x,for=10.0.0.1\"", "203.0.113.7"),
        ("forwarded", "for=_edge-7", "unknown"),
        ("x-real-ip", "203.0.113.7", "127.0.0.1"),
        ("cf-connecting-ip", "203.0.113.7", "127.0.0.1"),
    ] {
        let answer = get(behind.address(), "/who", &[(header, value)]).await;
        assert_eq!(answer.text, format!("{client} 127.0.0.1"), "{header}: {value}");
        let answer = get(alone.address(), "/who", &[(header, value)]).await;
        assert_eq!(answer.text, "127.0.0.1 127.0.0.1", "{header}: {value}");
    }
    for (header, value) in
        [("x-forwarded-for", "203.0.113.7, not-an-address"), ("forwarded", "for=\"10.1.2.3")]
    {
        let answer = get(behind.address(), "/who", &[(header, value)]).await;
        assert_eq!(answer.verdict(), (400, "client_address_malformed"), "{header}: {value}");
    }
    let record = behind.records.all().pop().unwrap();
    assert_eq!(record["source"]["ip"], "unknown", "nobody knows who that was: {record}");
    let both = [("forwarded", "for=10.1.2.3"), ("x-forwarded-for", "203.0.113.7")];
    let answer = get(behind.address(), "/who", &both).await;
    assert_eq!(answer.verdict(), (400, "client_address_contradictory"));
    assert_eq!(get(alone.address(), "/who", &both).await.status, 200);
}

/// Behind a proxy that nobody named all clients look alike: its operator reads so, once a minute however many requests
/// come.
#[tokio::test]
async fn forwarding_headers_that_do_not_count_are_told_of() {
    let alone = House::open(routes).await;
    let trusting = Plan { trusted: vec!["127.0.0.0/8"], ..Plan::default() };
    let behind = House::with(trusting, routes).await;
    let heard = LogCapture::here();
    let told = || {
        let lines = heard.from_info_up();
        let about = |line: &&Line| line.field("message").starts_with("forwarding header ignored");
        let words =
            |line: &Line| [line.level, line.field("peer.ip"), line.field("header")].map(str::to_owned);
        lines.iter().filter(about).map(words).collect::<Vec<_>>()
    };
    get(alone.address(), "/who", &[("x-real-ip", "203.0.113.7")]).await;
    get(behind.address(), "/who", &[("x-forwarded-for", "203.0.113.7")]).await;
    assert!(told().is_empty());
    for header in ["x-forwarded-for", "forwarded", "x-forwarded-for"] {
        get(alone.address(), "/who", &[(header, "for=203.0.113.7")]).await;
    }
    assert_eq!(told(), [["WARN", "127.0.0.1", "x-forwarded-for"]]);
}

#[tokio::test]
async fn a_path_without_route_is_refused_in_the_words_of_its_prefix() {
    let house = House::open(|site| {
        let mut all = routes(site);
        all.push(Route::public("pot", Method::POST, "/tea/pot", plain, |_body, _context| async { text("") }));
        all
    })
    .await;
    let address = house.address();
    let lost = get(address, "/tea/cup", &[]).await;
    assert_eq!((lost.verdict(), lost.text.as_str()), ((404, "route_unknown"), "short and stout"));
    let lost = get(address, "/teapot", &[]).await;
    assert_eq!((lost.verdict(), lost.text.starts_with("plain: ")), ((404, "route_unknown"), true));
    let other = get(address, "/tea/pot", &[]).await;
    assert_eq!((other.verdict(), other.header("allow")), ((405, "method_not_allowed"), "POST"));
    assert_eq!(other.text, "short and stout");
    for answer in [lost, other] {
        assert!(!answer.header("request-id").is_empty(), "{answer:?}");
    }
    assert!(house.records.all().is_empty(), "paths that nobody serves fill no audit log");
}

/// Chunks are said once, or the connection ends: others may read the end of such a body elsewhere.
#[tokio::test]
async fn transfer_codings_other_than_one_chunked_are_refused_and_close() {
    let house = House::open(routes).await;
    let own = house.address();
    let chunked = "3\r\nabc\r\n0\r\n\r\n";
    for codings in [
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        "transfer-encoding: identity, chunked",
    ] {
        let head = format!("GET /who HTTP/1.1\r\nhost: {own}\r\n{codings}\r\n\r\n");
        // Nobody asked for the connection to end: it ends because of the refusal.
        let answer =
            raw(own, format!("{head}{chunked}GET /who HTTP/1.1\r\nhost: {own}\r\n\r\n").as_bytes()).await;
        assert_eq!(answer.verdict(), (400, "transfer_encoding_unsupported"), "{codings}");
        assert_eq!(answer.header("connection"), "close", "{codings}");
        assert!(!answer.text.contains("HTTP/1.1"), "{codings}: {answer:?}");
    }
    for coding in ["chunked", "Chunked"] {
        let head = format!("GET /who HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n");
        let answer = raw(own, format!("{head}transfer-encoding: {coding}\r\n\r\n{chunked}").as_bytes()).await;
        assert_eq!(answer.status, 200, "{coding}");
    }
}
