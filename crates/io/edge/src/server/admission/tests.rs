use std::sync::Arc;

use http::{Request, StatusCode};
use proptest::prelude::*;

use super::{HostRules, admit};
use crate::server::framing::Framing;

fn status(request: http::request::Builder) -> Option<StatusCode> {
    let (head, ()) = request.body(()).unwrap().into_parts();
    let hosts = HostRules::new(["gw.example.com:443".to_owned(), "localhost:9420".to_owned()]);
    admit(&Arc::new(head), Framing::Single, &hosts).err().map(|rejection| rejection.kind.status())
}

fn get(path: &str) -> http::request::Builder {
    Request::get(path).header("host", "gw.example.com")
}

#[test]
fn known_hosts_in_any_case_and_with_default_port_get_in() {
    for host in ["gw.example.com", "GW.example.com", "gw.example.com:443", "localhost:9420"] {
        assert_eq!(status(Request::get("/mcp").header("host", host)), None, "{host}");
    }
}

#[test]
fn foreign_hosts_are_misdirected() {
    for host in
        ["evil.example", "gw.example.com.evil", "gw.example.com:444", "localhost", "127.0.0.1:9420", "[::1]"]
    {
        assert_eq!(
            status(Request::get("/mcp").header("host", host)),
            Some(StatusCode::MISDIRECTED_REQUEST),
            "{host}"
        );
    }
}

#[test]
fn malformed_hosts_are_refused() {
    for host in
        ["", "gw.example.com/x", "gw.example.com?x", "gw.example.com#", "a@gw.example.com", "gw example"]
    {
        assert_eq!(
            status(Request::get("/mcp").header("host", host)),
            Some(StatusCode::BAD_REQUEST),
            "{host:?}"
        );
    }
    assert_eq!(status(Request::get("/mcp")), Some(StatusCode::BAD_REQUEST));
    assert_eq!(status(get("/mcp").header("host", "gw.example.com")), Some(StatusCode::BAD_REQUEST));
    assert_eq!(
        status(Request::get("http://evil.example/mcp").header("host", "gw.example.com")),
        Some(StatusCode::BAD_REQUEST)
    );
}

#[test]
fn only_canonical_paths_get_in() {
    for good in ["/", "/mcp", "/mcp/", "/v1/models/claude-opus%204", "/.well-known/x"] {
        assert_eq!(status(get(good)), None, "{good}");
    }
    for bad in [
        "//mcp",
        "/mcp//x",
        "/a/../mcp",
        "/a/./b",
        "/a/%2e%2e/b",
        "/a%2fb",
        "/a%5cb",
        "/a%00",
        "/a%zz",
        "/a%2",
    ] {
        assert_eq!(status(get(bad)), Some(StatusCode::BAD_REQUEST), "{bad}");
    }
}

#[test]
fn header_limits_and_names() {
    let many = (0..100).fold(get("/mcp"), |request, n| request.header(format!("x-{n}"), "1"));
    assert_eq!(status(many), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    assert_eq!(
        status(get("/mcp").header("x", "y".repeat(17_000))),
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    );
    let wide = (0..3).fold(get("/mcp"), |request, n| request.header(format!("x-{n}"), "y".repeat(12_000)));
    assert_eq!(status(wide), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    assert_eq!(status(get("/mcp").header("x_user", "ada")), Some(StatusCode::BAD_REQUEST));
    assert_eq!(status(get("/mcp").header("upgrade", "websocket")), None);
}

proptest! {
    #[test]
    fn an_admitted_path_is_its_own_normal_form(path in "/[a-z./%25-]{0,20}") {
        if let Ok(request) = get(&path).body(()) {
            let head = Arc::new(request.into_parts().0);
            if admit(&head, Framing::Single, &HostRules::new(["gw.example.com".to_owned()])).is_ok() {
                let url = url::Url::parse(&format!("http://gw.example.com{path}")).unwrap();
                prop_assert_eq!(url.path(), head.uri.path());
            }
        }
    }
}
