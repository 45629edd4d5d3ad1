//! Tokens for upstreams: minted here or fetched elsewhere, once for all who want the same, and for nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_config::snapshot::outbound::{
    Authority, Exchange, ExchangeKind, Outbound as OutboundRule, Reach, ToolRule,
};
use gatehouse_edge::authn::client::ClientDirectory;
use gatehouse_edge::authorize::{Act, Facts, authorize};
use gatehouse_edge::outbound::delegate::{Delegation, OutboundCredential};
use gatehouse_edge::permit::{Delegated, Origin, Outgoing};
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::routes::Route;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock as _;
use gatehouse_identity::id::{ClientId, Issuer, TokenId};
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use gatehouse_policy::input::{Target, ToolCall};
use gatehouse_testkit::outage::FickleStore;

use crate::house::{House, Plan, Site, TEAM_KEY, Verified, text};
use crate::peer::{Answer, Peer, Reply, get};

/// A call of a tool whose upstream is nowhere.
struct Call<'a> {
    facts: ToolCall<'a>,
    tool: &'a str,
    rule: &'a OutboundRule,
}

impl Act for Call<'_> {
    fn facts(&self) -> Facts<'_> {
        Facts::Tool(self.facts.clone())
    }
}

impl Outgoing for Call<'_> {
    fn origin(&self) -> Result<Origin, Rejection> {
        Origin::of(&Url::parse("https://nowhere.example").unwrap())
    }
}

impl Delegated for Call<'_> {
    fn credential_rule(&self) -> Option<&OutboundRule> {
        Some(self.rule)
    }

    fn tool(&self) -> Option<&str> {
        Some(self.tool)
    }
}

/// A route `/{tool}` whose answer is the credential for that tool under `rule`.
fn calling(site: &Site, rule: OutboundRule) -> Route {
    calling_after(site, rule, None)
}

/// The same, where this token is revoked between the gate and the question.
fn calling_after(site: &Site, rule: OutboundRule, revoked: Option<TokenId>) -> Route {
    let revocations = Arc::clone(&site.revocations);
    let clients = ClientDirectory::new(site.outbound.egress(None).fetcher.clone());
    let delegation = Delegation::new(Some(site.token_issuer()), clients, Arc::clone(&site.outbound));
    let (delegation, rule) = (Arc::new(delegation), Arc::new(rule));
    site.guarded("/{tool}", Method::GET, move |_body, context: Verified| {
        let (delegation, rule) = (Arc::clone(&delegation), Arc::clone(&rule));
        let (revocations, revoked) = (Arc::clone(&revocations), revoked.clone());
        async move {
            if let Some(token) = &revoked {
                let until = context.now.plus(Duration::from_secs(600));
                revocations.revoke(&FickleStore::create(), token, until).await.unwrap();
            }
            let tool = context.segment.clone().unwrap_or_default();
            let facts = ToolCall {
                principal: &context.who.caller().principal,
                method: "tools/call",
                app: "ledger",
                protocol_version: "2026-07-28",
                client_info: None,
                target: Target::Tool {
                    name: &tool,
                    qualified_name: &tool,
                    arguments: None,
                    annotations: None,
                },
            };
            let call = Call { facts, tool: &tool, rule: &rule };
            let permitted = authorize(call, &[], &context, None).await?;
            text(match delegation.credential(&permitted, &context).await? {
                OutboundCredential::Bearer(token) => format!("Bearer {}", token.token.expose()),
                OutboundCredential::Header { name, value } => format!("{name}: {}", value.expose()),
                OutboundCredential::None => "nothing".to_owned(),
            })
        }
    })
}

/// Exchange at ourselves or at the server of `peer`; two tools have rules.
fn exchanging(site: &Site, audience: &str, peer: Option<&Peer>) -> OutboundRule {
    let rule = |scope: &str, seconds| ToolRule {
        lifetime: Some(Duration::from_secs(seconds)),
        scopes: ScopeSet::parse(scope).unwrap(),
    };
    let tools = BTreeMap::from([
        ("read".to_owned(), rule("tools:use", 90)),
        ("rule".to_owned(), rule("tools:admin", 90)),
    ]);
    OutboundRule::TokenExchange(Exchange {
        kind: ExchangeKind::Delegation,
        authority: authority(site, peer),
        audience: Some(Audience::new(audience)),
        tools,
    })
}

