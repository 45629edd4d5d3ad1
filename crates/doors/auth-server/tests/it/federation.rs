//! Signing in at an upstream identity provider.

use std::time::Duration;

use serde_json::{Value, json};

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;

use crate::answer::{Answer, form, parameters};
use crate::browser::Browser;
use crate::client::{Client, Parameters, pairs, text};
use crate::idp::{Idp, raw_token};
use crate::server::{PASSWORD, Server, Setup};

const NOW: i64 = 1_800_000_000;

/// A connector to `idp`, and a client that signs in through it alone.
pub(crate) fn setup(idp: &Idp, more: &str) -> Setup {
    let connector = format!(
        r#"
  - name: corp
    type: oidc
    oidcWellKnownURL: {}/.well-known/openid-configuration
    oauthClientID: gatehouse
    oauthClientSecret: "up&stream"
{more}"#,
        idp.issuer()
    );
    let app = r#"
  - { name: fed, type: oidc, clientID: fed, public: true, redirectURLs: ["http://127.0.0.1/callback"],
      defaultAudience: "https://tools.example/api", authentication: { idps: [corp] },
      accessToken: { claims: { mail: corp.email, groups: corp.groups } } }
  - { name: both, type: oidc, clientID: both, public: true, redirectURLs: ["http://127.0.0.1/callback"],
      defaultAudience: "https://tools.example/api", authentication: { idps: [staff, corp] } }
"#;
    Setup::new().connector(&connector).app(app)
}

pub(crate) fn fed(server: &Server) -> Client<'_> {
    Client::public(server, "fed", "http://127.0.0.1:6000/callback")
}

/// A sign-in that has been sent to the provider.
pub(crate) struct Leg<'a> {
    server: &'a Server,
    idp: &'a Idp,
    pub(crate) browser: Browser<'a>,
    sent: Parameters,
    location: String,
}

impl<'a> Leg<'a> {
    pub(crate) async fn begin(server: &'a Server, idp: &'a Idp, changes: &[(&str, &str)]) -> Self {
        Self::of(server, idp, &fed(server), changes).await
    }

    async fn of(server: &'a Server, idp: &'a Idp, client: &Client<'_>, changes: &[(&str, &str)]) -> Self {
        let mut browser = Browser::new(server);
        let mut answer = browser.visit(&client.authorization_url(changes)).await;
        if answer.status == 200 {
            let link = answer.text.split("href=\"").map(|rest| rest.split('"').next().unwrap());
            let link = link.into_iter().find(|link| link.contains("connector=corp")).unwrap();
            let link = link.replace("&#38;", "&").replace("&amp;", "&");
            answer = browser.visit(&link).await;
        }
        let location = answer.location().to_owned();
        Self { server, idp, browser, sent: parameters(&location), location }
    }

