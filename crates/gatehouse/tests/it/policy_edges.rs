//! The network policies of the Claude connection guide, as they stand there, in the running binary.
//!
//! The guide's client, its policy and its redirect URLs are loaded unchanged; only the connector that it names is
//! given users of its own, and the gateway is told whose forwarding headers to believe.

use gatehouse_testkit::authority::random;
use gatehouse_testkit::browser::{Application, Person, sign_in, token};
use gatehouse_testkit::documents::{GUIDE_CLIENT, GUIDE_COMBINED, GUIDE_RANGES, indented, unindented};
use gatehouse_testkit::fixture::password_hash;
use gatehouse_testkit::process::Gateway;
use gatehouse_testkit::raw_http::Request;

const SECRET: &str = "a-secret-of-the-edges-client";

/// Where a request seems to come from, in headers.
type From<'a> = &'a [(&'a str, &'a str)];

/// A gateway that speaks to `address` and believes the forwarding headers of `trusted`.
struct Site {
    gateway: Gateway,
    password: String,
}

impl Site {
    fn start(address: &str, trusted: &str) -> Self {
        let password = random(12);
        let hash = password_hash(&crate::binary(), &password);
        let configuration = format!(
            "http:\n  address: \"{address}\"\n  publicURL: https://gw.example.com\n  trustedProxies: {trusted}\n\
             admin: {{ address: 127.0.0.1:0 }}\naudit: {{ sinks: [{{ type: file, path: audit.jsonl }}] }}\n\
             connectors:\n  - name: upstream-idp\n    type: local\n    users:\n      - username: ada\n        \
             passwordHash: \"{hash}\"\n        claims: {{ name: Ada, email: ada@example.com }}\n\
             oidcProvider:\n  discovery: {{ issuer: https://gw.example.com }}\n\
             mcpProvider: {{ transports: {{ stream: {{ path: /mcp }} }} }}\n{GUIDE_CLIENT}{}{}",
            ranges_client("ranges", &indented(GUIDE_RANGES, 4)),
            ranges_client("both", &indented(&combined(), 4)),
        );
        let gateway = Gateway::serve(&crate::binary(), &[("gatehouse.yaml", &configuration)]);
        Self { gateway, password }
    }

    fn client_credentials(&self, client: &str, from: From<'_>) -> u16 {
        let application = Application { client_id: client, secret: Some(SECRET), ..GUIDE };
        let fields = [("grant_type", "client_credentials"), ("resource", "https://api.example.com")];
        let response = token(&self.gateway, &application, &fields, &|request| forwarded(request, from));
        let text = response.text();
        assert!(
            !text.contains("Anthropic IP range") && !text.contains("allowed network"),
            "{from:?}: {text}"
        );
        // For this host only: the origin is https, whatever carries it here.
        assert_eq!(response.header("strict-transport-security"), "max-age=31536000", "{from:?}");
        match response.status {
            200 => assert!(response.json()["access_token"].is_string(), "{from:?}: {text}"),
            400 if text.contains("cannot be read") => {
                assert_eq!(response.json()["error"], "invalid_request", "{from:?}: {text}");
            }
            status => assert_eq!(
                (status, &response.json()["error"]),
                (400, &"access_denied".into()),
                "{from:?}: {text}"
            ),
        }
        response.status
    }
}

const GUIDE: Application<'_> = Application {
    client_id: "claude-public",
    secret: None,
    redirect_uri: "http://localhost:29352/callback",
    scope: "openid email offline_access",
    resource: None,
};

/// A client that asks for itself, with the section `authorization` that is given.
fn ranges_client(name: &str, authorization: &str) -> String {
    format!(
        "  - name: {name}\n    type: oidc\n    clientID: {name}\n    credentials: {{ secrets: [{SECRET}] }}\n    \
         grantTypes: [client_credentials]\n    allowedAudiences: [https://api.example.com]\n{authorization}"
    )
}

/// The guide's policy for a public gateway with the rules that also let a corporate network in.
fn combined() -> String {
    let (head, _) = GUIDE_RANGES.split_once("            result :=").unwrap();
    let rules = indented(&unindented(GUIDE_COMBINED), 12);
    format!("{head}{rules}")
}

