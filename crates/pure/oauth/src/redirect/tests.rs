use proptest::prelude::*;

use super::*;
use crate::client::fixtures::redirects;

const PUBLIC: ClientKind = ClientKind::Public;

#[test]
fn bytes_decide() {
    let set = redirects(&["https://claude.ai/api/mcp/auth_callback", "https://a.example/cb?x=1"]);
    for good in ["https://claude.ai/api/mcp/auth_callback", "https://a.example/cb?x=1"] {
        assert_eq!(set.matches(good, PUBLIC).unwrap().as_str(), good);
    }
    for bad in [
        "https://claude.ai/api/mcp/auth_callback/",
        "https://claude.ai/api/mcp/auth_callback?",
        "https://claude.ai/api/mcp/auth_callback#",
        "https://claude.ai:443/api/mcp/auth_callback",
        "https://CLAUDE.ai/api/mcp/auth_callback",
        "HTTPS://claude.ai/api/mcp/auth_callback",
        "https://claude.ai/api/mcp/./auth_callback",
        "https://claude.ai/api/x/../mcp/auth_callback",
        "https://claude.ai/api/mcp/auth%5fcallback",
        "https://claude.ai.evil.example/api/mcp/auth_callback",
        "https://claude.ai@evil.example/api/mcp/auth_callback",
        "https://user@claude.ai/api/mcp/auth_callback",
        " https://claude.ai/api/mcp/auth_callback",
        "https://a.example/cb?x=1&y=2",
        "",
    ] {
        assert!(set.matches(bad, PUBLIC).is_err(), "{bad}");
    }
}

#[test]
fn the_port_of_a_loopback_host_is_ignored_for_public_clients() {
    let set = redirects(&[
        "http://localhost/callback",
        "http://127.0.0.1:3334/oauth/callback",
        "http://[::1]/cb?a=b",
    ]);
    for good in [
        "http://localhost/callback",
        "http://localhost:29352/callback",
        "http://localhost:1/callback",
        "http://127.0.0.1:65535/oauth/callback",
        "http://127.0.0.1/oauth/callback",
        "http://[::1]:8080/cb?a=b",
    ] {
        assert!(set.matches(good, PUBLIC).is_ok(), "{good}");
    }
    assert!(set.matches("http://localhost:29352/callback", ClientKind::Confidential).is_err());
    assert!(set.matches("http://localhost/callback", ClientKind::Confidential).is_ok());
}

#[test]
fn what_only_looks_like_a_loopback_redirect_does_not_match() {
    let set = redirects(&["http://localhost/callback", "http://127.0.0.1/callback"]);
    for bad in [
        "http://127.0.0.2/callback",
        "http://0x7f.1/callback",
        "http://2130706433/callback",
        "http://[::ffff:127.0.0.1]/callback",
        "http://[::1]/callback",
        "http://localhost./callback",
        "http://LOCALHOST/callback",
        "http://localhost@evil.example/callback",
        "http://localhost:80@evil.example/callback",
        "http://evil.example@localhost/callback",
        "http://localhost.evil.example/callback",
        "http://localhost:/callback",
        "http://localhost:0/callback",
        "http://localhost:65536/callback",
        "http://localhost:+80/callback",
        "http://localhost:8 0/callback",
        "http://localhost:80:80/callback",
        "http://localhost:8080/callback/",
        "http://localhost:8080/Callback",
        "http://localhost:8080/callback?x",
        "http://localhost:8080/callback#",
        "http://localhost:8080\\@evil.example/callback",
        "https://localhost:8080/callback",
        "HTTP://localhost:8080/callback",
        "http:/localhost:8080/callback",
        "http://localhost:8080",
    ] {
        assert!(set.matches(bad, PUBLIC).is_err(), "{bad}");
    }
}