    fn sent(&self, name: &str) -> &str {
        self.sent.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Claims of a good ID token with these changes; `null` removes one.
    fn claims(&self, changes: &Value) -> Value {
        let mut claims = json!({
            "iss": self.idp.issuer(), "sub": "u-1", "aud": "gatehouse", "nonce": self.sent("nonce"),
            "iat": NOW, "exp": NOW + 300, "auth_time": NOW - 40, "email": "grace@corp.example", "name": "Grace",
            "groups": ["navy"], "amr": ["mfa"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    /// The provider will answer with this ID token.
    fn give(&self, id_token: &str) {
        self.idp.answer_token(
            200,
            json!({ "id_token": id_token, "access_token": "up-at", "token_type": "Bearer" }),
        );
    }

    /// The provider will answer with a well-signed ID token with these changes.
    pub(crate) fn give_signed(&self, changes: &Value) {
        let claims = self.claims(changes);
        self.give(&Idp::key().sign("JWT", claims.as_object().unwrap()).unwrap());
    }

    /// The browser comes back with these changes to a good answer.
    pub(crate) async fn come_back(&mut self, changes: &[(&str, &str)]) -> Answer {
        let answer =
            pairs(&[("code", "up-code"), ("state", self.sent("state")), ("iss", &self.idp.issuer())]);
        let answer = crate::client::changed(answer, changes);
        let answer = self.browser.get(&format!("/federation/corp/callback?{}", form(&answer))).await;
        self.browser.follow(answer).await
    }

    /// The tokens that the client gets in the end.
    pub(crate) async fn finish(&mut self) -> Value {
        let consent = self.come_back(&[]).await;
        let answer = self.browser.decide(&consent, "approve").await;
        fed(self.server).redeem(&answer.redirected_with("code").unwrap()).await.ok()
    }
}

/// The provider has a session of its own, so it is asked to let people choose.
#[tokio::test]
async fn another_account_is_asked_for_at_the_provider() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mut leg = Leg::begin(&server, &idp, &[]).await;
    leg.give_signed(&json!({}));
    assert_eq!(leg.sent("prompt"), "");
    let consent = leg.come_back(&[]).await;
    let again = leg.browser.decide(&consent, "switch").await;
    let again = leg.browser.follow(again).await;
    assert!(again.location().starts_with(&format!("{}/authorize?", idp.issuer())), "{again:#?}");
    assert_eq!(again.redirected_with("prompt").as_deref(), Some("select_account"));
}

/// Whoever has signed out of the browser is not signed in again by a provider that still knows them.
#[tokio::test]
async fn after_signing_out_the_provider_asks_who_it_is() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mut leg = Leg::begin(&server, &idp, &[]).await;
    leg.give_signed(&json!({}));
    let consent = leg.come_back(&[]).await;
    leg.browser.decide(&consent, "approve").await;
    let page = leg.browser.visit("/signout").await;
    leg.browser.post("/signout", &page.fields()).await;
    let again = leg.browser.visit(&fed(&server).authorization_url(&[])).await;
    assert!(again.location().starts_with(&format!("{}/authorize?", idp.issuer())), "{again:#?}");
    assert_eq!(again.redirected_with("prompt").as_deref(), Some("select_account"));
    // Nobody is signed in, and nothing may be asked: the client is told so.
    let silent = leg.browser.visit(&fed(&server).authorization_url(&[("prompt", "none")])).await;
    assert_eq!(silent.redirected_with("error").as_deref(), Some("login_required"), "{silent:#?}");
}

/// Sign-in, consent, tokens and calls of one person are found under one name and one grant, whatever subject the
/// client's tokens have.
#[tokio::test]
async fn one_person_has_one_name_in_all_records() {
    let idp = Idp::start().await;
    let mapped = r#"
  - { name: mapped, type: oidc, clientID: mapped, public: true, redirectURLs: ["http://127.0.0.1/callback"],
      defaultAudience: "https://tools.example/api", authentication: { idps: [corp] },
      claimsMapping: { sub: corp.email } }
"#;
    let server = setup(&idp, "").app(mapped).start().await;
    let person = format!("{}|u-1", idp.issuer());
    let fed = fed(&server);
    let mapped = Client::public(&server, "mapped", "http://127.0.0.1:6000/callback");
    for (client, subject) in [(&fed, person.as_str()), (&mapped, "grace@corp.example")] {
        let before = server.records.all().len();
        let asked = [("scope", "openid tools:use"), ("resource", &server.url("/mcp"))];
        let mut leg = Leg::of(&server, &idp, client, &asked).await;
        leg.give_signed(&json!({}));
        let consent = leg.come_back(&[]).await;
        let answer = leg.browser.decide(&consent, "approve").await;
        let tokens = client.redeem(&answer.redirected_with("code").unwrap()).await.ok();
        let access = text(&tokens, "access_token");
        assert_eq!(server.claims(access)["sub"], subject);
        client.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
        let exchanged = server.gateway().exchange(access, &[]).await.ok();
        let claims = server.claims(text(&exchanged, "access_token"));
        let handed_on = (subject != person).then_some(&json!(person)).cloned();
        assert_eq!((&claims["sub"], claims.get("grant_user").cloned()), (&json!(subject), handed_on));
        crate::userinfo::get(&server, &[&format!("Bearer {access}")]).await.ok();
        let records = server.records.all().split_off(before);
        let grant = server.claims(access)["grant_id"].clone();
        for kind in [
            "authorization.request",
            "signin.success",
            "consent.granted",
            "token.issue",
            "token.refresh",
            "token.exchange",
            "userinfo.read",
        ] {
            let record = records.iter().find(|record| record["event"] == kind);
            let record = record.unwrap_or_else(|| panic!("no {kind}: {records:#?}"));
            assert_eq!(record["actor"]["grant"], grant, "{record:#}");
            if kind != "authorization.request" {
                let actor = &record["actor"];
                let seen = (&actor["user"], &actor["sub"], &actor["connector"]);
                assert_eq!(seen, (&json!(person), &json!(subject), &json!("corp")), "{record:#}");
            }
        }
    }
}

#[tokio::test]
async fn a_user_comes_back_with_claims() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mut leg =
        Leg::begin(&server, &idp, &[("resource", "https://tools.example/api"), ("login_hint", "x@y")]).await;
    assert!(
        leg.location.starts_with(&format!("{}/authorize?tenant=t%201&", idp.issuer())),
        "{}",
        leg.location
    );
    assert_eq!(leg.sent("response_type"), "code");
    assert_eq!(leg.sent("client_id"), "gatehouse");
    assert_eq!(leg.sent("redirect_uri"), server.url("/federation/corp/callback"));
    assert_eq!(leg.sent("scope"), "email openid profile");
    assert_eq!(leg.sent("code_challenge_method"), "S256");
    assert!(leg.sent("nonce").len() >= 43 && leg.sent("state").len() >= 43);
    // What the client asked of us stays here.
    for name in ["resource", "login_hint", "prompt", "max_age"] {
        assert_eq!(leg.sent(name), "", "{name}");
    }
    leg.give_signed(&json!({}));
    let tokens = leg.finish().await;
    let claims = server.claims(text(&tokens, "access_token"));
    assert_eq!(claims["sub"], json!(format!("{}|u-1", idp.issuer())));
    assert_eq!((&claims["mail"], &claims["groups"]), (&json!("grace@corp.example"), &json!(["navy"])));
    assert_eq!((&claims["auth_time"], &claims["amr"]), (&json!(NOW - 40), &json!(["mfa"])));

    let (asked, authorization) = idp.asked("/token").pop().unwrap();
    let value = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    assert_eq!(value("grant_type").as_deref(), Some("authorization_code"));
    assert_eq!(value("code").as_deref(), Some("up-code"));
    assert_eq!(value("redirect_uri"), Some(server.url("/federation/corp/callback")));
    assert_eq!(authorization, Some(crate::client::basic("gatehouse", "up&stream")));
    assert_eq!(value("client_secret"), None);
    let verifier = value("code_verifier").unwrap();
    assert_eq!(
        gatehouse_oauth::pkce::Verifier::parse(&verifier).unwrap().challenge().as_str(),
        leg.sent("code_challenge")
    );
    // Userinfo was not needed.
    assert!(idp.asked("/userinfo").is_empty());
}

#[tokio::test]
async fn the_answer_must_be_the_one_that_was_asked_for() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mut leg = Leg::begin(&server, &idp, &[]).await;
    let other = Leg::begin(&server, &idp, &[]).await;
    leg.give_signed(&json!({}));
    let state = leg.sent("state").to_owned();
    let transaction = state.split('.').next().unwrap();
    let made_up = format!("{transaction}.AAAA");
    let wrong = [
        (vec![("state", "")], "another browser"),
        (vec![("state", "x.y")], "another browser"),
        (vec![("state", other.sent("state"))], "another browser"),
        (vec![("state", transaction)], "another browser"),
        (vec![("state", made_up.as_str())], "does not belong"),
        // Mix-up: the answer of another provider, or of one that should have said which it is.
        (vec![("iss", "https://evil.example")], "another identity provider"),
        (vec![("iss", "")], "another identity provider"),
        (vec![("code", "")], "does not prove"),
        // An error of somebody else than the provider is not passed on.
        (
            vec![("error", "access_denied"), ("code", ""), ("iss", "https://evil.example")],
            "another identity provider",
        ),
        (vec![("error", "access_denied"), ("code", ""), ("state", made_up.as_str())], "does not belong"),
    ];
    for (changes, says) in &wrong {
        let answer = leg.come_back(changes).await;
        assert!(matches!(answer.status, 400 | 403), "{changes:?}: {answer:#?}");
        assert!(answer.text.contains(says), "{changes:?}: {answer:#?}");
        assert!(!answer.text.contains("<script>"));
    }
    let repeated = format!("/federation/corp/callback?{}&code=b&code=a", form(&[("state", &state)]));
    leg.browser.get(&repeated).await.assert_page(400, "");
    assert!(idp.asked("/token").is_empty(), "a code of a wrong answer was redeemed");
    leg.finish().await;
    // The answer is good for one sign-in.
    leg.come_back(&[]).await.assert_page(400, "");
    assert_eq!(idp.asked("/token").len(), 1);
}

/// Another browser cannot be signed in with an answer that was meant for this one, or the reverse.
#[tokio::test]
async fn the_answer_belongs_to_one_browser() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let leg = Leg::begin(&server, &idp, &[]).await;
    leg.give_signed(&json!({}));
    let url = form(&[("code", "up-code"), ("state", leg.sent("state")), ("iss", &*idp.issuer())]);
    let mut victim = Browser::new(&server);
    victim.get(&format!("/federation/corp/callback?{url}")).await.assert_page(400, "another browser");
    assert!(idp.asked("/token").is_empty());
}

