//! Who may call models: static keys, our own tokens, and tokens of an identity provider in both modes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use gatehouse_identity::clock::Clock as _;
use gatehouse_testkit::authority::Authority;

use crate::client::post;
use crate::gateway::{Gateway, PROVIDER_KEY, Plan, TEAM_KEY};
use crate::provider::{Provider, Reply};

const ASK: &[u8] = br#"{"model":"claude-opus","max_tokens":9,"messages":[]}"#;
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";

/// An identity provider with one key.
struct Directory {
    authority: Authority,
}

impl Directory {
    async fn start() -> Self {
        let authority = Authority::new("");
        let keys = authority.jwks().to_string();
        let server = Provider::start(move |seen| {
            if seen.head.starts_with("GET /jwks ") {
                return Reply::json("200 OK", &keys);
            }
            let host = seen.header("host").unwrap_or_default();
            let at = |path: &str| format!("http://{host}{path}");
            Reply::json("200 OK", &json!({"issuer": at(""), "jwks_uri": at("/jwks")}).to_string())
        })
        .await;
        Self { authority: authority.named(format!("http://{}", server.address)) }
    }

    /// The server as an item of `servers`.
    fn trusted(&self, token_type: &str) -> String {
        let issuer = &self.authority.issuer;
        format!(
            "        - wellKnownEndpoint: {issuer}/.well-known/openid-configuration\n          \
             tokenValidation: {{ method: jwt, expectedAudiences: [{CLIENT}], jwt: {{ tokenType: {token_type}, algorithms: [ES256] }} }}\n          \
             userClaim: oid\n"
        )
    }
}

async fn status(gateway: &Gateway, headers: &[(&str, &str)]) -> u16 {
    let answer = post(gateway, "/v1/messages", headers, ASK).await;
    if answer.status != 200 {
        answer.error();
    }
    answer.status
}

#[tokio::test]
async fn a_static_key_and_our_own_token_count_in_both_places() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let token = gateway.token("ada");
    let bearer = |credential: &str| format!("Bearer {credential}");
    for (headers, expected) in [
        (vec![("x-api-key", TEAM_KEY.to_owned())], Ok("team")),
        (vec![("authorization", bearer(TEAM_KEY))], Ok("team")),
        (vec![("x-api-key", TEAM_KEY.to_owned()), ("authorization", bearer(TEAM_KEY))], Ok("team")),
        (vec![("authorization", bearer(&token))], Ok("ada")),
        (vec![("x-api-key", token.clone())], Ok("ada")),
        (vec![("x-api-key", TEAM_KEY.to_owned()), ("authorization", bearer(&token))], Err(400)),
        (vec![("x-api-key", "gwk_wrong".to_owned())], Err(401)),
        (vec![("authorization", bearer("a.b.c"))], Err(401)),
        (vec![], Err(401)),
    ] {
        let before = provider.seen().len();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let status = status(&gateway, &headers).await;
        assert_eq!(status, expected.err().unwrap_or(200), "{headers:?}");
        assert_eq!(provider.seen().len() - before, usize::from(expected.is_ok()));
    }
    for seen in provider.seen() {
        assert!(!seen.head.contains(TEAM_KEY) && !seen.head.contains(&token), "{}", seen.head);
        assert_eq!(seen.header("x-api-key"), Some(PROVIDER_KEY));
    }
    let names: Vec<Value> =
        gateway.records.at_least(9).await.iter().map(|record| record["actor"]["sub"].clone()).collect();
    assert_eq!(names[..5], [json!("team"), json!("team"), json!("team"), json!("ada"), json!("ada")]);
}

/// Our own tokens stand on client, user and connector here as everywhere, wherever in the request they are.
#[tokio::test]
async fn a_token_of_somebody_who_was_removed_opens_no_model() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    // What the token of the embedded user `ada`, as whom she is configured, says.
    let known = "ToP0EqJgFgQsTrZcMWbj6w";
    for (client, connector, login, expected) in [
        ("cli", "staff", known, 200),
        ("cli", "staff", "AAAAAAAAAAAAAAAAAAAAAA", 401),
        ("cli", "partners", known, 401),
        ("gone", "staff", known, 401),
    ] {
        let issuer = format!("http://{}", gateway.address);
        let mut claims = gateway.claims(&issuer, &format!("{issuer}/v1"), "ada");
        for (name, value) in [
            ("client_id", client),
            ("grant_connector", connector),
            ("grant_login", login),
            ("grant_id", "g-1"),
        ] {
            claims.insert(name.to_owned(), json!(value));
        }
        let token = gateway.sign(&claims);
        assert_eq!(
            status(&gateway, &[("x-api-key", &token)]).await,
            expected,
            "{client} {connector} {login}"
        );
        assert_eq!(status(&gateway, &[("authorization", &format!("Bearer {token}"))]).await, expected);
    }
    assert_eq!(provider.seen().len(), 2);
    for reason in ["token_user_removed", "token_connector_removed", "token_client_removed"] {
        gateway.records.with_reason(reason).await;
    }
}