#[test]
fn registration_goes_by_an_allow_list() {
    for good in [
        "https://claude.ai/api/mcp/auth_callback",
        "https://a.example:8443/cb?x=1",
        "https://[2001:db8::1]/cb",
        "http://localhost:29352/callback",
        "http://127.0.0.1",
        "com.example.app:/oauth",
    ] {
        assert!(RegisteredRedirect::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "callback",
        "/callback",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "\u{1}javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://a.example/x",
        "file:///etc/passwd",
        "about:blank",
        "cursor://x/cb",
        ".app:/cb",
        "http://a.example/cb",
        "http://127.0.0.2/cb",
        "https:///cb",
        "https:cb",
        "https://user@a.example/cb",
        "https://a.example:99999/cb",
        "https://a.example/cb#",
        "https://a.example/*",
        "https://*.example/cb",
        "https://a.example/x/../cb",
        "https://a.example/x/%2E./cb",
        "https://a.example/c b",
        "https://b\u{fc}cher.example/cb",
        "https://a.example\\@b.example/cb",
    ] {
        assert!(RegisteredRedirect::parse(bad).is_err(), "{bad}");
    }
    assert!(RegisteredRedirect::parse_allowing("cursor://anysphere/cb", &["cursor"]).is_ok());
    assert!(RegisteredRedirect::parse_allowing("javascript:alert(1)", &["javascript"]).is_err());
}

#[test]
fn a_mismatch_names_what_came_and_the_nearest_registered_uri() {
    let set =
        redirects(&["https://claude.com/api/mcp/auth_callback", "https://claude.ai/api/mcp/auth_callback"]);
    let mismatch = set.matches("https://claude.ai/api/mcp/auth_callbackX", PUBLIC).unwrap_err();
    assert_eq!(mismatch.nearest_bare().as_deref(), Some("https://claude.ai/api/mcp/auth_callback"));
    assert!(mismatch.to_string().contains("auth_callbackX"));
}

#[test]
fn answers_are_added_to_the_query_and_nothing_else_changes() {
    let uri = |text: &str| redirects(&[text]).matches(text, PUBLIC).unwrap();
    assert_eq!(
        uri("https://a.example/cb").with_query(&[("state", "&=#\0")]),
        "https://a.example/cb?state=%26%3D%23%00"
    );
    assert_eq!(
        uri("https://a.example/cb?x=%41").with_query(&[("code", "c")]),
        "https://a.example/cb?x=%41&code=c"
    );
    assert_eq!(uri("https://a.example/cb?").with_query(&[("code", "c")]), "https://a.example/cb?code=c");
    assert_eq!(uri("https://a.example:8443/cb").destination(), "a.example:8443");
    assert_eq!(uri("com.example.app:/cb").destination(), "com.example.app");
}

/// What may stand anywhere in a URI, weighted towards what confuses parsers.
fn uri_soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("http://".to_owned()),
        Just("localhost".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just("[::1]".to_owned()),
        Just(":".to_owned()),
        Just("8080".to_owned()),
        Just("/callback".to_owned()),
        "[a-z@:/?#%.\\\\ \u{e9}0-9]{0,4}",
    ];
    proptest::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

/// The rule in other words: strip `:digits` behind one of the three literal beginnings, compare bytes.
fn oracle(registered: &str, requested: &str, kind: ClientKind) -> bool {
    let strip = |uri: &str| {
        let hosts = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
        let (host, rest) = hosts.into_iter().find_map(|host| Some((host, uri.strip_prefix(host)?)))?;
        let (port, rest) = match rest.strip_prefix(':') {
            Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("80", rest),
        };
        let plausible = port.len() <= 5 && port.parse::<u32>().is_ok_and(|port| (1..=65535).contains(&port));
        let boundary = rest.is_empty() || rest.starts_with('/') || rest.starts_with('?');
        (plausible && boundary).then(|| format!("{host}{rest}"))
    };
    registered == requested
        || (kind == ClientKind::Public
            && strip(registered).is_some()
            && strip(registered) == strip(requested))
}

proptest! {
    #[test]
    fn matching_is_byte_equality_but_for_the_loopback_port(
        registered in uri_soup(), requested in uri_soup(), port in 0_u32..70_000, public in any::<bool>(),
    ) {
        let kind = if public { ClientKind::Public } else { ClientKind::Confidential };
        let known = ["http://localhost/callback", "http://127.0.0.1:3/callback", "http://[::1]/callback", &registered];
        let with_port = requested.replacen("8080", &port.to_string(), 1);
        for known in known {
            let Ok(redirect) = RegisteredRedirect::parse(known) else { continue };
            let set = RedirectSet::new(vec![redirect]);
            for requested in [&requested, &with_port, &registered] {
                prop_assert_eq!(
                    set.matches(requested, kind).is_ok(), oracle(known, requested, kind), "{} {}", known, requested
                );
            }
        }
    }
}
