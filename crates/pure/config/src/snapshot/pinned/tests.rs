use super::*;

#[test]
fn an_allowed_host_means_one_port() {
    let allowed = |url: &str, host: &str| is_allowed(&Url::parse(url).unwrap(), &[host.to_owned()]);
    for (url, host, expected) in [
        ("https://docs.example/c", "docs.example", true),
        ("https://docs.example:443/c", "docs.example", true),
        ("https://docs.example/c", "docs.example:443", true),
        ("https://docs.example:8443/c", "docs.example:8443", true),
        ("https://docs.example:22/c", "docs.example", false),
        ("https://docs.example:22/c", "docs.example:8443", false),
        ("https://docs.example/c", "docs.example:8443", false),
        ("https://docs.example/c", "docs.example:x", false),
    ] {
        assert_eq!(allowed(url, host), expected, "{url} {host}");
    }
}