#[tokio::test]
async fn id_tokens_that_prove_nothing_are_refused() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mut leg = Leg::begin(&server, &idp, &[]).await;
    let claims = [
        json!({ "nonce": "other" }),
        json!({ "nonce": null }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "aud": ["other", "another"] }),
        json!({ "aud": 7 }),
        json!({ "aud": ["gatehouse", "other"], "azp": "other" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": format!("{}/", idp.issuer()) }),
        json!({ "iss": null }),
        json!({ "exp": NOW - 61 }),
        json!({ "exp": null }),
        json!({ "exp": "soon" }),
        json!({ "exp": NOW + 400_000 }),
        json!({ "iat": NOW + 600 }),
        json!({ "nbf": NOW + 600 }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
    ];
    for changes in &claims {
        leg.give_signed(changes);
        let answer = leg.come_back(&[]).await;
        answer.assert_page(403, "does not prove who you are");
    }
    let good = leg.claims(&json!({}));
    let object = good.as_object().unwrap();
    let key = Idp::key();
    let signed = key.sign("JWT", object).unwrap();
    let (signing_input, _) = signed.rsplit_once('.').unwrap();
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let public = serde_json::to_vec(&key.public_jwk()).unwrap();
    let hmac = aws_lc_rs::hmac::sign(
        &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public),
        signing_input.as_bytes(),
    );
    let kid = key.kid();
    let embedded = json!({ "alg": "ES256", "kid": stranger.kid(), "jwk": stranger.public_jwk() });
    let tokens = [
        // Another key, also with the right key's id, and one that it brings along.
        stranger.sign("JWT", object).unwrap(),
        raw_token(&json!({ "alg": "RS256", "kid": kid }), &good, &[7; 256]),
        raw_token(&embedded, &good, &[7; 64]),
        // No algorithm, a symmetric one over the public key, another family, an unknown extension.
        raw_token(&json!({ "alg": "none", "kid": kid }), &good, b""),
        raw_token(&json!({ "alg": "HS256", "kid": kid }), &good, hmac.as_ref()),
        raw_token(&json!({ "alg": "ES256", "kid": kid }), &good, &[7; 64]),
        raw_token(&json!({ "alg": "RS256", "kid": kid, "crit": ["x"], "x": 1 }), &good, &[7; 256]),
        format!("{signing_input}."),
        format!("{signed}AA"),
        format!("{signed}.x.y"),
        "x".to_owned(),
        String::new(),
    ];
    for token in &tokens {
        leg.give(token);
        leg.come_back(&[]).await.assert_page(403, "does not prove who you are");
    }
    leg.idp.answer_token(200, json!({ "access_token": "up-at" }));
    leg.come_back(&[]).await.assert_page(403, "does not prove who you are");
    leg.idp.answer_token(400, json!({ "error": "invalid_grant", "error_description": "UPSTREAM-CANARY" }));
    let answer = leg.come_back(&[]).await;
    answer.assert_page(403, "does not prove who you are");
    assert!(!answer.text.contains("CANARY"));
    leg.give_signed(&json!({}));
    leg.finish().await;
}

