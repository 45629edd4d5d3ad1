use gatehouse_testkit::browser::sign_in;
use gatehouse_testkit::fixture::World;
use gatehouse_testkit::process::HOST;
use gatehouse_testkit::raw_http::{Request, send_bytes};

use super::{Side, assert_untouched, catalogue, in_dialect, methods, send};

#[test]
fn other_methods_and_paths_are_refused_in_the_words_of_the_door() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let entries = catalogue(&world);
    for ((side, path), served) in methods(&entries) {
        let allow = served.iter().copied().collect::<Vec<_>>().join(", ");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"] {
            if served.contains(method) || (method == "HEAD" && served.contains("GET")) {
                continue;
            }
            let response = send(&gateway, side, &Request::new(method, path));
            let what = format!("{method} {path}: {}", response.text());
            assert_eq!((response.status, response.header("allow")), (405, allow.as_str()), "{what}");
            assert!(method == "HEAD" || in_dialect(side, path, &response), "{what}");
        }
        let response = send(&gateway, side, &Request::new("CONNECT", path));
        assert!((400..=501).contains(&response.status), "CONNECT {path}: {}", response.status);
    }
    let below: Vec<(Side, String)> = methods(&entries)
        .keys()
        .filter(|(_, path)| *path != "/")
        .flat_map(|(side, path)| [(*side, format!("{path}-x")), (*side, format!("{path}/x/y"))])
        .filter(|(_, path)| !path.starts_with("/v1/models/"))
        .collect();
    let others = [
        "/nothing",
        "/oauth2",
        "/oauth2/x",
        "/mcp/x",
        "/v1",
        "/v1/x",
        "/api/x",
        "/admin",
        "/config",
        "/metrics",
    ];
    let others = others.iter().map(|path| (Side::Public, (*path).to_owned()));
    let admin = ["/", "/mcp", "/v1/messages", "/oauth2/token", "/metrics", "/config", "/api/v1"];
    let admin = admin.iter().map(|path| (Side::Admin, (*path).to_owned()));
    for (side, path) in below.into_iter().chain(others).chain(admin) {
        for method in ["GET", "POST"] {
            let response = send(&gateway, side, &Request::new(method, &path));
            let what = format!("{method} {path}: {} {}", response.status, response.text());
            assert_eq!(response.status, 404, "{what}");
            assert!(in_dialect(side, &path, &response), "{what}");
        }
    }
    // What is for operators is not for clients.
    for entry in entries.iter().filter(|entry| entry.side == Side::Admin) {
        assert_eq!(gateway.send(&entry.request()).status, 404, "{} on the public listener", entry.path);
    }
    assert_untouched(&world);
}

/// Other ways to write a path that a lenient reader takes for the same.
fn spellings(path: &str) -> Vec<String> {
    let (_, last) = path.rsplit_once('/').unwrap_or_default();
    let first = last.get(..1).unwrap_or_default();
    let rest = last.get(1..).unwrap_or_default();
    let parent = path.strip_suffix(last).unwrap_or_default();
    let code = first.bytes().next().unwrap_or_default();
    let mut all: Vec<String> = [
        "//@",
        "/@",
        "@/",
        "@//",
        "@/.",
        "@/./",
        "@.",
        "@..",
        "@/..",
        "/.@",
        "/./@",
        "/..@",
        "/x/..@",
        "/healthz/..@",
        "/api/hello/..@",
        "/%2e@",
        "/%2e%2e@",
        "/x/%2e%2e@",
        "/%2E%2E%2F@",
        "@%2f",
        "@%2F",
        "@%5c",
        "@\\",
        "\\@",
        "@%00",
        "@%0a",
        "@%20",
        "@;",
        "@;x=y",
        "/;@",
        "@%3f",
        "@%23",
        "@%",
        "@%zz",
        "@%252f",
        "@%ff",
        "/%2f@",
        "@.json",
        "@,",
        "@~",
        "/.well-known/..@",
        "/oauth2/jwks/..;@",
        "@\u{7f}",
        "@%c0%af",
        "@/%c0%ae%c0%ae/",
    ]
    .iter()
    .map(|pattern| {
        let bare = path.strip_prefix('/').unwrap_or_default();
        let slashes = pattern.starts_with('/') || pattern.starts_with('\\');
        pattern.replace('@', if slashes && pattern.ends_with("/@") { bare } else { path })
    })
    .collect();
    all.push(format!("{parent}%{code:02x}{rest}"));
    all.push(format!("{parent}%{code:02X}{rest}"));
    all.push(format!("{parent}%25{code:02x}{rest}"));
    all.push(path.to_uppercase());
    all.push(format!("{parent}{}{rest}", first.to_uppercase()));
    all.retain(|spelling| spelling != path);
    all
}

#[test]
fn no_other_spelling_of_a_path_leads_to_a_protected_handler() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let guest = sign_in(&gateway, &world.public_application(), &world.ada(), &|request| request);
    let entries = catalogue(&world);
    let mut tried = 0;
    for entry in entries.iter().filter(|entry| entry.protected) {
        for spelling in spellings(&entry.path) {
            // The name of a model is a variable: other letters are other models, encoded ones are the same.
            let variable = entry.pattern.contains('{') || spelling.starts_with("/v1/models/");
            for token in [None, Some(guest.access_token.as_str()), Some(world.secrets.api_key.as_str())] {
                let request = Request::new(&entry.method, &spelling);
                let request = token.map_or(request.clone(), |token| request.bearer(token));
                let response = gateway.send(&request);
                tried += 1;
                let what = format!("{} {spelling}: {} {}", entry.method, response.status, response.text());
                let expected: &[u16] = match (variable, token) {
                    (false, _) => &[400, 404, 405],
                    (true, None) => &[400, 401, 404, 405],
                    (true, Some(_)) => &[200, 400, 404, 405],
                };
                assert!(expected.contains(&response.status), "{what}");
            }
        }
    }
    assert!(tried > 1_000, "only {tried} spellings");
    assert_untouched(&world);
}