/// A token of another kind, for another audience, without the user claim, or expired, is no credential.
#[tokio::test]
async fn tokens_of_a_directory_count_by_mode() {
    let directory = Directory::start().await;
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    for (mode, id_token, access_token) in
        [("idToken", 200, 401), ("accessToken", 401, 200), ("either", 200, 200)]
    {
        let servers = directory.trusted(mode);
        let gateway = Gateway::start(&provider, &Plan { servers: &servers, ..Plan::default() }).await;
        let with = |name: &str, value: Value| {
            let mut claims = gateway.claims(&directory.authority.issuer, CLIENT, "pairwise-subject");
            claims.insert("oid".to_owned(), json!("object-id"));
            claims.insert(name.to_owned(), value);
            claims
        };
        let fine = with("nonce", json!("n"));
        let send = async |typ: &str, claims: &Map<String, Value>| {
            let bearer = format!("Bearer {}", directory.authority.sign(typ, claims));
            status(&gateway, &[("authorization", &bearer)]).await
        };
        assert_eq!(send("JWT", &fine).await, id_token, "ID token in mode {mode}");
        let access = with("scp", json!("models"));
        assert_eq!(send("at+jwt", &access).await, access_token, "access token in mode {mode}");
        let (typ, base) = if mode == "accessToken" { ("at+jwt", access) } else { ("JWT", fine) };
        for (name, value) in [
            ("aud", json!("another-client")),
            ("aud", json!(format!("http://{}/v1", gateway.address))),
            ("exp", json!(gateway.claims("", "", "")["iat"].as_i64().unwrap() - 60)),
            ("nbf", json!(gateway.claims("", "", "")["iat"].as_i64().unwrap() + 300)),
            ("oid", Value::Null),
            ("iss", json!("https://evil.example")),
        ] {
            let mut claims = base.clone();
            claims.insert(name.to_owned(), value);
            assert_eq!(send(typ, &claims).await, 401, "{name} in mode {mode}");
        }
        let record = gateway.records.at_least(1).await.remove(usize::from(mode == "accessToken"));
        assert_eq!(record["actor"]["sub"], "object-id", "the user claim names the user: {record}");
    }
}

#[tokio::test]
async fn a_token_that_expires_between_two_calls_ends_there() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let bearer = format!("Bearer {}", gateway.token("ada"));
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(status(&gateway, &headers).await, 200);
    gateway.clock.advance(Duration::from_secs(660));
    let answer = post(&gateway, "/v1/messages", &headers, ASK).await;
    assert_eq!(answer.error(), (401, "authentication_error".to_owned()));
    assert_eq!(answer.header("x-should-retry"), Some("false"), "the client signs in again instead");
}