/// Userinfo adds what the ID token lacks, when it speaks of the same user.
#[tokio::test]
async fn userinfo_completes_a_thin_id_token() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mut leg = Leg::begin(&server, &idp, &[]).await;
    leg.give_signed(&json!({ "email": null }));
    for answer in
        [json!({ "sub": "u-2", "email": "evil@corp.example" }), json!({ "email": "evil@corp.example" })]
    {
        idp.answer_userinfo(answer);
        leg.come_back(&[]).await.assert_page(403, "does not prove who you are");
    }
    idp.answer_userinfo(json!({ "sub": "u-1", "email": "grace@corp.example", "name": "not this one" }));
    let tokens = leg.finish().await;
    assert_eq!(server.claims(text(&tokens, "access_token"))["mail"], "grace@corp.example");
    let (_, authorization) = idp.asked("/userinfo").pop().unwrap();
    assert_eq!(authorization.as_deref(), Some("Bearer up-at"));
}

/// How somebody signed in, when, for whom: the signed ID token says that or nobody does.
#[tokio::test]
async fn userinfo_says_nothing_about_the_sign_in() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mut leg = Leg::begin(&server, &idp, &[]).await;
    leg.give_signed(&json!({ "email": null, "amr": null, "acr": null, "auth_time": null }));
    idp.answer_userinfo(json!({
        "sub": "u-1", "email": "grace@corp.example", "amr": ["mfa", "hwk"], "acr": "urn:high",
        "auth_time": 4_000_000_000_i64, "sid": "s", "nonce": "n", "azp": "evil", "scope": "admin", "act": { "sub": "x" },
    }));
    let tokens = leg.finish().await;
    let claims = server.claims(text(&tokens, "access_token"));
    assert_eq!(claims["mail"], "grace@corp.example");
    for name in ["amr", "acr"] {
        assert!(claims.get(name).is_none_or(|value| value == &json!([])), "{name}: {claims:?}");
    }
    assert!(claims["auth_time"].as_i64().unwrap() < 4_000_000_000, "{claims:?}");
    let record = server.records.all().into_iter().find(|record| record["event"] == "signin.success").unwrap();
    assert!(!record.to_string().contains("hwk") && !record.to_string().contains("urn:high"), "{record:#}");
}