fn forwarded(request: Request, from: From<'_>) -> Request {
    from.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// First minus one, first, last, last plus one; and whether it is inside.
const CORPORATE: [(&str, bool); 4] =
    [("9.255.255.255", false), ("10.0.0.0", true), ("10.255.255.255", true), ("11.0.0.0", false)];
const ANTHROPIC: [(&str, bool); 8] = [
    ("160.79.103.255", false),
    ("160.79.104.0", true),
    ("160.79.111.255", true),
    ("160.79.112.0", false),
    ("2607:6bbf:ffff:ffff:ffff:ffff:ffff:ffff", false),
    ("2607:6bc0::", true),
    ("2607:6bc0:0:ffff:ffff:ffff:ffff:ffff", true),
    ("2607:6bc0:1::", false),
];

/// Ways to write where an address stands in a chain that ends at a trusted proxy.
fn spellings(address: &str) -> Vec<Vec<(&'static str, String)>> {
    let v6 = address.contains(':');
    let bracketed = if v6 { format!("[{address}]") } else { address.to_owned() };
    let mut spellings = vec![
        vec![("x-forwarded-for", address.to_owned())],
        // What the client itself wrote stands further left and counts for nothing.
        vec![("x-forwarded-for", format!("10.1.2.3, 160.79.104.9, {address}"))],
        vec![("x-forwarded-for", format!("unknown, nonsense, {address}"))],
        vec![("x-forwarded-for", "10.1.2.3".to_owned()), ("x-forwarded-for", address.to_owned())],
        // A second trusted proxy in between.
        vec![("x-forwarded-for", format!("2607:6bc0::1, {address}, 127.0.0.9"))],
        vec![("forwarded", format!("for=\"{bracketed}\""))],
        vec![("forwarded", format!("for=10.1.2.3;proto=https, For=\"{bracketed}:4711\";by=_us"))],
        vec![("x-forwarded-for", format!("{bracketed}:4711"))],
    ];
    if !v6 {
        spellings.push(vec![("x-forwarded-for", format!("::ffff:{address}"))]);
        spellings.push(vec![("forwarded", format!("for=\"[::ffff:{address}]\""))]);
        let octets: Vec<u16> = address.split('.').map(|octet| octet.parse().unwrap()).collect();
        let (high, low) = (octets[0] << 8 | octets[1], octets[2] << 8 | octets[3]);
        spellings.push(vec![("x-forwarded-for", format!("::ffff:{high:x}:{low:x}"))]);
    }
    spellings
}

fn borrowed<'a>(spelling: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    spelling.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn the_guides_ranges_hold_at_their_edges_behind_a_trusted_proxy() {
    let site = Site::start("127.0.0.1:0", "[127.0.0.0/8]");
    for (address, inside) in ANTHROPIC {
        for spelling in spellings(address) {
            let status = site.client_credentials("ranges", &borrowed(&spelling));
            assert_eq!(status == 200, inside, "{spelling:?}");
        }
    }
    for (address, inside) in ANTHROPIC.iter().chain(&CORPORATE) {
        let status = site.client_credentials("both", &[("x-forwarded-for", address)]);
        assert_eq!(status == 200, *inside, "{address}");
        if !inside {
            let records = site.gateway.audit();
            let record = records.last().unwrap();
            assert_eq!(
                (&record["outcome"], &record["source"]["ip"]),
                (&"deny".into(), &(*address).into()),
                "{record}"
            );
            assert!(
                record.to_string().contains("request not from allowed network"),
                "for operators: {record}"
            );
        }
    }
}

#[test]
fn the_guides_client_signs_in_and_refreshes_from_the_corporate_network_only() {
    let site = Site::start("127.0.0.1:0", "[127.0.0.0/8]");
    let ada = Person { username: "ada", password: &site.password };
    let inside = |request: Request| request.header("x-forwarded-for", "10.20.30.40");
    let mut refresh_token = sign_in(&site.gateway, &GUIDE, &ada, &inside).refresh_token;
    assert!(!refresh_token.is_empty());
    for (address, inside) in CORPORATE {
        for spelling in spellings(address) {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
            let from = borrowed(&spelling);
            let response = token(&site.gateway, &GUIDE, &fields, &|request| forwarded(request, &from));
            let body = response.json();
            assert_eq!(response.status == 200, inside, "{spelling:?}: {}", response.text());
            if inside {
                body["refresh_token"].as_str().unwrap().clone_into(&mut refresh_token);
            } else {
                assert_eq!(body["error"], "access_denied", "{spelling:?}");
                assert!(!response.text().contains("this network"), "the sentence is for operators");
            }
        }
    }
    // A code is worth as little outside as a refresh token.
    let outside = |request: Request| {
        let token_endpoint = format!("{request:?}").contains("/oauth2/token");
        request.header("x-forwarded-for", if token_endpoint { "11.0.0.0" } else { "10.20.30.40" })
    };
    let verifier = random(48);
    let (code, _) = gatehouse_testkit::browser::authorize(&site.gateway, &GUIDE, &ada, &verifier, &outside);
    let response = gatehouse_testkit::browser::redeem(&site.gateway, &GUIDE, &code, &verifier, &outside);
    assert_eq!((response.status, &response.json()["error"]), (400, &"access_denied".into()));
}

