use std::sync::Arc;

use gatehouse_policy::{Decision, DenyReason, Outcome};
use http::Request;
use http::header::{HeaderName, HeaderValue};

use crate::context::Head;

use super::{HeaderFields, Readable, denial};

#[test]
fn the_log_line_of_a_denial_names_the_policy_and_what_it_says_inside() {
    let detail = |internal: Option<&str>| {
        let decision = Decision {
            outcome: Outcome::Deny(DenyReason::Rule),
            policy: "finance-only".to_owned(),
            internal_message: internal.map(str::to_owned),
            external_message: None,
        };
        denial(decision, DenyReason::Rule).internal
    };
    let named = Some(r#"policy "finance-only""#.to_owned());
    assert_eq!(detail(None), named);
    assert_eq!(detail(Some("")), named);
    assert_eq!(detail(Some("not in finance")), Some(r#"policy "finance-only": not in finance"#.to_owned()));
}

#[test]
fn no_header_is_invisible_to_policies() {
    let mut parts = Request::new(()).into_parts().0;
    for (name, value) in [
        ("x-text", &b"plain"[..]),
        ("x-utf8", "Zoë".as_bytes()),
        ("x-latin1", b"Zo\xeb"),
        ("x-latin1", b"\xff"),
        ("x-tab", b"a\tb"),
        ("x-empty", b""),
    ] {
        parts.headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
    }
    let mut seen = Vec::new();
    let head = Head::admit(Arc::new(parts)).unwrap();
    Readable(&head).each(&mut |name, value| seen.push((name.to_owned(), value.to_owned())));
    seen.sort_unstable();
    let expected = [
        ("x-empty", ""),
        ("x-latin1", "Zo\u{fffd}"),
        ("x-latin1", "\u{fffd}"),
        ("x-tab", "a\tb"),
        ("x-text", "plain"),
        ("x-utf8", "Zoë"),
    ];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