#[tokio::test]
async fn the_providers_rules_and_ours_both_hold() {
    let idp = Idp::start().await;
    idp.publish("token_endpoint_auth_methods_supported", json!(["client_secret_post"]));
    let more =
        "    oauthExtraParams: { hd: corp.example, prompt: select_account }\n    scopes: openid groups\n";
    let server = setup(&idp, more).start().await;
    let mut leg = Leg::begin(&server, &idp, &[("prompt", "login"), ("max_age", "60")]).await;
    assert_eq!(
        (leg.sent("hd"), leg.sent("prompt"), leg.sent("max_age")),
        ("corp.example", "select_account", "60")
    );
    assert_eq!(leg.sent("scope"), "groups openid");
    leg.give_signed(&json!({ "auth_time": NOW - 61 }));
    let too_old = leg.come_back(&[]).await;
    assert_eq!(too_old.redirected_with("error").as_deref(), Some("login_required"));
    // Without a time of the sign-in nothing proves how old it is.
    leg.give_signed(&json!({ "auth_time": null }));
    let unknown = leg.come_back(&[]).await;
    assert_eq!(unknown.redirected_with("error").as_deref(), Some("login_required"));
    leg.give_signed(&json!({}));
    leg.finish().await;
    let (asked, authorization) = idp.asked("/token").pop().unwrap();
    assert!(asked.contains(&("client_secret".into(), "up&stream".into())));
    assert_eq!(authorization, None);
}