/// Claude Desktop sends its ID token unless it is told otherwise. Ours counts for clients that may use this gateway.
#[tokio::test]
async fn an_id_token_of_our_own_counts_for_clients_that_may_come() {
    let provider = Provider::always(Reply::json("200 OK", r#"{"usage":{"input_tokens":1}}"#)).await;
    let gateway = Gateway::before(&provider).await;
    let bearer = |token: &str| format!("Bearer {token}");
    let gateway_url = format!("http://{}/v1", gateway.address);
    let beside = |audiences: Value| gateway.id_token_beside("cli", "ada", audiences);
    for (token, expected, reason) in [
        (gateway.id_token("cli", "ada"), 200, Value::Null),
        (beside(json!(["https://elsewhere.example", gateway_url])), 200, Value::Null),
        // The minting policies agreed to something else.
        (beside(json!(["https://elsewhere.example"])), 401, json!("token_wrong_audience")),
        (beside(json!([])), 401, json!("token_wrong_audience")),
        (beside(Value::Null), 401, json!("token_wrong_audience")),
        (beside(json!(gateway_url)), 401, json!("token_wrong_audience")),
        (gateway.token("ada"), 200, Value::Null),
        (gateway.id_token("other", "ada"), 401, json!("token_wrong_audience")),
        (gateway.id_token("stranger", "ada"), 401, json!("token_wrong_audience")),
        // For the gateway, yet no access token.
        (
            gateway.id_token(&format!("http://{}/v1", gateway.address), "ada"),
            401,
            json!("token_wrong_audience"),
        ),
    ] {
        assert_eq!(status(&gateway, &[("authorization", &bearer(&token))]).await, expected, "{reason}");
        let record = gateway.records.all().pop().unwrap();
        assert_eq!(record["reason"], reason, "{record}");
        if expected == 200 {
            assert_eq!(
                (&record["actor"]["sub"], &record["actor"]["client_id"]),
                (&json!("ada"), &json!("cli"))
            );
        }
    }
    // An access token for the client, rather than for us, is none of its ID tokens.
    let for_client = gateway.sign(&gateway.claims(&format!("http://{}", gateway.address), "cli", "ada"));
    assert_eq!(status(&gateway, &[("authorization", &bearer(&for_client))]).await, 401);
    let token = gateway.id_token("cli", "ada");
    gateway.clock.advance(Duration::from_secs(3600));
    assert_eq!(status(&gateway, &[("authorization", &bearer(&token))]).await, 401);
    assert_eq!(gateway.records.all().pop().unwrap()["reason"], "token_expired");
}

/// Somebody who is in more groups than their token can hold must not pass for somebody who is in none.
#[tokio::test]
async fn a_token_whose_groups_were_left_out_opens_models_only_where_that_is_written() {
    let directory = Directory::start().await;
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let incomplete = [
        json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": "https://graph" } } }),
        json!({ "hasgroups": true }),
    ];
    let policy = "default result := {\"allowed\": false}\nresult := {\"allowed\": true} if input.user.groups_complete\n\
                  result := {\"allowed\": true} if input.request.llm.model == \"alias\"";
    for mode in ["idToken", "accessToken", "either"] {
        let strict = directory.trusted(mode);
        let open = format!("{strict}          onIncompleteGroups: allow\n");
        for (servers, all, open_model) in [(&strict, 403, 403), (&open, 403, 200)] {
            let plan = Plan { servers, policy, ..Plan::default() };
            let gateway = Gateway::start(&provider, &plan).await;
            for more in &incomplete {
                let mut claims = gateway.claims(&directory.authority.issuer, CLIENT, "pairwise-subject");
                let mark = if mode == "accessToken" { ("scp", "models") } else { ("nonce", "n") };
                claims.extend(more.as_object().unwrap().clone());
                claims.extend(
                    [("oid", "object-id"), mark].map(|(name, value)| (name.to_owned(), json!(value))),
                );
                let typ = if mode == "accessToken" { "at+jwt" } else { "JWT" };
                let bearer = format!("Bearer {}", directory.authority.sign(typ, &claims));
                let ask = async |model: &str| {
                    let body = format!(r#"{{"model":"{model}","max_tokens":9,"messages":[]}}"#);
                    post(&gateway, "/v1/messages", &[("authorization", &bearer)], body.as_bytes())
                        .await
                        .status
                };
                assert_eq!(
                    (ask("claude-opus").await, ask("alias").await),
                    (all, open_model),
                    "{mode} {more}"
                );
            }
            if open_model == 403 {
                let record = gateway.records.with_reason("groups_incomplete").await;
                assert_eq!(record["event"], "credential.refused");
            } else {
                let record = gateway.records.with_reason("policy_denied").await;
                assert_eq!(record["actor"]["groups_incomplete"], true, "{record}");
            }
        }
    }
}

/// The records say who it was and in which groups, also where a credential is over, and a program is none of the people.
#[tokio::test]
async fn every_call_is_put_down_to_somebody() {
    let directory = Directory::start().await;
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let servers =
        directory.trusted("either").replace("userClaim: oid", "userClaim: oid\n          groupsClaim: teams");
    let gateway = Gateway::start(&provider, &Plan { servers: &servers, ..Plan::default() }).await;
    let send = async |changes: Value| {
        let mut claims = gateway.claims(&directory.authority.issuer, CLIENT, "pairwise-subject");
        claims.extend(
            [("oid", "object-id"), ("nonce", "n")].map(|(name, value)| (name.to_owned(), json!(value))),
        );
        claims.extend(changes.as_object().unwrap().clone());
        let bearer = format!("Bearer {}", directory.authority.sign("JWT", &claims));
        let status = status(&gateway, &[("authorization", &bearer)]).await;
        let record = gateway.records.all().pop().unwrap();
        (status, record["actor"].clone())
    };
    let (status, person) = send(json!({ "teams": ["red", "blue"], "groups": ["unused"] })).await;
    assert_eq!((status, &person["groups"], &person["kind"]), (200, &json!(["red", "blue"]), &json!("user")));
    assert!(
        person.get("credential_expired").is_none() && person.get("groups_incomplete").is_none(),
        "{person}"
    );
    let (status, program) = send(json!({ "idtyp": "app", "azp": "app-1", "nonce": null })).await;
    assert_eq!((status, &program["kind"]), (200, &json!("workload")));
    let now = gateway.clock.now().unix_seconds();
    let over = json!({ "iat": now - 900, "exp": now - 300, "teams": ["red"] });
    let (status, former) = send(over.clone()).await;
    assert_eq!((status, &former["sub"], &former["groups"]), (401, &json!("object-id"), &json!(["red"])));
    assert_eq!(former["credential_expired"], true);
    // Of which sign-in of whom a token is, a Gatehouse alone says; nobody else can put a call under another name.
    let forged = json!({
        "teams": ["red"], "grant_id": "g-of-grace", "grant_user": "https://idp.example|grace",
        "grant_connector": "staff", "grant_login": "x",
    });
    for changes in [Value::Null, over.clone()] {
        let mut claims = forged.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap_or_default());
        let (_, person) = send(claims).await;
        assert_eq!(person["user"], format!("{}|object-id", directory.authority.issuer), "{person}");
        assert!(person.get("grant").is_none() && person.get("connector").is_none(), "{person}");
    }
    // Whoever is not proven is not named.
    let mut elsewhere = over;
    elsewhere["aud"] = json!("another-client");
    let (status, nobody) = send(elsewhere).await;
    assert_eq!((status, nobody.get("sub")), (401, None), "{nobody}");
}

/// What only its issuer can read is no unknown key, and what is encrypted is neither.
#[tokio::test]
async fn a_token_that_cannot_be_verified_here_is_told_from_a_key() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    for (credential, reason) in [
        ("ya29.a0AfB_byC-opaque", "token_not_jwt"),
        ("00Dopaque-of-some-org-server", "token_not_jwt"),
        ("sk-ant-api03-somebody-elses", "token_not_jwt"),
        ("eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn", "token_encrypted"),
        ("gwk_unknown", "key_refused"),
    ] {
        let before = gateway.records.all().len();
        assert_eq!(status(&gateway, &[("authorization", &format!("Bearer {credential}"))]).await, 401);
        let record = gateway.records.all().split_off(before).pop().unwrap();
        assert_eq!(record["reason"], reason, "{credential}");
    }
}

/// `idToken` and `accessToken` mean what they say, also of tokens that do not name their kind in the header.
#[tokio::test]
async fn a_mode_takes_tokens_of_its_own_kind_only() {
    let directory = Directory::start().await;
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    for (mode, id_token, access_token) in
        [("idToken", 200, 401), ("accessToken", 401, 200), ("either", 200, 200)]
    {
        let servers = directory.trusted(mode);
        let gateway = Gateway::start(&provider, &Plan { servers: &servers, ..Plan::default() }).await;
        for (mark, expected) in [
            (json!({ "nonce": "n" }), id_token),
            (json!({ "typ": "ID" }), id_token),
            (json!({ "at_hash": "h" }), id_token),
            (json!({ "token_use": "id" }), id_token),
            (json!({ "scp": "models" }), access_token),
            (json!({ "scp": ["models"], "cid": "c" }), access_token),
            (json!({ "typ": "Bearer" }), access_token),
            (json!({ "idtyp": "app", "appid": "a" }), access_token),
        ] {
            let mut claims = gateway.claims(&directory.authority.issuer, CLIENT, "pairwise-subject");
            for name in ["client_id", "scope"] {
                claims.remove(name);
            }
            claims.insert("oid".to_owned(), json!("object-id"));
            claims.extend(mark.as_object().unwrap().clone());
            let bearer = format!("Bearer {}", directory.authority.sign("JWT", &claims));
            assert_eq!(
                status(&gateway, &[("authorization", &bearer)]).await,
                expected,
                "{mark} in mode {mode}"
            );
        }
    }
}

/// A token that lives for long is refused, unless that is written.
#[tokio::test]
async fn how_long_a_token_may_live_is_configured() {
    let directory = Directory::start().await;
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    for (written, hours, expected) in
        [("", 24, 200), ("", 25, 401), (", maxLifetime: 48h", 47, 200), (", maxLifetime: 1h", 2, 401)]
    {
        let servers = directory.trusted("either").replace(", algorithms", &format!("{written}, algorithms"));
        let gateway = Gateway::start(&provider, &Plan { servers: &servers, ..Plan::default() }).await;
        let mut claims = gateway.claims(&directory.authority.issuer, CLIENT, "pairwise-subject");
        let now = gateway.clock.now().unix_seconds();
        claims.insert("oid".to_owned(), json!("object-id"));
        claims.extend(
            [("iat", now), ("exp", now + hours * 3600)].map(|(name, at)| (name.to_owned(), json!(at))),
        );
        let bearer = format!("Bearer {}", directory.authority.sign("at+jwt", &claims));
        assert_eq!(status(&gateway, &[("authorization", &bearer)]).await, expected, "{written} {hours} h");
    }
}
