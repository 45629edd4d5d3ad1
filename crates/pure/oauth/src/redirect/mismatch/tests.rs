use super::RedirectMismatch;

fn told(received: &str, registered: &[&str]) -> String {
    let mismatch = RedirectMismatch::of(received, registered.iter().copied());
    let nearest = mismatch.nearest.as_ref().map(|nearest| nearest.registered.clone()).unwrap_or_default();
    format!("{nearest} {mismatch}")
}

const GUIDE: [&str; 4] = [
    "https://claude.ai/api/mcp/auth_callback",
    "https://claude.com/api/mcp/auth_callback",
    "http://localhost:29352/callback",
    "http://localhost:3334/oauth/callback",
];

#[test]
fn the_nearest_differs_in_the_fewest_parts() {
    let cases = [
        (
            "http://localhost:51307/callback",
            "http://localhost:29352/callback differs in port: 51307, registered 29352",
        ),
        // The texts have more in common with the other one, but a path says more than a port.
        (
            "http://localhost:3334/callback",
            "http://localhost:29352/callback differs in port: 3334, registered 29352",
        ),
        (
            "http://localhost:3334/oauth",
            "http://localhost:3334/oauth/callback differs in path: /oauth, registered /oauth/callback",
        ),
        (
            "https://claude.example/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback differs in host: claude.example, registered claude.com",
        ),
        (
            "http://claude.ai/api/mcp/auth_callback",
            "https://claude.ai/api/mcp/auth_callback differs in scheme: http, registered https",
        ),
        (
            "https://claude.ai:443/api/mcp/auth_callback",
            "https://claude.ai/api/mcp/auth_callback differs in port: 443, registered none",
        ),
        (
            "https://CLAUDE.ai/api/mcp/auth_callback",
            "https://claude.ai/api/mcp/auth_callback differs in host: CLAUDE.ai, registered claude.ai",
        ),
        (
            "http://localhost:/callback",
            "http://localhost:29352/callback differs in port: nothing, registered 29352",
        ),
        (
            "http://127.0.0.1:3334/oauth/callback",
            "http://localhost:3334/oauth/callback differs in host: 127.0.0.1, registered localhost",
        ),
    ];
    for (received, expected) in cases {
        assert_eq!(told(received, &GUIDE), expected);
    }
    assert_eq!(told("https://a.example/", &[]), " no redirect URI is registered for this client");
}

#[test]
fn what_may_hold_a_credential_is_named_and_not_told() {
    let registered = ["https://a.example/cb", "com.example.app:/cb"];
    let cases = [
        ("https://a.example/cb?code=s3cret", "https://a.example/cb", "query"),
        ("https://a.example/cb?", "https://a.example/cb", "query"),
        ("https://a.example/cb#", "https://a.example/cb", "fragment"),
        ("https://@a.example/cb", "https://a.example/cb", "user information"),
        ("https://a.example/cb#code=s3cret", "https://a.example/cb", "fragment"),
        ("https://ada:s3cret@a.example/cb", "https://a.example/cb", "user information"),
        ("com.example.app:/cb?code=s3cret", "com.example.app:/cb", "query"),
    ];
    for (received, bare, part) in cases {
        let mismatch = RedirectMismatch::of(received, registered.into_iter());
        assert_eq!(mismatch.to_string(), format!("differs in {part}"));
        assert_eq!(mismatch.received_bare(), bare);
        assert_eq!(mismatch.nearest_bare().as_deref(), Some(bare));
    }
}

#[test]
fn what_is_no_uri_is_taken_apart_all_the_same() {
    for received in
        ["", ":", "//", "javascript:alert(1)", "https://", "http://[::1", "http://[::1]/cb", "??##@:"]
    {
        let mismatch = RedirectMismatch::of(received, GUIDE.into_iter());
        assert!(!mismatch.nearest.unwrap().differences.is_empty(), "{received}");
    }
    let v6 = RedirectMismatch::of("http://[::1]:80/cb", ["http://[::1]:90/cb"].into_iter());
    assert_eq!(v6.to_string(), "differs in port: 80, registered 90");
}

/// What is registered elsewhere is shown to nobody.
#[test]
fn the_place_is_the_host_in_any_case_or_the_scheme_where_there_is_none() {
    let near = |received: &str, registered: &'static str| {
        RedirectMismatch::of(received, std::iter::once(registered)).nearest.unwrap().at_same_place
    };
    for (received, registered, same) in [
        ("https://a.example/x", "https://a.example/cb", true),
        ("https://A.Example/cb", "https://a.example/cb", true),
        ("http://a.example:1/cb", "https://a.example/cb", true),
        ("https://b.example/cb", "https://a.example/cb", false),
        ("com.example.app:/x", "com.example.app:/cb", true),
        ("com.example.other:/cb", "com.example.app:/cb", false),
        ("cb", "com.example.app:/cb", false),
        ("", "com.example.app:/cb", false),
        ("https:/cb", "https://a.example/cb", false),
        ("https:///cb", "https://a.example/cb", false),
        ("https:///cb", "com.example.app:/cb", false),
    ] {
        assert_eq!(near(received, registered), same, "{received} {registered}");
    }
}