#[test]
fn a_request_that_two_readers_may_read_differently_goes_nowhere() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let key = &world.secrets.api_key;
    let get = |host: &str| {
        format!("GET /v1/models HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\nConnection: close\r\n\r\n")
    };
    let raw = |head: &str, body: &str| {
        format!("{head}\r\nHost: {HOST}\r\nx-api-key: {key}\r\nConnection: close\r\n{body}")
    };
    let coded = |coding: &str| {
        let body = format!("Transfer-Encoding: {coding}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
        raw("POST /v1/messages HTTP/1.1", &body)
    };
    assert_eq!(send_bytes(gateway.public, get(HOST).as_bytes()).unwrap().status, 200);
    let requests = [
        ("host with a path", get("gw.example.com/healthz"), 400),
        ("host with a query", get("gw.example.com?x"), 400),
        ("host with a fragment", get("gw.example.com#x"), 400),
        ("host with user information", get("ada@gw.example.com"), 400),
        ("host with a space", get("gw.example.com x"), 400),
        ("two hosts in one line", get("gw.example.com, evil.example.com"), 400),
        ("another host", get("evil.example.com"), 421),
        ("a host that ends like ours", get("evil-gw.example.com"), 421),
        ("a host that begins like ours", get("gw.example.com.evil.example.com"), 421),
        ("an address", get("127.0.0.1"), 421),
        ("no host", format!("GET /v1/models HTTP/1.1\r\nx-api-key: {key}\r\nConnection: close\r\n\r\n"), 400),
        ("two hosts", raw("GET /v1/models HTTP/1.1", &format!("Host: {HOST}\r\n\r\n")), 400),
        ("target and host differ", raw("GET http://evil.example.com/v1/models HTTP/1.1", "\r\n"), 400),
        ("an underscore", raw("GET /v1/models HTTP/1.1", "x_api_key: y\r\n\r\n"), 400),
        ("a tunnel", raw(&format!("CONNECT {HOST} HTTP/1.1"), "\r\n"), 501),
        (
            "two lengths",
            raw("POST /v1/messages HTTP/1.1", "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
            400,
        ),
        ("chunks named twice", coded("chunked, identity"), 400),
        ("coded chunks", coded("gzip, chunked"), 400),
        ("chunks of chunks", coded("chunked, chunked"), 400),
        ("a folded line", raw("GET /v1/models HTTP/1.1", "x-a: b\r\n c\r\n\r\n"), 400),
        ("a space before the colon", raw("GET /v1/models HTTP/1.1", "x-a : b\r\n\r\n"), 400),
        ("101 fields", raw("GET /v1/models HTTP/1.1", &("x-a: b\r\n".repeat(101) + "\r\n")), 431),
    ];
    let mut unreadable = Vec::new();
    for (name, request, expected) in requests {
        let response = send_bytes(gateway.public, request.as_bytes());
        let response = response.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(response.status, expected, "{name}: {}", response.text());
        let id = response.header("request-id");
        if id.is_empty() {
            // Not even a request: these bytes could not be read, or not within the limits of the parser.
            unreadable.push(name);
            continue;
        }
        let record = gateway.audited(id).unwrap_or_else(|| panic!("{name} left no record"));
        assert_eq!(
            (&record["event"], &record["outcome"]),
            (&"request.refused".into(), &"deny".into()),
            "{record}"
        );
        assert!(record["reason"].is_string() && record["result"]["status"] == expected, "{name}: {record}");
    }
    assert_untouched(&world);
    let bytes = [
        "host with a space",
        "two lengths",
        "chunks named twice",
        "a folded line",
        "a space before the colon",
        "101 fields",
    ];
    assert!(unreadable.iter().all(|name| bytes.contains(name)), "no request id: {unreadable:?}");
    assert!(!gateway.audit_text().contains(key));
}

/// With a length and chunks, nothing is done and the connection ends: what follows is never a request.
#[test]
fn nothing_is_smuggled_behind_a_body_with_two_lengths() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let key = &world.secrets.api_key;
    let second = format!("GET /v1/models HTTP/1.1\r\nHost: {HOST}\r\nx-api-key: {key}\r\n\r\n");
    let message = r#"{"model":"no-such-model","max_tokens":8,"messages":[{"role":"user","content":"hi"}]}"#;
    let chunks = format!("{:x}\r\n{message}\r\n0\r\n\r\n", message.len());
    let both = format!("Content-Length: {}", chunks.len() + second.len());
    let lengths = [both, "Transfer-Encoding: chunked".to_owned()];
    for lines in [lengths.join("\r\n"), format!("{}\r\n{}", lengths[1], lengths[0])] {
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: {HOST}\r\nx-api-key: {key}\r\n\
             Content-Type: application/json\r\n{lines}\r\n\r\n"
        );
        let response = send_bytes(gateway.public, format!("{head}{chunks}{second}").as_bytes()).unwrap();
        assert_eq!((response.status, response.header("connection")), (400, "close"), "{}", response.text());
        let record = gateway.audited(response.header("request-id")).expect("a record of the refusal");
        assert_eq!(
            (&record["event"], &record["reason"]),
            (&"request.refused".into(), &"body_length_contradictory".into())
        );
        assert!(!response.text().contains("HTTP/1.1"), "two answers: {}", response.text());
    }
    assert_untouched(&world);
}