#[test]
fn nobody_else_says_where_a_request_comes_from() {
    // The proxy that is trusted is another one; private addresses are as untrusted as all others.
    for trusted in ["[]", "[127.0.0.2/32, 10.0.0.0/8]"] {
        let site = Site::start("127.0.0.1:0", trusted);
        for (address, _) in ANTHROPIC.iter().chain(&CORPORATE) {
            for spelling in spellings(address) {
                assert_eq!(site.client_credentials("both", &borrowed(&spelling)), 400, "{spelling:?}");
            }
        }
        for header in
            ["x-real-ip", "true-client-ip", "cf-connecting-ip", "x-client-ip", "x-cluster-client-ip", "via"]
        {
            assert_eq!(site.client_credentials("both", &[(header, "10.0.0.1")]), 400, "{header}");
        }
        let sources: Vec<String> = site
            .gateway
            .audit()
            .iter()
            .filter_map(|record| record["source"]["ip"].as_str().map(str::to_owned))
            .collect();
        assert!(sources.len() > 50 && sources.iter().all(|ip| ip == "127.0.0.1"), "{sources:?}");
    }
}

#[test]
fn what_is_no_chain_of_addresses_opens_nothing() {
    let site = Site::start("127.0.0.1:0", "[127.0.0.0/8]");
    let odd = [
        "10.0.0.1, nonsense",
        "10.0.0.1, ",
        "",
        ",",
        "10.0.0.1, unknown",
        "10.0.0.1, _hidden",
        "10.0.0.1 160.79.104.1",
        "010.0.0.1",
        "0xa.0.0.1",
        "167772161",
        "10.1",
        "10.0.0.1/8",
        "10.0.0.1.",
        "10.0.0.256",
        "fe80::1%eth0, 10.0.0",
        "[10.0.0.1",
        "10.0.0.1;",
        "\"10.0.0.1",
        "2607:6bc0::1::",
        "localhost",
    ];
    for value in odd {
        let status = site.client_credentials("both", &[("x-forwarded-for", value)]);
        assert_eq!(status, 400, "{value}");
    }
    // Nor what a client writes into a header that its proxy completes.
    for value in [
        "for=8.8.8.8;host=\"x,for=10.0.0.1\"",
        "for=8.8.8.8;host=\"x;for=10.0.0.1\"",
        "for=10.0.0.1;host=\"x, for=8.8.8.8;host=\"gw.example.com\"",
        "for=10.0.0.1, for=unknown",
        "for=10.0.0.1, for=_hidden",
        "for=8.8.8.8;for=10.0.0.1",
        "for=10.0.0.1, proto=https",
    ] {
        assert_eq!(site.client_credentials("both", &[("forwarded", value)]), 400, "{value}");
    }
    // The proxy's own network is an allowed one, but the client's is not known.
    let site = Site::start("127.0.0.1:0", "[127.0.0.0/8]");
    assert_eq!(site.client_credentials("both", &[("forwarded", "for=_hidden")]), 400);
    let record = site.gateway.audit().pop().unwrap();
    assert_eq!(
        (&record["source"]["ip"], &record["source"]["peer_ip"]),
        (&"unknown".into(), &"127.0.0.1".into())
    );
}

/// A socket for both families shows IPv4 peers as mapped addresses; they are the same peers.
#[test]
fn a_listener_for_both_families_knows_its_proxies() {
    let site = Site::start("[::]:0", "[127.0.0.1/32]");
    assert_eq!(site.client_credentials("both", &[("x-forwarded-for", "10.0.0.0")]), 200);
    assert_eq!(site.client_credentials("both", &[("x-forwarded-for", "11.0.0.0")]), 400);
    let records = site.gateway.audit();
    let peers: Vec<&str> = records.iter().filter_map(|record| record["source"]["peer_ip"].as_str()).collect();
    assert!(peers.iter().all(|peer| *peer == "127.0.0.1"), "{peers:?}");
}