#[tokio::test]
async fn a_provider_that_is_not_who_it_should_be_or_fails_is_not_used() {
    let idp = Idp::start().await;
    idp.publish("issuer", json!("https://evil.example"));
    let server = setup(&idp, "").start().await;
    let answer = Browser::new(&server).visit(&fed(&server).authorization_url(&[])).await;
    answer.assert_page(502, "cannot be reached");
    assert!(!answer.text.contains("evil.example"));
    idp.publish("issuer", json!(idp.issuer()));
    idp.publish("authorization_endpoint", json!("javascript:alert(1)"));
    server.clock.advance(Duration::from_secs(31));
    Browser::new(&server)
        .visit(&fed(&server).authorization_url(&[]))
        .await
        .assert_page(502, "cannot be reached");
}

/// New keys are found by their id; an unknown id does not make us ask again and again.
#[tokio::test]
async fn rotated_keys_are_found_within_the_cooldown() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let new = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut leg = Leg::begin(&server, &idp, &[]).await;
    let token = new.sign("JWT", leg.claims(&json!({})).as_object().unwrap()).unwrap();
    leg.give(&token);
    for _ in 0..5 {
        leg.come_back(&[]).await.assert_page(403, "does not prove");
    }
    assert_eq!(idp.asked("/jwks").len(), 1);
    idp.publish_keys(vec![new.public_jwk()]);
    server.clock.advance(Duration::from_secs(31));
    leg.finish().await;
    assert_eq!(idp.asked("/jwks").len(), 2);
}

/// People choose where to sign in; a leg that was begun and left is void.
#[tokio::test]
async fn connectors_can_be_chosen_and_left() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let both = Client::public(&server, "both", "http://127.0.0.1:6000/callback");
    let mut leg = Leg::of(&server, &idp, &both, &[]).await;
    leg.give_signed(&json!({}));
    let state = leg.sent("state").to_owned();
    let transaction = state.split('.').next().unwrap();
    let page = leg.browser.get(&format!("/login?transaction={transaction}&connector=staff")).await;
    leg.browser.sign_in(&page, "ada", PASSWORD).await.assert_page(200, "value=\"approve\"");
    leg.come_back(&[]).await.assert_page(400, "");
    for unknown in ["nowhere", "corp%00", ""] {
        let mut browser = Browser::new(&server);
        let choice = browser.visit(&both.authorization_url(&[])).await;
        choice.assert_page(200, "Continue with corp");
        let transaction = browser.cookies.keys().next().unwrap().strip_prefix("txn-").unwrap().to_owned();
        let answer = browser.get(&format!("/login?transaction={transaction}&connector={unknown}")).await;
        if unknown.is_empty() {
            answer.assert_page(200, "Continue with staff");
        } else {
            answer.assert_page(400, "not open for this application");
        }
    }
    // The client of one connector cannot be entered through another.
    let mut browser = Browser::new(&server);
    browser.visit(&fed(&server).authorization_url(&[])).await.location();
    let transaction = browser.cookies.keys().next().unwrap().strip_prefix("txn-").unwrap().to_owned();
    let answer = browser.get(&format!("/login?transaction={transaction}&connector=staff")).await;
    answer.assert_page(400, "not open for this application");
}

/// A session from one connector does not open a client of another.
#[tokio::test]
async fn sessions_count_where_their_connector_does() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mut browser = Browser::new(&server);
    server.portal().code_in(&mut browser, "ada", &[]).await;
    let answer = browser.visit(&fed(&server).authorization_url(&[])).await;
    assert!(answer.location().starts_with(&idp.issuer()), "{answer:#?}");
}

