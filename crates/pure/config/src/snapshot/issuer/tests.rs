use url::Url;

use super::implied_issuer;

#[test]
fn the_issuer_is_the_metadata_url_without_its_well_known_part() {
    let cases = [
        ("https://a.example/.well-known/openid-configuration", Some("https://a.example")),
        ("https://a.example/.well-known/oauth-authorization-server", Some("https://a.example")),
        (
            "https://a.example:8443/realms/x/.well-known/openid-configuration",
            Some("https://a.example:8443/realms/x"),
        ),
        ("https://a.example/.well-known/oauth-authorization-server/tenant", Some("https://a.example/tenant")),
        (
            "https://a.example/.well-known/oauth-authorization-server/tenant/",
            Some("https://a.example/tenant"),
        ),
        ("https://a.example/x/.well-known/openid-configuration/y", None),
        ("https://a.example/", None),
    ];
    for (url, expected) in cases {
        let found = implied_issuer(&Url::parse(url).unwrap());
        assert_eq!(found.as_ref().map(|found| found.as_configured().as_str()), expected, "{url}");
        if let Some((found, expected)) = found.zip(expected) {
            assert!(found.accepts(&format!("{expected}/")), "{url}: with a slash it has the same URL");
        }
    }
}
