use std::net::IpAddr;

use http::HeaderMap;

use super::TrustedProxies;

fn located(trusted: &[&str], peer: &str, headers: &[(&'static str, &str)]) -> String {
    let proxies = TrustedProxies::new(trusted.iter().map(|net| net.parse().unwrap()).collect());
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    match proxies.locate(peer.parse::<IpAddr>().unwrap(), &map) {
        Ok(located) => located.ip.to_string(),
        Err(rejection) => rejection.reason.to_owned(),
    }
}

#[test]
fn nobody_is_trusted_by_default() {
    assert_eq!(located(&[], "10.0.0.9", &[("x-forwarded-for", "203.0.113.7")]), "10.0.0.9");
}

#[test]
fn the_right_most_untrusted_hop_is_the_client() {
    let trusted = ["10.0.0.0/8"];
    let cases = [
        (vec![("x-forwarded-for", "203.0.113.7")], "203.0.113.7"),
        (vec![("x-forwarded-for", "1.2.3.4, 203.0.113.7, 10.0.0.2")], "203.0.113.7"),
        (vec![("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.7")], "203.0.113.7"),
        (vec![("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        (vec![("x-forwarded-for", "203.0.113.7:4711")], "203.0.113.7"),
        (vec![("x-forwarded-for", "[2607:6bc0::1]:443")], "2607:6bc0::1"),
        (vec![("x-forwarded-for", "::ffff:203.0.113.7")], "203.0.113.7"),
        (vec![("x-forwarded-for", "fe80::1%eth0")], "fe80::1"),
        (vec![("forwarded", "for=1.2.3.4;proto=https, for=\"[2607:6bc0::1]:1\"")], "2607:6bc0::1"),
        (vec![("forwarded", "proto=https; For=203.0.113.7")], "203.0.113.7"),
        (vec![("forwarded", "for=203.0.113.7"), ("x-forwarded-for", "1.2.3.4, 203.0.113.7")], "203.0.113.7"),
    ];
    for (headers, expected) in cases {
        assert_eq!(located(&trusted, "10.0.0.9", &headers), expected, "{headers:?}");
    }
}

#[test]
fn a_client_cannot_slip_the_other_header_past_its_proxy() {
    for headers in [
        [("forwarded", "for=10.1.2.3"), ("x-forwarded-for", "203.0.113.7")],
        [("forwarded", "for=203.0.113.7"), ("x-forwarded-for", "160.79.104.1")],
        [("forwarded", "for=unknown"), ("x-forwarded-for", "203.0.113.7")],
    ] {
        assert_eq!(
            located(&["10.0.0.0/8"], "10.0.0.9", &headers),
            "client_address_contradictory",
            "{headers:?}"
        );
        assert_eq!(located(&[], "10.0.0.9", &headers), "10.0.0.9", "nobody is believed anyway: {headers:?}");
    }
}

#[test]
fn an_unreadable_hop_ends_the_walk() {
    for garbage in ["unknown", "_hidden", "203.0.113.7.evil", "", "1.2.3.4, ?"] {
        assert_eq!(
            located(&["10.0.0.0/8"], "10.0.0.9", &[("x-forwarded-for", garbage)]),
            "10.0.0.9",
            "{garbage:?}"
        );
    }
}

#[test]
fn mapped_peers_count_as_ipv4() {
    assert_eq!(
        located(&["10.0.0.0/8"], "::ffff:10.0.0.9", &[("x-forwarded-for", "203.0.113.7")]),
        "203.0.113.7"
    );
    assert_eq!(located(&[], "::ffff:10.0.0.9", &[]), "10.0.0.9");
}
