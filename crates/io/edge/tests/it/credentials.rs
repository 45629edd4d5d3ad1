//! Bearer tokens and static keys: where they may stand, what they prove, and for how long.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request};
use serde_json::{Value, json};

use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_edge::authn::resource::{CredentialPlaces, KeySource, ResourceServer};
use gatehouse_edge::context::Head;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::outbound::jwks::IssuerKeys;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::{ConnectorName, GrantId, Issuer, SubjectId, TokenId};
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::static_key::KeyTable;
use gatehouse_oauth::sign_in::LoginReference;
use gatehouse_testkit::outage::FickleStore;
use url::Url;

use crate::house::{BRIEF_KEY, House, Site, TEAM_KEY};
use crate::peer::{Peer, Reply};

/// The subject, or the reason of the refusal.
async fn asked(gate: &ResourceServer, site: &Site, headers: &[(&'static str, &str)]) -> String {
    let (mut parts, ()) = Request::new(()).into_parts();
    for (name, value) in headers {
        parts.headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let caller = match Head::admit(Arc::new(parts)) {
        Ok(head) => gate.authenticate(&head, &site.snapshot, site.clock.now()).await,
        Err(rejection) => Err(rejection),
    };
    match caller {
        Ok(caller) => caller.principal.subject().to_string(),
        Err(rejection) => {
            assert!(!rejection.public.contains("expired"), "the caller learns no detail: {rejection:?}");
            format!("{} {}", rejection.kind.status().as_u16(), rejection.reason)
        }
    }
}

#[tokio::test]
async fn a_credential_counts_in_each_place_where_it_may_stand() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::BearerOrApiKey);
    let (ada, bob) = (site.token("ada"), site.token("bob"));
    let bearer = |credential: &str| format!("Bearer {credential}");
    let authorization = "authorization";
    let key = "x-api-key";
    for (headers, expected) in [
        (vec![], "401 credential_missing"),
        (vec![(authorization, bearer(&ada))], "ada"),
        (vec![(authorization, format!("bearer   {ada} "))], "ada"),
        (vec![(authorization, bearer(TEAM_KEY))], "team"),
        (vec![(key, TEAM_KEY.to_owned())], "team"),
        (vec![(key, ada.clone())], "ada"),
        // The same twice is one credential; two that prove the same caller agree.
        (vec![(authorization, bearer(TEAM_KEY)), (key, TEAM_KEY.to_owned())], "team"),
        (vec![(authorization, bearer(&ada)), (key, site.token("ada"))], "ada"),
        // Clients of the Messages API send a placeholder in one place and the credential in the other.
        (vec![(authorization, bearer("dummy")), (key, TEAM_KEY.to_owned())], "team"),
        (vec![(authorization, bearer(&ada)), (key, "dummy".to_owned())], "ada"),
        (vec![(authorization, "Basic YTpi".to_owned()), (key, TEAM_KEY.to_owned())], "team"),
        // Two callers in one request contradict each other.
        (vec![(authorization, bearer(&ada)), (key, TEAM_KEY.to_owned())], "400 credentials_contradict"),
        (vec![(authorization, bearer(&ada)), (key, bob.clone())], "400 credentials_contradict"),
        // A repeated header has no one reading.
        (vec![(authorization, bearer(&ada)), (authorization, bearer(&ada))], "400 credential_repeated"),
        (vec![(key, TEAM_KEY.to_owned()), (key, "dummy".to_owned())], "400 credential_repeated"),
        // What cannot be read proves nothing.
        (vec![(authorization, String::new())], "401 credential_malformed"),
        (vec![(authorization, "Bearer".to_owned())], "401 credential_malformed"),
        (vec![(authorization, "Bearer  ".to_owned())], "401 credential_malformed"),
        (vec![(authorization, ada.clone())], "401 credential_malformed"),
        (vec![(authorization, format!("Basic {ada}"))], "401 credential_malformed"),
        (vec![(authorization, "Bearer gwk_wrong".to_owned())], "401 key_refused"),
        (vec![(authorization, format!("Bearer {}", "x".repeat(17_000)))], "401 credential_too_long"),
        (vec![(key, String::new())], "401 credential_missing"),
        // Nowhere else.
        (vec![("cookie", format!("token={ada}"))], "401 credential_missing"),
        (vec![("proxy-authorization", bearer(&ada))], "401 credential_missing"),
        (vec![("x-forwarded-access-token", ada.clone())], "401 credential_missing"),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(asked(&gate, &site, &headers).await, expected, "{headers:?}");
    }
    let strict = site.gate(CredentialPlaces::Bearer);
    assert_eq!(asked(&strict, &site, &[(key, TEAM_KEY)]).await, "401 credential_missing");
    let two = [(authorization, &*bearer(&ada)), (key, TEAM_KEY)];
    assert_eq!(asked(&strict, &site, &two).await, "ada", "what is not looked at does not contradict");
}

/// One claim or header at a time is wrong.
#[tokio::test]
async fn a_token_counts_only_when_everything_in_it_is_right() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::Bearer);
    let now = site.clock.now().unix_seconds();
    let with = |name: &str, value: Value| {
        let mut claims = site.claims("ada");
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.to_owned(), value);
        }
        site.sign(&claims)
    };
    for (name, value, fine) in [
        ("aud", json!(["https://other.example/", format!("http://{}/mcp", site.address)]), true),
        ("aud", json!("https://other.example/"), false),
        ("aud", json!([]), false),
        ("aud", Value::Null, false),
        ("iss", json!("https://other.example"), false),
        ("iss", json!(format!("http://{}/", site.address)), false),
        ("iss", Value::Null, false),
        ("exp", json!(now - 29), true),
        ("exp", json!(now - 31), false),
        ("exp", json!((now + 600).to_string()), false),
        ("exp", Value::Null, false),
        ("exp", json!(now + 25 * 3600), false),
        ("nbf", json!(now + 29), true),
        ("nbf", json!(now + 31), false),
        ("nbf", json!("soon"), false),
        ("iat", json!(now + 31), false),
        ("sub", Value::Null, false),
        ("sub", json!(7), false),
    ] {
        let token = with(name, value.clone());
        let verdict = asked(&gate, &site, &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(verdict == "ada", fine, "{name}: {value} gave {verdict}");
        assert!(fine || verdict.starts_with("401 "), "{name}: {value} gave {verdict}");
    }
    let good = site.token("ada");
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let foreign = other.sign("at+jwt", &site.claims("ada")).unwrap();
    let none = "eyJhbGciOiJub25lIn0";
    for forged in [
        foreign,
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}.{}", signature.get(2..).unwrap()),
        format!("{head}.{claims}.{signature}.x.y"),
    ] {
        let verdict = asked(&gate, &site, &[("authorization", &format!("Bearer {forged}"))]).await;
        assert!(verdict.starts_with("401 "), "{forged} gave {verdict}");
    }
}

