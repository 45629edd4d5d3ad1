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
fn separators_in_quotations_are_none() {
    for (value, client) in [
        (r#"for=8.8.8.8;host="x,for=10.0.0.1""#, "8.8.8.8"),
        (r#"for=8.8.8.8;host="x;for=10.0.0.1""#, "8.8.8.8"),
        (r#"host="a\",for=10.0.0.1,\"";for=8.8.8.8"#, "8.8.8.8"),
        (r#"by="10.0.0.9";for="8.8.8.8:4711";proto=https"#, "8.8.8.8"),
        (r#"for="\8.8.8.8""#, "8.8.8.8"),
        (r#"FOR="[2607:6BC0::1]""#, "2607:6bc0::1"),
        (r#"for="[::ffff:8.8.8.8]:_p""#, "8.8.8.8"),
        (r"for=1.2.3.4 , ,for=8.8.8.8;;proto=https;, ", "8.8.8.8"),
    ] {
        assert_eq!(located(&["10.0.0.0/8"], "10.0.0.9", &[("forwarded", value)]), client, "{value}");
    }
}

/// What a client writes into a quotation that its proxy then completes, and everything else that has no reading.
#[test]
fn a_forwarded_header_without_a_reading_is_refused() {
    for value in [
        r#"for="10.0.0.1"#,
        r#"for=10.0.0.1;by=", for=8.8.8.8;host="gw""#,
        r#"for="10.0.0.1\"#,
        r#"for=10.0.0.1"x""#,
        "for=8.8.8.8:4711",
        "for=[2607:6bc0::1]",
        r#"for="2607:6bc0::1""#,
        r#"for="[8.8.8.8]""#,
        r#"for="[2607:6bc0::1%eth0]""#,
        r#"for="8.8.8.8:123456""#,
        r#"for="8.8.8.8:""#,
        r#"for="""#,
        "for=",
        "for",
        "for =8.8.8.8",
        "for= 8.8.8.8",
        "=8.8.8.8",
        "for=_",
        "for=_a!",
        "for=gateway",
        "for=10.0.0.1;for=8.8.8.8",
        "for=8.8.8.8;proto=https;Proto=http",
        "for=8.8.8.8 for=10.0.0.1",
        "for=not-a-node, for=8.8.8.8",
    ] {
        let found = located(&["10.0.0.0/8"], "10.0.0.9", &[("forwarded", value)]);
        assert_eq!(found, "client_address_malformed", "{value}");
        let found = located(&[], "10.0.0.9", &[("forwarded", value)]);
        assert_eq!(found, "10.0.0.9", "nobody is believed anyway: {value}");
    }
    let lines = [("forwarded", r#"for=10.0.0.1;host="a"#), ("forwarded", r#"b";for=8.8.8.8"#)];
    let found = located(&["10.0.0.0/8"], "10.0.0.9", &lines);
    assert_eq!(found, "client_address_malformed", "a quotation does not reach into the next line");
}

/// The client is then neither the proxy nor what it says of itself before that hop.
#[test]
fn a_hop_that_is_hidden_leaves_the_client_unknown() {
    for header in [
        ("forwarded", "for=unknown"),
        ("forwarded", "for=Unknown"),
        ("forwarded", "for=_hidden.7"),
        ("forwarded", r#"for="_hidden:_port", for=10.0.0.2"#),
        ("forwarded", r#"for="unknown:4711""#),
        ("forwarded", "for=8.8.8.8, proto=https"),
        ("x-forwarded-for", "unknown"),
        ("x-forwarded-for", "8.8.8.8, unknown, 10.0.0.2"),
        ("x-forwarded-for", "10.0.0.1, _hidden"),
        ("x-forwarded-for", "10.0.0.1, "),
    ] {
        assert_eq!(located(&["10.0.0.0/8"], "10.0.0.9", &[header]), "unknown", "{header:?}");
    }
    let both = [("forwarded", "for=_a"), ("x-forwarded-for", "unknown")];
    assert_eq!(located(&["10.0.0.0/8"], "10.0.0.9", &both), "unknown");
}

#[test]
fn a_hop_that_is_no_node_is_refused_where_it_decides() {
    for garbage in
        ["203.0.113.7.evil", "1.2.3.4, ?", "8.8.8.8:port", "8.8.8.8:123456", "[2607:6bc0::1", "unix:"]
    {
        let found = located(&["10.0.0.0/8"], "10.0.0.9", &[("x-forwarded-for", garbage)]);
        assert_eq!(found, "client_address_malformed", "{garbage:?}");
    }
    let found = located(&["10.0.0.0/8"], "10.0.0.9", &[("x-forwarded-for", "?, 203.0.113.7")]);
    assert_eq!(found, "203.0.113.7", "what the client itself sent does not matter");
}

#[test]
fn limits_count_the_proxy_that_does_not_name_its_clients() {
    let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let headers = HeaderMap::from_iter([(http::header::FORWARDED, "for=_a".parse().unwrap())]);
    let peer = "10.0.0.9".parse::<IpAddr>().unwrap();
    assert_eq!(proxies.locate(peer, &headers).unwrap().counted(), peer);
}

#[test]
fn mapped_peers_count_as_ipv4() {
    assert_eq!(
        located(&["10.0.0.0/8"], "::ffff:10.0.0.9", &[("x-forwarded-for", "203.0.113.7")]),
        "203.0.113.7"
    );
    assert_eq!(located(&[], "::ffff:10.0.0.9", &[]), "10.0.0.9");
}
