use std::sync::Arc;

use http::{Request, StatusCode};
use proptest::prelude::*;

use super::{HostRules, admit};
use crate::server::framing::Framing;
use crate::server::routes::OpenEnds;

fn status(request: http::request::Builder) -> Option<StatusCode> {
    let (head, ()) = request.body(()).unwrap().into_parts();
    let hosts = HostRules::new(["gw.example.com:443".to_owned(), "localhost:9420".to_owned()]);
    let open_ends = OpenEnds::of(&["/v1/models/"]);
    let refused = admit(&Arc::new(head), Framing::Single, &hosts, &open_ends).err();
    refused.map(|rejection| rejection.kind.status())
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

/// Ids of models hold slashes, and what is sent to one place decoded and to another not names one model.
#[test]
fn a_value_at_the_end_may_hold_slashes() {
    for good in ["/v1/models/a/b", "/v1/models/a%2Fb", "/v1/models/a%2fb/c%3A1", "/v1/models/a%20b"] {
        assert_eq!(status(get(good)), None, "{good}");
    }
    for bad in [
        "/v1/models/a%2F%2Fb",
        "/v1/models/a%2F..%2Fb",
        "/v1/models/..%2fb",
        "/v1/models/a%2F.",
        "/v1/models/a%2F/b",
        "/v1/models/a%5Cb",
        "/v1/models/a%252Fb",
        "/v1/models/%2e%2e",
        "/v1%2Fmodels/a",
        "/v1/models%2Fa",
        "/v1/other/a%2Fb",
    ] {
        assert_eq!(status(get(bad)), Some(StatusCode::BAD_REQUEST), "{bad}");
    }
}

/// The value may be a secret; the name tells what to shorten.
#[test]
fn the_field_that_is_too_large_is_named() {
    let detail = |request: http::request::Builder| {
        let (head, ()) = request.body(()).unwrap().into_parts();
        super::header_sizes(&head.headers).unwrap_err().internal.unwrap()
    };
    let wide = get("/mcp").header("x-small", "y").header("cookie", "y".repeat(16_400));
    assert_eq!(detail(wide), "cookie has 16406 bytes");
    let all = (0..3).fold(get("/mcp"), |request, n| request.header(format!("x-{n}"), "y".repeat(11_000 + n)));
    assert_eq!(detail(all), "33030 bytes, of which x-2 has 11005");
    let many = (0..100).fold(get("/mcp"), |request, n| request.header(format!("x-{n}"), "1"));
    assert_eq!(detail(many), "101 fields");
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
            let hosts = HostRules::new(["gw.example.com".to_owned()]);
            if admit(&head, Framing::Single, &hosts, &OpenEnds::default()).is_ok() {
                let url = url::Url::parse(&format!("http://gw.example.com{path}")).unwrap();
                prop_assert_eq!(url.path(), head.uri.path());
            }
        }
    }
}