#[tokio::test]
async fn a_static_key_ends_when_it_says() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::BearerOrApiKey);
    assert_eq!(asked(&gate, &site, &[("x-api-key", BRIEF_KEY)]).await, "brief");
    site.clock.advance(Duration::from_secs(99));
    assert_eq!(asked(&gate, &site, &[("x-api-key", BRIEF_KEY)]).await, "brief");
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(asked(&gate, &site, &[("x-api-key", BRIEF_KEY)]).await, "401 key_refused");
    assert_eq!(asked(&gate, &site, &[("x-api-key", TEAM_KEY)]).await, "team");
}

#[tokio::test]
async fn a_remembered_token_still_ends() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::Bearer);
    let bearer = format!("Bearer {}", site.token("ada"));
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(asked(&gate, &site, &headers).await, "ada");
    site.clock.advance(Duration::from_secs(599));
    assert_eq!(asked(&gate, &site, &headers).await, "ada");
    site.clock.advance(Duration::from_secs(30));
    assert_eq!(asked(&gate, &site, &headers).await, "ada", "within the leeway");
    site.clock.advance(Duration::from_secs(2));
    assert_eq!(asked(&gate, &site, &headers).await, "401 token_expired");
}

#[tokio::test]
async fn a_remembered_token_ends_at_once_when_it_is_revoked() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::Bearer);
    let store = FickleStore::create();
    let until = site.clock.now().plus(Duration::from_secs(600));
    let with = |subject: &str, more: &[(&str, &str)]| {
        let mut claims = site.claims(subject);
        for (name, value) in more {
            claims.insert((*name).to_owned(), json!(value));
        }
        format!("Bearer {}", site.sign(&claims))
    };
    let by_id = with("ada", &[]);
    let by_parent = with("bob", &[("parent_jti", "jti-parent")]);
    let mut claims = site.claims("eve");
    claims.insert("parent_jti".to_owned(), json!("jti-b"));
    claims.insert("ancestor_jti".to_owned(), json!(["jti-a", "jti-parent"]));
    let by_ancestor = format!("Bearer {}", site.sign(&claims));
    let by_grant = with("cyd", &[("grant_id", "g-1")]);
    let other = with("dan", &[("grant_id", "g-2")]);
    let all =
        [(&by_id, "ada"), (&by_parent, "bob"), (&by_ancestor, "eve"), (&by_grant, "cyd"), (&other, "dan")];
    for (bearer, subject) in all {
        assert_eq!(asked(&gate, &site, &[("authorization", bearer)]).await, subject);
    }
    let revoked = &site.revocations;
    for token in [
        TokenId::new("jti-ada"),
        TokenId::new("jti-parent"),
        Revocations::entry_of_grant(&GrantId::new("g-1")),
    ] {
        revoked.revoke(&store, &token, until).await.unwrap();
    }
    for bearer in [&by_id, &by_parent, &by_ancestor, &by_grant] {
        assert_eq!(asked(&gate, &site, &[("authorization", bearer)]).await, "401 token_revoked");
    }
    assert_eq!(asked(&gate, &site, &[("authorization", &other)]).await, "dan");
}