/// Disabling the way in acts on every grant.
#[tokio::test]
async fn a_removed_connector_ends_refresh_and_exchange() {
    let idp = Idp::start().await;
    let exchange =
        "    grantTypes: [client_credentials, \"urn:ietf:params:oauth:grant-type:token-exchange\"]\n";
    let rules = "    tokenExchange: { subjectAudiences: [\"https://tools.example/api\"] }\n";
    let mut server = setup(&idp, "").edit(exchange, &format!("{exchange}{rules}")).start().await;
    let (access, refresh) = {
        let mut leg = Leg::begin(&server, &idp, &[]).await;
        leg.give_signed(&json!({}));
        let tokens = leg.finish().await;
        let gateway = server.gateway();
        gateway.exchange(text(&tokens, "access_token"), &[]).await.ok();
        (text(&tokens, "access_token").to_owned(), text(&tokens, "refresh_token").to_owned())
    };
    server.reconfigure_all(&[
        ("name: corp", "name: corp2"),
        ("idps: [corp]", "idps: [corp2]"),
        ("idps: [staff, corp]", "idps: [staff, corp2]"),
        ("corp.email", "corp2.email"),
        ("corp.groups", "corp2.groups"),
    ]);
    assert_eq!(fed(&server).refresh(&refresh, &[]).await.error(), (400, "invalid_grant".into()));
    assert_eq!(server.gateway().exchange(&access, &[]).await.error(), (400, "invalid_request".into()));
}

/// A client that gives a connector up gives up the sign-ins through it.
#[tokio::test]
async fn a_connector_that_the_client_left_ends_refresh() {
    let idp = Idp::start().await;
    let mut server = setup(&idp, "").start().await;
    let refresh = {
        let mut leg = Leg::begin(&server, &idp, &[]).await;
        leg.give_signed(&json!({}));
        text(&leg.finish().await, "refresh_token").to_owned()
    };
    server.reconfigure("idps: [corp]", "idps: [staff]");
    assert_eq!(fed(&server).refresh(&refresh, &[]).await.error(), (400, "invalid_grant".into()));
    server.records.with_reason("user_not_active").await;
}

/// Each connector is answered at its own address, so that one provider cannot answer for another.
#[tokio::test]
async fn an_answer_at_the_address_of_another_connector_is_refused() {
    let idp = Idp::start().await;
    let other = format!(
        "  - {{ name: other, type: oidc, oidcWellKnownURL: \"{}/.well-known/openid-configuration\", \
         oauthClientID: x, oauthClientSecret: \"up-stream\" }}\n",
        idp.issuer()
    );
    let server = setup(&idp, "").connector(&other).start().await;
    let mut leg = Leg::begin(&server, &idp, &[]).await;
    leg.give_signed(&json!({}));
    let answer = form(&[("code", "up-code"), ("state", leg.sent("state")), ("iss", &*idp.issuer())]);
    let refused = leg.browser.get(&format!("/federation/other/callback?{answer}")).await;
    refused.assert_page(400, "does not belong");
    assert!(idp.asked("/token").is_empty());
    leg.finish().await;
}

/// What the provider says of the person or the moment, the client learns in its own words [RFC 6749 4.1.2.1].
#[tokio::test]
async fn a_refusal_of_the_provider_goes_to_the_client() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    for (said, told) in [
        ("access_denied", "access_denied"),
        ("interaction_required", "access_denied"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("invalid_scope", "server_error"),
        ("<script>x</script>", "server_error"),
    ] {
        let mut leg = Leg::begin(&server, &idp, &[("state", "of-the-client")]).await;
        let answer = leg
            .come_back(&[("error", said), ("error_description", "<script>y</script>"), ("code", "")])
            .await;
        let location = answer.location();
        assert!(location.starts_with("http://127.0.0.1:6000/callback?"), "{location}");
        assert!(!location.contains("script%3E") && !location.contains('<'), "{location}");
        assert_eq!(answer.redirected_with("error").unwrap(), told);
        assert_eq!(answer.redirected_with("state").unwrap(), "of-the-client");
        assert_eq!(answer.redirected_with("iss").unwrap(), server.issuer);
    }
    let record = server.records.with_reason("upstream_idp_refused").await;
    assert_eq!((&record["event"], &record["outcome"]), (&json!("signin.failure"), &json!("deny")));
    assert_eq!(record["actor"]["connector"], "corp");
    assert!(idp.asked("/token").is_empty());
}