fn authority(site: &Site, peer: Option<&Peer>) -> Authority {
    let (issuer, reach) = match peer {
        None => (site.issuer(), Reach::Local),
        Some(peer) => {
            let well_known = Url::parse(&peer.url("/.well-known/openid-configuration")).unwrap();
            let client_secret = Secret::new("s&c ret".to_owned());
            let discovery = Discovery::at(well_known);
            (Issuer::new("https://idp.example"), Reach::Remote { discovery, client_secret, tls: None })
        }
    };
    Authority { issuer: ExpectedIssuer::Exactly(issuer), client_id: ClientId::new("gateway"), reach }
}

/// Signatures of ES256 differ every time; a client keeps its token.
async fn as_user(house: &House, path: &str, subject: &str) -> Answer {
    let bearer = format!("Bearer {}", house.site.kept_token(subject));
    get(house.address(), path, &[("authorization", &bearer)]).await
}

fn claims(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let payload = answer.text.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn local() -> House {
    House::open(|site| vec![calling(site, exchanging(site, "https://tools.example/", None))]).await
}

#[tokio::test]
async fn a_minted_token_speaks_for_the_user_and_names_the_actors() {
    let house = local().await;
    let answer = as_user(&house, "/read", "ada").await;
    let token = claims(&answer);
    let site = &house.site;
    assert_eq!(token["sub"], "ada");
    assert_eq!(token["aud"], "https://tools.example/");
    assert_eq!(token["scope"], "tools:use");
    assert_eq!(token["act"]["sub"], "gateway");
    assert_eq!(token["act"]["act"]["sub"], "cli");
    assert_eq!(token["parent_jti"], "jti-ada");
    assert_eq!(token["exp"], site.clock.now().unix_seconds() + 90);
    assert_ne!(answer.text, format!("Bearer {}", site.token("ada")));
}

/// One record for the token, durable before it is used, and the call's own record names it, cached or not.
#[tokio::test]
async fn a_minted_token_leaves_its_own_record_and_stands_in_those_of_the_calls() {
    let house = local().await;
    as_user(&house, "/read", "ada").await;
    as_user(&house, "/read", "ada").await;
    let records = house.records.at_least(3).await;
    let kinds: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["token.exchange", "tool.call", "tool.call"]);
    let jti = &records[0]["exchange"]["jti"];
    for record in &records {
        assert_eq!(record["exchange"]["jti"], *jti, "{record}");
        assert_eq!(record["exchange"]["actors"], json!(["gateway", "cli"]), "{record}");
        assert_eq!(record["actor"]["sub"], "ada", "{record}");
    }
    assert_eq!(records[0]["policy"]["name"], "exchange");
    assert_eq!(records[1]["policy"], Value::Null, "the verdict on the token is not one on the call");
    assert_eq!(records[0]["request"]["id"], records[1]["request"]["id"]);
}