/// A token of ours stands on its client, on those who acted, on the user and on the connector of today.
#[tokio::test]
async fn a_token_falls_with_what_stands_behind_it() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::BearerOrApiKey);
    let login = |username: &str, subject: &str| {
        let subject = SubjectId::new(subject);
        let reference = LoginReference::embedded(&ConnectorName::new("staff"), username, &subject);
        json!({ "grant_id": "g-1", "grant_connector": "staff", "grant_login": reference.as_str() })
    };
    let ada = login("ada", "ada");
    let with = |base: &Value, more: &Value| {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let chain = |inner: &str| {
        json!({ "client_id": "gateway", "parent_jti": "p",
                                      "act": { "sub": "gateway", "act": { "sub": inner } } })
    };
    for (more, expected) in [
        (ada.clone(), "ada"),
        (json!({}), "ada"),
        (login("eve", "ada"), "401 token_user_removed"),
        // The name is taken by somebody else since.
        (login("ada", "old-ada"), "401 token_user_removed"),
        (with(&ada, &json!({ "grant_connector": "partners" })), "401 token_connector_removed"),
        (with(&ada, &json!({ "client_id": "gone" })), "401 token_client_removed"),
        // A client that is configured, and through which nobody signs in.
        (with(&ada, &json!({ "client_id": "gateway" })), "401 token_connector_removed"),
        (with(&ada, &json!({ "client_id": "https://clients.example/app" })), "ada"),
        (with(&ada, &json!({ "client_id": "https://elsewhere.example/app" })), "401 token_client_removed"),
        (with(&ada, &chain("cli")), "ada"),
        (with(&ada, &chain("gone")), "401 token_client_removed"),
        // Whoever acted at another server is that server's client.
        (with(&ada, &json!({ "act": { "sub": "gone", "iss": "https://other.example" } })), "ada"),
        (with(&login("eve", "ada"), &chain("cli")), "401 token_user_removed"),
    ] {
        let mut claims = site.claims("ada");
        claims.extend(more.as_object().unwrap().clone());
        let token = site.sign(&claims);
        for headers in [("authorization", format!("Bearer {token}")), ("x-api-key", token.clone())] {
            let (name, value) = &headers;
            assert_eq!(asked(&gate, &site, &[(name, value)]).await, expected, "{more}");
            assert_eq!(asked(&gate, &site, &[(name, value)]).await, expected, "remembered: {more}");
        }
    }
}