/// The provider's metadata names hosts of the internal network: those that the connector lists are asked, others are
/// not.
#[tokio::test]
async fn endpoints_on_another_internal_host_are_asked_when_the_connector_names_it() {
    let (idp, inner) = (Idp::start().await, Idp::start_at("127.0.0.2").await);
    for name in ["jwks_uri", "token_endpoint", "userinfo_endpoint"] {
        let path = name.trim_end_matches("_uri").trim_end_matches("_endpoint");
        idp.publish(name, json!(format!("{}/{path}", inner.issuer())));
    }
    let allowed = format!("    allowedHosts: [\"{}\"]\n", inner.address);
    let elsewhere = "    allowedHosts: [\"127.0.0.2:1\", \"127.0.0.3\"]\n";
    for (hosts, asked) in [("", false), (elsewhere, false), (allowed.as_str(), true)] {
        let server = setup(&idp, hosts).start().await;
        if !asked {
            let answer = Browser::new(&server).visit(&fed(&server).authorization_url(&[])).await;
            assert_eq!(answer.status, 502, "{hosts}: {}", answer.text);
            continue;
        }
        let mut leg = Leg::begin(&server, &idp, &[]).await;
        // An ID token that says little, so that userinfo is asked too.
        let claims = leg.claims(&json!({ "email": null, "name": null }));
        let id_token = Idp::key().sign("JWT", claims.as_object().unwrap()).unwrap();
        inner.answer_token(
            200,
            json!({ "id_token": id_token, "access_token": "up-at", "token_type": "Bearer" }),
        );
        inner.answer_userinfo(json!({ "sub": "u-1", "email": "grace@corp.example" }));
        let tokens = leg.finish().await;
        let claims = server.claims(text(&tokens, "access_token"));
        assert_eq!((&claims["mail"], &claims["groups"]), (&json!("grace@corp.example"), &json!(["navy"])));
    }
    assert_eq!((inner.asked("/token").len(), inner.asked("/userinfo").len()), (1, 1));
}

/// `claimsMapping.sub` may not make one person of two: a user of the configuration has a subject already.
#[tokio::test]
async fn a_mapped_subject_is_never_that_of_a_user_of_the_configuration() {
    let idp = Idp::start().await;
    let app = r#"
  - { name: short, type: oidc, clientID: short, public: true, redirectURLs: ["http://127.0.0.1/callback"],
      defaultAudience: "https://tools.example/api", authentication: { idps: [corp] },
      claimsMapping: { sub: corp.preferred_username } }
"#;
    let server = setup(&idp, "").app(app).start().await;
    let client = Client::public(&server, "short", "http://127.0.0.1:6000/callback");
    for (name, expected) in [("grace", None), ("ada", Some("subject_unusable"))] {
        let mut leg = Leg::of(&server, &idp, &client, &[]).await;
        leg.give_signed(&json!({ "preferred_username": name }));
        let consent = leg.come_back(&[]).await;
        let answer = leg.browser.decide(&consent, "approve").await;
        let answer = client.redeem(&answer.redirected_with("code").unwrap()).await;
        match expected {
            None => assert_eq!(server.claims(text(&answer.ok(), "access_token"))["sub"], json!(name)),
            Some(reason) => {
                assert_eq!(answer.status, 400, "{}", answer.text);
                let records = server.records.all();
                let issue = records.iter().rfind(|record| record["event"] == "token.issue").unwrap();
                assert_eq!(issue["reason"], json!(reason), "{issue}");
            }
        }
    }
}
