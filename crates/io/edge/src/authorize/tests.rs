use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{readable, replaced};

#[test]
fn no_header_is_invisible_to_policies() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-text", &b"plain"[..]),
        ("x-utf8", "Zoë".as_bytes()),
        ("x-latin1", b"Zo\xeb"),
        ("x-latin1", b"\xff"),
        ("x-tab", b"a\tb"),
        ("x-empty", b""),
    ] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
    }
    let replaced = replaced(&headers);
    let mut seen = readable(&headers, &replaced);
    seen.sort_unstable();
    let expected = [
        ("x-empty", ""),
        ("x-latin1", "Zo\u{fffd}"),
        ("x-latin1", "\u{fffd}"),
        ("x-tab", "a\tb"),
        ("x-text", "plain"),
        ("x-utf8", "Zoë"),
    ];
    assert_eq!(seen, expected);
}