/// That keys cannot be had is our trouble and not the caller's: 503, not 401.
#[tokio::test]
async fn an_issuer_that_is_down_is_no_reason_to_blame_the_caller() {
    let site = Site::anywhere();
    let down = Peer::start(|_| Reply::status(500, "{}")).await;
    let url = Url::parse(&down.url("/.well-known/openid-configuration")).unwrap();
    let fetcher = site.outbound.egress(None).fetcher.clone();
    let issuer = Issuer::new("https://idp.example");
    let clock = Arc::clone(&site.clock) as Arc<dyn Clock>;
    let keys = IssuerKeys::new(
        ExpectedIssuer::Exactly(issuer.clone()),
        Discovery::at(url),
        Duration::from_secs(300),
        fetcher,
        clock,
    );
    let trusted = site.trusting(KeySource::Remote(Arc::new(keys)), issuer);
    let no_keys = KeyTable::new(Issuer::new("urn:keys"), []);
    let gate = ResourceServer::new(CredentialPlaces::Bearer, vec![trusted], no_keys, Arc::default());
    let mut claims = site.claims("ada");
    claims.insert("iss".to_owned(), json!("https://idp.example"));
    let bearer = format!("Bearer {}", site.sign(&claims));
    for _ in 0..3 {
        let verdict = asked(&gate, &site, &[("authorization", &bearer)]).await;
        assert_eq!(verdict, "503 issuer_keys_unavailable");
    }
    assert_eq!(down.seen().len(), 1, "and the issuer is not asked again for every caller");
    let own = format!("Bearer {}", site.token("ada"));
    assert_eq!(asked(&gate, &site, &[("authorization", &own)]).await, "401 issuer_unknown");
}

#[tokio::test]
async fn the_challenge_names_the_metadata_and_nothing_else() {
    let house = House::open(|site| {
        vec![site.guarded("/in", http::Method::GET, |_body, _context: crate::house::Verified| async {
            crate::house::text("in")
        })]
    })
    .await;
    let expired = {
        let mut claims = house.site.claims("ada");
        claims.insert("exp".to_owned(), json!(1));
        format!("Bearer {}", house.site.sign(&claims))
    };
    for (headers, sent) in [
        (vec![], "no"),
        (vec![("authorization", "Bearer gwk_wrong")], "yes"),
        (vec![("authorization", expired.as_str())], "yes"),
    ] {
        let answer = crate::peer::get(house.address(), "/in", &headers).await;
        assert_eq!((answer.status, answer.header("x-sent")), (401, sent), "{headers:?}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, "Bearer resource_metadata=\"http://gw.example/metadata\"");
        assert_eq!(answer.text, "plain: A valid credential is required.");
    }
}

/// An ID token says to a client that somebody signed in. Whoever has it may not call tools with it, whatever audience it
/// fits.
#[tokio::test]
async fn an_id_token_is_no_access_token() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::Bearer);
    let marked = |typ: &str, changes: &Value| {
        let mut claims = site.claims("ada");
        claims.extend(changes.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        format!("Bearer {}", site.sign_as(typ, &claims))
    };
    for typ in ["JWT", "at+jwt"] {
        for mark in [
            json!({ "nonce": "n" }),
            json!({ "at_hash": "h" }),
            json!({ "c_hash": "h" }),
            json!({ "s_hash": "h" }),
            json!({ "typ": "ID" }),
            json!({ "token_use": "id" }),
            json!({ "typ": "ID", "scope": null, "client_id": null }),
        ] {
            let refused = asked(&gate, &site, &[("authorization", &marked(typ, &mark))]).await;
            assert_eq!(refused, "401 token_wrong_type", "{typ} {mark}");
        }
        // A mark that says nothing is none, and whoever says what it is may repeat the nonce.
        for fine in [json!({ "nonce": null }), json!({ "typ": "Bearer", "nonce": "n" })] {
            assert_eq!(
                asked(&gate, &site, &[("authorization", &marked(typ, &fine))]).await,
                "ada",
                "{typ} {fine}"
            );
        }
    }
}