#[tokio::test]
async fn a_policy_that_refuses_the_token_refuses_the_call() {
    let house = local().await;
    let answer = as_user(&house, "/read", "mallory").await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(!answer.text.contains("mallory is out"), "{answer:?}");
    let records = house.records.at_least(2).await;
    assert_eq!(records[0]["event"], "token.exchange");
    assert_eq!(records[0]["outcome"], "deny");
    assert_eq!(records[0]["policy"]["internal_message"], "mallory is out");
    assert_eq!(records[1]["outcome"], "deny");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_used() {
    let house = local().await;
    house.records.stick(true);
    assert_eq!(as_user(&house, "/read", "ada").await.verdict(), (503, "audit_unavailable"));
    house.records.stick(false);
    assert_eq!(as_user(&house, "/read", "ada").await.status, 200, "and the failure is not kept");
}

#[tokio::test]
async fn a_held_token_is_for_the_same_user_tool_rule_and_credential_only() {
    let house = local().await;
    let ada = as_user(&house, "/read", "ada").await.text;
    assert_eq!(as_user(&house, "/read", "ada").await.text, ada);
    let bob = as_user(&house, "/read", "bob").await;
    assert_eq!(claims(&bob)["sub"], "bob");
    // A tool without a rule gets a token of its own, as long as the server likes.
    let plain = as_user(&house, "/other", "ada").await;
    assert_ne!(plain.text, ada);
    assert_ne!(claims(&plain)["exp"], claims(&bob)["exp"]);
    // Another token of the same user may say other things.
    let mut again = house.site.claims("ada");
    again.insert("jti".to_owned(), json!("jti-second"));
    let bearer = format!("Bearer {}", house.site.sign(&again));
    let second = get(house.address(), "/read", &[("authorization", &bearer)]).await;
    assert_eq!(claims(&second)["parent_jti"], "jti-second");
    // A scope that the user's token does not carry is not given, held tokens or not.
    assert_eq!(as_user(&house, "/rule", "ada").await.verdict(), (403, "exchange_refused"));
    let other =
        House::open(|site| vec![calling(site, exchanging(site, "https://other.example/", None))]).await;
    assert_eq!(claims(&as_user(&other, "/read", "ada").await)["aud"], "https://other.example/");
}

#[tokio::test]
async fn a_held_token_is_not_used_in_its_last_thirty_seconds() {
    let house = local().await;
    let bearer = format!("Bearer {}", house.site.kept_token("ada"));
    let first = get(house.address(), "/read", &[("authorization", &bearer)]).await;
    house.site.clock.advance(Duration::from_secs(59));
    assert_eq!(get(house.address(), "/read", &[("authorization", &bearer)]).await.text, first.text);
    house.site.clock.advance(Duration::from_secs(1));
    let second = get(house.address(), "/read", &[("authorization", &bearer)]).await;
    assert_ne!(second.text, first.text);
    assert_eq!(claims(&second)["exp"], claims(&first)["exp"].as_i64().unwrap() + 60);
}

#[tokio::test]
async fn a_static_key_has_nobody_to_act_for() {
    let house = local().await;
    let answer = get(house.address(), "/read", &[("x-api-key", TEAM_KEY)]).await;
    assert_eq!(answer.verdict(), (403, "delegation_needs_token"));
}

#[tokio::test]
async fn the_gateways_own_token_names_nobody_else() {
    let house = House::open(|site| {
        let rule = OutboundRule::ClientCredentials {
            authority: authority(site, None),
            audience: Some(Audience::new("https://tools.example/")),
            scopes: ScopeSet::none(),
        };
        vec![calling(site, rule)]
    })
    .await;
    let ada = as_user(&house, "/read", "ada").await;
    let token = claims(&ada);
    assert_eq!((&token["sub"], &token["act"]), (&json!("gateway"), &Value::Null));
    assert_eq!(as_user(&house, "/read", "bob").await.text, ada.text, "it is the same for everybody");
    let team = get(house.address(), "/read", &[("x-api-key", TEAM_KEY)]).await;
    assert_eq!(team.text, ada.text);
}

#[tokio::test]
async fn configured_headers_and_nothing_need_no_server() {
    let house = House::open(|site| {
        let value = Secret::new("Basic eDp5".to_owned());
        vec![calling(site, OutboundRule::Static { header: "authorization".to_owned(), value })]
    })
    .await;
    assert_eq!(as_user(&house, "/read", "ada").await.text, "authorization: Basic eDp5");
    let open = House::open(|site| vec![calling(site, OutboundRule::Unprotected)]).await;
    assert_eq!(as_user(&open, "/read", "ada").await.text, "nothing");
}

/// A server of tokens: metadata, and a token endpoint that answers as `answer` says to its n-th request.
async fn remote(answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Peer {
    let asked = AtomicUsize::new(0);
    Peer::start(move |request| {
        if request.starts_with("POST /token ") {
            return answer(asked.fetch_add(1, Ordering::SeqCst));
        }
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let at = |path: &str| format!("http://{host}{path}");
        Reply::json(
            json!({"issuer": "https://idp.example", "jwks_uri": at("/jwks"), "token_endpoint": at("/token")})
                .to_string(),
        )
    })
    .await
}

fn token_answer(number: usize) -> String {
    json!({"access_token": format!("remote-{number}"), "token_type": "Bearer", "expires_in": 300, "scope": "given"})
        .to_string()
}

async fn abroad(peer: &Peer) -> House {
    House::open(|site| vec![calling(site, exchanging(site, "https://tools.example/", Some(peer)))]).await
}

fn token_requests(peer: &Peer) -> Vec<String> {
    peer.seen().into_iter().filter(|request| request.starts_with("POST /token ")).collect()
}

#[tokio::test]
async fn another_server_is_asked_in_the_words_of_rfc_8693() {
    let peer = remote(|number| Reply::json(token_answer(number))).await;
    let house = abroad(&peer).await;
    let answer = as_user(&house, "/read", "ada").await;
    assert_eq!(answer.text, "Bearer remote-0");
    let request = token_requests(&peer).remove(0);
    // Both halves are form-urlencoded before base64 (RFC 6749 §2.3.1): gateway:s%26c+ret.
    assert!(request.contains("authorization: Basic Z2F0ZXdheTpzJTI2YytyZXQ=\r\n"), "{request}");
    let (_, form) = request.split_once("\r\n\r\n").unwrap();
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let expected = BTreeMap::from(
        [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", house.site.kept_token("ada").as_str()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", "https://tools.example/"),
            ("scope", "tools:use"),
            ("expires_in", "90"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    assert_eq!(form, expected);
    let record = house.records.only().await;
    assert_eq!(record["exchange"]["scope"], "given", "{record}");
    assert_eq!(record["exchange"]["aud"], json!(["https://tools.example/"]), "{record}");
    assert!(!record.to_string().contains("remote-0"), "{record}");
}

#[tokio::test]
async fn those_who_want_the_same_token_wait_for_one_request() {
    let peer = remote(|number| {
        let Reply::Bytes(bytes) = Reply::json(token_answer(number)) else { unreachable!() };
        Reply::Late(Duration::from_millis(300), bytes)
    })
    .await;
    let house = abroad(&peer).await;
    let bearer = format!("Bearer {}", house.site.kept_token("ada"));
    let headers = [("authorization", bearer.as_str())];
    let calls = (0..32).map(|_| get(house.address(), "/read", &headers));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.text, "Bearer remote-0");
    }
    assert_eq!(token_requests(&peer).len(), 1);
    as_user(&house, "/read", "bob").await;
    assert_eq!(token_requests(&peer).len(), 2, "another user is another token");
    assert_eq!(peer.seen().len(), 3, "the metadata is read once");
    for record in house.records.at_least(33).await {
        assert_eq!(record["exchange"]["scope"], "given", "{record}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart_and_never_kept() {
    let error = |code: &str| json!({"error": code, "error_description": "the secret story"}).to_string();
    for (status, body, expected) in [
        (400, error("invalid_grant"), (403, "exchange_refused")),
        (400, error("invalid_target"), (403, "exchange_refused")),
        (401, error("invalid_client"), (500, "exchange_misconfigured")),
        (400, error("unauthorized_client"), (500, "exchange_misconfigured")),
        (429, error("slow_down"), (503, "exchange_unavailable")),
        (500, error("server_error"), (503, "exchange_unavailable")),
        (500, "<html>".to_owned(), (503, "exchange_unavailable")),
        (200, "{}".to_owned(), (503, "exchange_unavailable")),
        (200, json!({"access_token": "x", "token_type": "DPoP"}).to_string(), (503, "exchange_unavailable")),
        (302, "{}".to_owned(), (403, "exchange_refused")),
    ] {
        let first = body.clone();
        let peer = remote(move |number| match number {
            0 => Reply::status(status, first.clone()),
            _ => Reply::json(token_answer(number)),
        })
        .await;
        let house = abroad(&peer).await;
        let answer = as_user(&house, "/read", "ada").await;
        assert_eq!(answer.verdict(), expected, "{status} {body}");
        assert!(!answer.text.contains("secret"), "{answer:?}");
        assert_eq!(as_user(&house, "/read", "ada").await.text, "Bearer remote-1", "{status} {body}");
    }
}

#[tokio::test]
async fn a_token_that_does_not_say_how_long_it_lasts_is_used_once() {
    let peer = remote(|number| Reply::json(json!({"access_token": format!("t-{number}")}).to_string())).await;
    let house = abroad(&peer).await;
    assert_eq!(as_user(&house, "/read", "ada").await.text, "Bearer t-0");
    assert_eq!(as_user(&house, "/read", "ada").await.text, "Bearer t-1");
}

/// A header, the path, the address, the time: what a policy read in one request was not so in the next. The token that
/// was given for the first is not used for the second, and stays for those that it was given for.
#[tokio::test]
async fn a_held_token_is_for_requests_that_would_be_given_it() {
    let plan = Plan { trusted: vec!["127.0.0.1/32"], ..Plan::default() };
    let house =
        House::with(plan, |site| vec![calling(site, exchanging(site, "https://tools.example/", None))]).await;
    let ask = async |user: &str, path: &str, header: (&'static str, &str)| {
        let bearer = format!("Bearer {}", house.site.kept_token(user));
        get(house.address(), path, &[("authorization", &bearer), header]).await
    };
    for (user, good, bad) in [
        ("heather", ("/other", ("x-ticket", "17")), ("/other", ("x-other", "17"))),
        ("pat", ("/other", ("x-other", "1")), ("/another", ("x-other", "1"))),
        ("ira", ("/other", ("x-forwarded-for", "192.0.2.1")), ("/other", ("x-forwarded-for", "192.0.2.2"))),
    ] {
        assert_eq!(ask(user, bad.0, bad.1).await.verdict(), (403, "policy_denied"), "{user}");
        let given = ask(user, good.0, good.1).await;
        assert_eq!(given.status, 200, "{user}: {given:?}");
        let before = house.records.all().len();
        assert_eq!(ask(user, bad.0, bad.1).await.verdict(), (403, "policy_denied"), "{user}");
        let records = house.records.at_least(before + 2).await;
        let kinds: Vec<_> =
            records[before..].iter().map(|record| (&record["event"], &record["outcome"])).collect();
        assert_eq!(kinds[0], (&json!("token.exchange"), &json!("deny")), "{user}: the refusal is on record");
        assert_eq!(ask(user, good.0, good.1).await.text, given.text, "{user}: it is held all the same");
    }
    let early = ask("tim", "/other", ("x-other", "1")).await;
    assert_eq!(early.status, 200, "{early:?}");
    house.site.clock.advance(Duration::from_secs(60));
    assert_eq!(ask("tim", "/other", ("x-other", "1")).await.text, early.text);
    house.site.clock.advance(Duration::from_secs(1));
    assert_eq!(ask("tim", "/other", ("x-other", "1")).await.verdict(), (403, "policy_denied"));
}

/// Requests that wait for one token are decided each by itself, whoever was first.
#[tokio::test]
async fn those_who_wait_share_the_token_and_not_the_decision() {
    let house = local().await;
    let bearer = format!("Bearer {}", house.site.kept_token("heather"));
    let with: Vec<_> = (0..16).map(|number| if number % 2 == 0 { "17" } else { "0" }).collect();
    let calls = with.iter().map(|ticket| {
        let bearer = bearer.clone();
        let address = house.address();
        async move { get(address, "/other", &[("authorization", &bearer), ("x-ticket", ticket)]).await }
    });
    let answers = futures_util::future::join_all(calls).await;
    for (ticket, answer) in with.iter().zip(&answers) {
        assert_eq!(answer.status, if *ticket == "17" { 200 } else { 403 }, "{ticket}: {answer:?}");
    }
}

/// Between the gate and the upstream a token may be revoked, and what was made of it before goes with it.
#[tokio::test]
async fn a_held_token_falls_with_the_token_that_it_was_given_for() {
    let house = local().await;
    let first = as_user(&house, "/read", "ada").await;
    let store = FickleStore::create();
    let until = house.site.clock.now().plus(Duration::from_secs(600));
    // The token itself was taken back: another one is made.
    let id = TokenId::new(claims(&first)["jti"].as_str().unwrap());
    house.site.revocations.revoke(&store, &id, until).await.unwrap();
    let second = as_user(&house, "/read", "ada").await;
    assert_ne!(claims(&second)["jti"], claims(&first)["jti"]);
    // The caller's token was taken back after the gate let it in.
    let house = House::open(|site| {
        let rule = exchanging(site, "https://tools.example/", None);
        vec![calling_after(site, rule, Some(TokenId::new("jti-ada")))]
    })
    .await;
    assert_eq!(as_user(&house, "/read", "ada").await.verdict(), (401, "token_revoked"));
}

/// An authorization server that answers with what it was sent, or with somebody else's token, is not believed.
#[tokio::test]
async fn the_callers_own_token_never_goes_upstream() {
    let peer = Peer::start(move |request| {
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let at = |path: &str| format!("http://{host}{path}");
        if !request.starts_with("POST /token ") {
            let metadata = json!({"issuer": "https://idp.example", "jwks_uri": at("/jwks"),
                                  "token_endpoint": at("/token")});
            return Reply::json(metadata.to_string());
        }
        let (_, form) = request.split_once("\r\n\r\n").unwrap();
        let sent = url::form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "subject_token");
        let returned = sent.map_or_else(|| "nothing".to_owned(), |(_, token)| token.into_owned());
        Reply::json(json!({"access_token": returned, "token_type": "Bearer", "expires_in": 300}).to_string())
    })
    .await;
    let house = abroad(&peer).await;
    for _ in 0..2 {
        let answer = as_user(&house, "/read", "ada").await;
        assert_eq!(answer.verdict(), (502, "exchange_returned_token"));
        assert!(!answer.text.contains("eyJ"), "{answer:?}");
    }
    assert_eq!(token_requests(&peer).len(), 2, "and it is not kept");
    let records = house.records.at_least(2).await;
    assert_eq!(
        (&records[0]["reason"], &records[0]["outcome"]),
        (&json!("exchange_returned_token"), &json!("error"))
    );
}

#[tokio::test]
async fn another_token_than_was_asked_for_is_refused() {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    for claims in [
        json!({ "sub": "ada" }),
        json!({ "sub": "gateway", "aud": "https://elsewhere.example" }),
        json!({ "sub": "gateway", "typ": "Refresh" }),
    ] {
        let token = format!("{}.{}.c2ln", encode(&json!({ "alg": "ES256" })), encode(&claims));
        let given = json!({"access_token": token, "token_type": "Bearer", "expires_in": 300}).to_string();
        let peer = remote(move |number| match number {
            0 => Reply::json(given.clone()),
            _ => Reply::json(token_answer(number)),
        })
        .await;
        let house = House::open(|site| {
            let rule = OutboundRule::ClientCredentials {
                authority: authority(site, Some(&peer)),
                audience: Some(Audience::new("https://tools.example/")),
                scopes: ScopeSet::none(),
            };
            vec![calling(site, rule)]
        })
        .await;
        assert_eq!(
            as_user(&house, "/read", "ada").await.verdict(),
            (502, "exchange_wrong_token"),
            "{claims}"
        );
        assert_eq!(as_user(&house, "/read", "ada").await.text, "Bearer remote-1", "{claims}");
    }
}
