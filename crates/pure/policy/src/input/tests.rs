use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::scope::ScopeSet;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn request<'a>(ip: &str, headers: &'a &'a [(&'a str, &'a str)]) -> Request<'a> {
    Request {
        source_ip: ip.parse::<IpAddr>().unwrap().into(),
        peer_ip: "127.0.0.1".parse().unwrap(),
        http: HttpFacts { method: "POST", path: "/oauth2/token", headers },
        user: None,
        now: Timestamp::from_unix_seconds(1_700_000_000),
        revision: "r1",
    }
}

#[test]
fn token_minting_has_every_documented_field() {
    let claims = Map::from_iter([("sub".to_owned(), json!("ada")), ("n".to_owned(), json!(1))]);
    let minting = TokenMinting {
        client: Client {
            id: "claude-public",
            name: "Claude",
            public: true,
            assurance: Assurance::SelfAsserted,
        },
        grant_type: "authorization_code",
        scopes: &ScopeSet::parse("b a").unwrap(),
        audiences: &["https://gw".into()],
        resources: &[],
        subject_token: None,
        actor_token: None,
        refresh_shared_with: None,
        token: &claims,
    };
    let headers: &[_] = &[
        ("x-request-id", "7"),
        ("AUTHORIZATION", "Bearer t"),
        ("accept", "a"),
        ("Accept", "b"),
        ("cookie", "s"),
    ];
    let request = request("::ffff:10.1.2.3", &headers);
    let values = minting.input(&request).values(&Reads::All);
    let found: Json = serde_json::from_str(&values.to_json_str().unwrap()).unwrap();
    assert_eq!(
        found,
        json!({
            "request": {
                "oauth": {
                    "client_id": "claude-public", "grant_type": "authorization_code", "scope": "a b", "scopes": ["a", "b"],
                    "audience": "https://gw", "audiences": ["https://gw"], "resource": [],
                    "refresh_shared_with": "",
                    "subject_token": {"claims": {}}, "actor_token": {"claims": {}},
                    "response": {"access_token": {"claims": {"sub": "ada", "n": 1}}},
                },
                "http": {"method": "POST", "path": "/oauth2/token", "headers": {
                    "X-Request-Id": "7", "Authorization": "Bearer t", "Accept": "a, b", "Cookie": "[redacted]",
                }},
            },
            "client": {"id": "claude-public", "name": "Claude", "public": true, "assurance": "self_asserted"},
            "source": {"ip": "10.1.2.3", "peer_ip": "127.0.0.1"},
            "user": {"id": "", "connector": "", "claims": {}, "groups": [], "groups_complete": true, "amr": []},
            "time": {"now_ns": 1_700_000_000_000_000_000_i64},
            "revision": "r1",
        })
    );
}

/// Audiences, resources, whether the client is public, claims, header fields.
type Told = (Vec<String>, Vec<String>, bool, Json, Vec<(String, String)>);

/// What a request may differ in, as few values each, so that equal requests come up.
fn facts() -> impl Strategy<Value = Told> {
    let texts = || proptest::collection::vec("[ab]{0,2}", 0..3);
    let json = prop_oneof![
        Just(json!({})),
        Just(json!({"a": 1})),
        Just(json!({"a": "1"})),
        Just(json!({"a": [1, 2], "b": null})),
        Just(json!({"a": [1], "b": [2, null]})),
        Just(json!({"a": {"b": true}})),
        Just(json!({"a": 1.5, "b": {}})),
    ];
    (texts(), texts(), any::<bool>(), json, proptest::collection::vec(("[xX]|accept", "[ab]{0,1}"), 0..3))
}

proptest! {
    #[test]
    fn sights_are_equal_exactly_when_the_values_are(one in facts(), other in facts(), path in 0_usize..6) {
        let paths = ["", "request.oauth.audiences", "request.http.headers.X", "request.oauth.response", "client", "user.id"];
        let mut reads = Reads::NOTHING;
        reads.add(&paths[path].split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>());
        let told = |(audiences, resources, public, token, headers): &Told| {
            let client = Client { id: "c", name: "C", public: *public, assurance: Assurance::SelfAsserted };
            let minting = TokenMinting {
                client, grant_type: "g", scopes: &ScopeSet::none(), audiences, resources,
                subject_token: None, actor_token: None, refresh_shared_with: None, token: token.as_object().unwrap(),
            };
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let headers = headers.as_slice();
            let request = request("10.0.0.1", &headers);
            let input = minting.input(&request);
            (input.values(&reads), input.sight(&reads))
        };
        let ((one, one_sight), (other, other_sight)) = (told(&one), told(&other));
        prop_assert_eq!(one == other, one_sight == other_sight, "{} {}", one, other);
    }
}

#[test]
fn addresses_lose_zone_and_mapping() {
    let read = |text| parse_address(text).map(|address| address.to_string());
    assert_eq!(read("fe80::1%eth0").as_deref(), Some("fe80::1"));
    assert_eq!(read("[::ffff:10.1.2.3]").as_deref(), Some("10.1.2.3"));
    assert_eq!(read("unknown"), None);
}

#[test]
fn a_token_names_its_user_with_groups_and_sign_in() {
    let claims = json!({
        "sub": "ada", "groups": ["eng", 7, "admins"], "amr": ["pwd", "otp"], "auth_time": 1_700_000_000,
    });
    let user = User::of_token("ada", claims.as_object().unwrap());
    assert_eq!((user.groups, user.amr), (vec!["eng", "admins"], vec!["pwd", "otp"]));
    assert_eq!(user.auth_time, Some(Timestamp::from_unix_seconds(1_700_000_000)));
    let odd = json!({ "groups": "eng", "amr": {}, "auth_time": "then" });
    let user = User::of_token("ada", odd.as_object().unwrap());
    assert!(user.groups.is_empty() && user.amr.is_empty() && user.auth_time.is_none());
}

/// A rule by network then finds no address to compare: it cannot be that of the proxy.
#[test]
fn of_a_client_that_nobody_knows_there_is_no_address() {
    let claims = json!({});
    let client = Client { id: "c", name: "C", public: true, assurance: Assurance::SelfAsserted };
    let minting = TokenMinting {
        client,
        grant_type: "g",
        scopes: &ScopeSet::none(),
        audiences: &[],
        resources: &[],
        subject_token: None,
        actor_token: None,
        refresh_shared_with: None,
        token: claims.as_object().unwrap(),
    };
    let headers: &[_] = &[];
    let request = Request { source_ip: ClientIp::Unknown, ..request("10.0.0.1", &headers) };
    let values = minting.input(&request).values(&Reads::All);
    let found: Json = serde_json::from_str(&values.to_json_str().unwrap()).unwrap();
    assert_eq!(found["source"], json!({"peer_ip": "127.0.0.1"}));
}