/// An issuer is called what it states, whatever its URL would make of it; and while it cannot be asked, nobody knows
/// whether a key that is not held is one of its own.
#[tokio::test]
async fn an_issuer_is_called_what_it_states() {
    let site = Site::anywhere();
    let jwks = json!({ "keys": [site.own_jwk()] }).to_string();
    let down = Arc::new(std::sync::atomic::AtomicBool::new(false));
    for (stated, other) in
        [("https://idp.example/", "https://idp.example"), ("https://idp.example", "https://idp.example/")]
    {
        down.store(false, std::sync::atomic::Ordering::SeqCst);
        let (keys, broken, name) = (jwks.clone(), Arc::clone(&down), stated.to_owned());
        let peer = Peer::start(move |request| {
            if broken.load(std::sync::atomic::Ordering::SeqCst) {
                return Reply::status(503, "{}");
            }
            if request.starts_with("GET /jwks ") {
                return Reply::json(keys.clone());
            }
            let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
            Reply::json(json!({ "issuer": name, "jwks_uri": format!("http://{host}/jwks") }).to_string())
        })
        .await;
        let expected = ExpectedIssuer::derived_from("https://idp.example");
        let url = Url::parse(&peer.url("/.well-known/openid-configuration")).unwrap();
        let fetcher = site.outbound.egress(None).fetcher.clone();
        let clock = Arc::clone(&site.clock) as Arc<dyn Clock>;
        let keys =
            IssuerKeys::new(expected.clone(), Discovery::at(url), Duration::from_secs(300), fetcher, clock);
        let mut trusted = site.trusting(KeySource::Remote(Arc::new(keys)), Issuer::new("unused"));
        trusted.issuer = expected;
        let no_keys = KeyTable::new(Issuer::new("urn:keys"), []);
        let gate = ResourceServer::new(CredentialPlaces::Bearer, vec![trusted], no_keys, Arc::default());
        let bearer = |issuer: &str| {
            let mut claims = site.claims("ada");
            claims.insert("iss".to_owned(), json!(issuer));
            format!("Bearer {}", site.sign(&claims))
        };
        assert_eq!(asked(&gate, &site, &[("authorization", &bearer(stated))]).await, "ada");
        assert_eq!(asked(&gate, &site, &[("authorization", &bearer(other))]).await, "401 token_wrong_issuer");
        let named = gate.authorization_servers().await;
        assert_eq!(named.issuers.iter().map(Issuer::as_str).collect::<Vec<_>>(), [stated]);

        let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
        let mut claims = site.claims("ada");
        claims.insert("iss".to_owned(), json!(stated));
        let unknown = format!("Bearer {}", stranger.sign("at+jwt", &claims).unwrap());
        site.clock.advance(Duration::from_secs(31));
        assert_eq!(asked(&gate, &site, &[("authorization", &unknown)]).await, "401 token_unknown_key");
        down.store(true, std::sync::atomic::Ordering::SeqCst);
        site.clock.advance(Duration::from_secs(31));
        for _ in 0..3 {
            let refused = asked(&gate, &site, &[("authorization", &unknown)]).await;
            assert_eq!(refused, "503 issuer_keys_unavailable");
        }
    }
}

/// Of a credential that is over, the record of the refusal can say whose it was; of any other it says nothing.
#[tokio::test]
async fn whose_credential_is_over_is_told_with_the_refusal() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::Bearer);
    let mut elsewhere = site.claims("ada");
    elsewhere.insert("aud".to_owned(), json!("https://other.example"));
    let credentials = [
        (site.token("ada"), Some("ada")),
        (BRIEF_KEY.to_owned(), Some("brief")),
        (site.sign(&elsewhere), None),
        ("gwk_wrong".to_owned(), None),
        ("opaque".to_owned(), None),
    ];
    site.clock.advance(Duration::from_secs(700));
    for (credential, expected) in credentials {
        let (mut parts, ()) = Request::new(()).into_parts();
        let bearer = HeaderValue::from_str(&format!("Bearer {credential}")).unwrap();
        parts.headers.append("authorization", bearer);
        let head = Head::admit(Arc::new(parts)).unwrap();
        let answer = gate.authenticate(&head, &site.snapshot, site.clock.now()).await;
        let rejection = answer.err().unwrap();
        let former = rejection.refused.map(|refused| refused.attribution().subject().to_string());
        assert_eq!(former.as_deref(), expected, "{}", rejection.reason);
    }
}

/// A credential that proves who sent it and is refused all the same is put down to them.
#[tokio::test]
async fn whoever_is_refused_with_a_token_of_theirs_is_named() {
    let site = Site::anywhere();
    let gate = site.gate(CredentialPlaces::Bearer);
    let mut incomplete = site.claims("ada");
    incomplete.insert("hasgroups".to_owned(), json!(true));
    let mut fallen = site.claims("ada");
    fallen.insert("grant_connector".to_owned(), json!("removed"));
    fallen.insert("grant_login".to_owned(), json!("x"));
    for (claims, reason) in [(incomplete, "groups_incomplete"), (fallen, "token_connector_removed")] {
        let (mut parts, ()) = Request::new(()).into_parts();
        let bearer = HeaderValue::from_str(&format!("Bearer {}", site.sign(&claims))).unwrap();
        parts.headers.append("authorization", bearer);
        let head = Head::admit(Arc::new(parts)).unwrap();
        let rejection = gate.authenticate(&head, &site.snapshot, site.clock.now()).await.err().unwrap();
        assert_eq!(rejection.reason, reason);
        let refused = rejection.refused.unwrap();
        assert_eq!(refused.attribution().subject().as_str(), "ada", "{reason}");
    }
}
