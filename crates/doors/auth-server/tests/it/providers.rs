//! Signing in at the identity providers of the field, each in the shape that its documentation gives it [oauth.md 4].

use serde_json::{Map, Value, json};

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_testkit::identity_provider::{Brand, IdentityProvider};

use crate::answer::{Answer, form, parameters};
use crate::browser::Browser;
use crate::client::{Client, text};
use crate::server::{Server, Setup, key_pair};

const NOW: i64 = 1_800_000_000;

/// A provider, and a gateway that people sign in at through it.
struct Scene {
    provider: IdentityProvider,
    server: Server,
}

/// A sign-in under way.
struct Leg<'a> {
    scene: &'a Scene,
    browser: Browser<'a>,
    state: String,
    nonce: String,
}

impl Scene {
    async fn of(brand: Brand) -> Self {
        Self::with(brand, "corp.email", "").await
    }

    /// With a claim `mail` from somewhere, and more lines of the connector.
    async fn with(brand: Brand, mail: &str, more: &str) -> Self {
        let provider = IdentityProvider::start(brand, key_pair(Algorithm::Rs256));
        let setup = setup(&provider, mail, more);
        Self { provider, server: setup.start().await }
    }

    fn client(&self) -> Client<'_> {
        Client::public(&self.server, "fed", "http://127.0.0.1:6000/callback")
    }

    async fn begin(&self) -> Leg<'_> {
        let mut browser = Browser::new(&self.server);
        let answer = browser.visit(&self.client().authorization_url(&[])).await;
        let sent = parameters(answer.location());
        let sent = |name: &str| sent.iter().find(|(key, _)| key == name).unwrap().1.clone();
        Leg { scene: self, state: sent("state"), nonce: sent("nonce"), browser }
    }

    /// The claims of the access token that somebody gets who comes with this ID token.
    async fn sign_in(&self, changes: &Value) -> Map<String, Value> {
        let mut leg = self.begin().await;
        leg.give(changes);
        let consent = leg.come_back(&[]).await;
        assert_eq!(consent.status, 200, "{}", consent.text);
        let answer = leg.browser.decide(&consent, "approve").await;
        let tokens = self.client().redeem(&answer.redirected_with("code").unwrap()).await.ok();
        self.server.claims(text(&tokens, "access_token"))
    }
}

impl Leg<'_> {
    /// The provider will answer with an ID token with these changes; `null` takes a claim out.
    fn give(&self, changes: &Value) {
        let provider = &self.scene.provider;
        let mut claims = provider.claims("gatehouse", &self.nonce, NOW);
        claims.extend(changes.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        provider.give(claims);
    }

    async fn come_back(&mut self, changes: &[(&str, &str)]) -> Answer {
        let mut answer = self.scene.provider.answer();
        answer.push(("state".to_owned(), self.state.clone()));
        for (name, value) in changes {
            answer.retain(|(known, _)| known != name);
            answer.push(((*name).to_owned(), (*value).to_owned()));
        }
        let pairs: Vec<(&str, &str)> = answer.iter().map(|(name, value)| (&**name, &**value)).collect();
        let answer = self.browser.get(&format!("/federation/corp/callback?{}", form(&pairs))).await;
        self.browser.follow(answer).await
    }
}

fn setup(provider: &IdentityProvider, mail: &str, more: &str) -> Setup {
    let issuer =
        provider.written_issuer().map(|issuer| format!("    issuer: {issuer}\n")).unwrap_or_default();
    let connector = format!(
        "\n  - name: corp\n    type: oidc\n    oidcWellKnownURL: {}\n    oauthClientID: gatehouse\n    \
         oauthClientSecret: \"up&stream\"\n{issuer}{more}",
        provider.well_known()
    );
    let app = format!(
        "\n  - {{ name: fed, type: oidc, clientID: fed, public: true, redirectURLs: [\"http://127.0.0.1/callback\"],\n      \
         defaultAudience: \"https://tools.example/api\", authentication: {{ idps: [corp] }},\n      \
         accessToken: {{ claims: {{ mail: {mail}, groups: user.groups }} }} }}\n"
    );
    Setup::new().connector(&connector).app(&app)
}

/// Whatever userinfo is asked for: it knows the person.
fn userinfo(id_token: &Map<String, Value>) -> Value {
    json!({ "sub": id_token["sub"], "email": "grace@corp.example", "name": "Grace Hopper", "picture": null })
}

#[tokio::test]
async fn people_of_every_provider_sign_in() {
    for brand in Brand::ALL {
        let scene = Scene::of(brand).await;
        let known = scene.provider.claims("gatehouse", "", NOW);
        scene.provider.answer_userinfo(Some(userinfo(&known)));
        let claims = scene.sign_in(&json!({})).await;
        let subject = format!("{}|{}", scene.provider.issuer(), known["sub"].as_str().unwrap());
        assert_eq!(claims["sub"], subject, "{brand:?}");
        assert_eq!(claims["mail"], "grace@corp.example", "{brand:?}");
        let groups = known.get("groups").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(claims["groups"], groups, "{brand:?}");
        assert!(!claims.contains_key("groups_complete"), "{brand:?}: {claims:?}");
        // The sign-in lasts: a code, a session and refresh tokens all look whether the provider is still the same.
        assert!(scene.server.records.all().iter().any(|record| record["event"] == "token.issue"));
    }
}

/// What the document states counts byte for byte, whichever spelling it chose.
#[tokio::test]
async fn an_issuer_that_differs_in_the_slash_is_another_one() {
    for brand in Brand::ALL {
        let scene = Scene::of(brand).await;
        scene.provider.answer_userinfo(Some(userinfo(&scene.provider.claims("gatehouse", "", NOW))));
        let stated = scene.provider.issuer();
        let other = stated.strip_suffix('/').map_or_else(|| format!("{stated}/"), str::to_owned);
        let mut leg = scene.begin().await;
        leg.give(&json!({ "iss": other }));
        leg.come_back(&[]).await.assert_page(403, "does not prove who you are");
        leg.give(&json!({}));
        leg.come_back(&[("iss", &other)]).await.assert_page(400, "another identity provider");
        let consent = leg.come_back(&[("iss", &stated)]).await;
        assert_eq!(consent.status, 200, "{brand:?}: {}", consent.text);
    }
}

/// A document that lives elsewhere than its issuer is one that the operator has to name.
#[tokio::test]
async fn a_document_that_states_another_issuer_needs_it_written() {
    let provider = IdentityProvider::start(Brand::EntraV1, key_pair(Algorithm::Rs256));
    let stated = provider.issuer();
    let spellings = [stated.clone(), stated.trim_end_matches('/').to_owned(), format!("{stated}/")];
    for written in spellings {
        let more = format!("    issuer: {written}\n");
        let bare = setup(&provider, "corp.email", "");
        let server = bare.edit(&format!("    issuer: {stated}\n"), &more).start().await;
        let client = Client::public(&server, "fed", "http://127.0.0.1:6000/callback");
        let answer = Browser::new(&server).visit(&client.authorization_url(&[])).await;
        let expected = if written == stated { 302 } else { 502 };
        assert!(
            answer.status == expected || (expected == 302 && answer.status == 303),
            "{written}: {answer:#?}"
        );
    }
}

/// Servers that have a place for every member write `null` where others write nothing.
#[tokio::test]
async fn members_that_are_null_are_absent() {
    let scene = Scene::of(Brand::Keycloak).await;
    for name in [
        "token_endpoint_auth_methods_supported",
        "authorization_response_iss_parameter_supported",
        "userinfo_endpoint",
        "end_session_endpoint",
        "claims_supported",
    ] {
        scene.provider.publish(name, Value::Null);
    }
    let mut leg = scene.begin().await;
    let mut claims = scene.provider.claims("gatehouse", &leg.nonce, NOW);
    for name in ["azp", "amr", "nbf", "auth_time", "c_hash", "act"] {
        claims.insert(name.to_owned(), Value::Null);
    }
    scene.provider.give(claims);
    let consent = leg.come_back(&[]).await;
    assert_eq!(consent.status, 200, "{}", consent.text);
}

/// An ID token says beside what it came.
#[tokio::test]
async fn an_id_token_that_came_with_something_else_is_refused() {
    let scene = Scene::of(Brand::Okta).await;
    let hash = |text: &str| Algorithm::Rs256.half_hash(text);
    let mut leg = scene.begin().await;
    let state = leg.state.clone();
    for (claim, right) in
        [("at_hash", scene.provider.access_token()), ("c_hash", "0.AX-code"), ("s_hash", &*state)]
    {
        for wrong in [json!(hash("another")), json!(""), json!(7), json!([hash(right)]), json!(right)] {
            leg.give(&json!({ claim: wrong }));
            leg.come_back(&[]).await.assert_page(403, "does not prove who you are");
        }
    }
    assert!(scene.provider.requests().iter().all(|request| !request.target.contains("userinfo")));
    leg.give(&json!({ "at_hash": hash(scene.provider.access_token()), "c_hash": hash("0.AX-code"), "s_hash": hash(&state) }));
    assert_eq!(leg.come_back(&[]).await.status, 200);
}

/// Userinfo is asked for what is missing, and its failure counts only where something stays missing.
#[tokio::test]
async fn userinfo_that_fails_costs_what_only_it_knows() {
    // Everything that is mapped stands in the ID token: name is asked for and not mapped.
    for broken in [json!("http://127.0.0.1:1/userinfo"), json!("no URL"), json!("ftp://x/"), json!(null)] {
        // Each is met by a server that has not read the metadata before.
        let scene = Scene::of(Brand::Okta).await;
        scene.provider.publish("userinfo_endpoint", broken);
        assert_eq!(scene.sign_in(&json!({ "name": null })).await["mail"], "grace@corp.example");
    }
    // It fails, and the address is known to it alone.
    let scene = Scene::of(Brand::EntraV2).await;
    let mut leg = scene.begin().await;
    leg.give(&json!({}));
    leg.come_back(&[]).await.assert_page(502, "cannot be reached");
    scene.provider.answer_userinfo(Some(json!({ "sub": "pairwise", "email": "grace@corp.example" })));
    assert_eq!(leg.come_back(&[]).await.status, 200);
    // A nested attribute that is mapped counts like any other.
    let scene = Scene::with(Brand::Google, "corp.address.country", "").await;
    let mut leg = scene.begin().await;
    leg.give(&json!({ "address": { "locality": "x" }, "groups": [] }));
    leg.come_back(&[]).await.assert_page(502, "cannot be reached");
    leg.give(&json!({ "address": { "country": "DE" }, "groups": [] }));
    let before = scene.provider.requests().len();
    assert_eq!(leg.come_back(&[]).await.status, 200);
    let asked = scene.provider.requests().split_off(before);
    assert!(asked.iter().all(|request| !request.target.contains("userinfo")), "nothing was missing");
}

/// A policy that forbids by an attribute must not let somebody pass because nobody could be asked for it.
#[tokio::test]
async fn userinfo_that_fails_costs_what_a_policy_goes_by() {
    for (condition, fails) in [
        ("input.user.claims.left", true),
        ("input.user.claims[input.revision]", true),
        ("\"leavers\" in input.user.groups", true),
        ("not input.user.groups_complete", true),
        ("input.user.claims.email == \"x\"", false),
        ("input.source.ip == \"x\"", false),
    ] {
        let provider = IdentityProvider::start(Brand::Okta, key_pair(Algorithm::Rs256));
        let policy = format!(
            "authorization: {{ tokenMinting: {{ accessToken: {{ policies: [{{ name: left, rego: \
             'package orchestrator\n\n        default result := {{\"allowed\": true}}\n\n        \
             result := {{\"allowed\": false}} if {condition}' }}] }} }} }},\n      accessToken:"
        );
        let setup = setup(&provider, "corp.email", "")
            .edit(", groups: user.groups", "")
            .edit("accessToken:", &policy);
        let scene = Scene { server: setup.start().await, provider };
        let mut leg = scene.begin().await;
        leg.give(&json!({ "name": null, "groups": null }));
        assert_eq!(leg.come_back(&[]).await.status, if fails { 502 } else { 200 }, "{condition}");
    }
}

/// Whoever is in more groups than fit is not taken for somebody who is in none.
#[tokio::test]
async fn people_whose_groups_were_left_out_come_in_only_where_that_is_written() {
    let sources = json!({ "src1": { "endpoint": "https://graph.windows.net/t/users/u/getMemberObjects" } });
    let overage = json!({ "groups": null, "_claim_names": { "groups": "src1" }, "_claim_sources": sources });
    let known = json!({ "sub": "pairwise", "email": "grace@corp.example", "name": "Grace Hopper" });
    for incomplete in [&overage, &json!({ "groups": null, "hasgroups": true })] {
        let scene = Scene::of(Brand::EntraV2).await;
        scene.provider.answer_userinfo(Some(known.clone()));
        let mut leg = scene.begin().await;
        leg.give(incomplete);
        leg.come_back(&[]).await.assert_page(403, "did not say which groups you are in");
        scene.server.records.with_reason("groups_incomplete").await;
        // A list in userinfo is as good as one in the ID token.
        let mut with_groups = known.clone();
        with_groups["groups"] = json!(["0-navy"]);
        scene.provider.answer_userinfo(Some(with_groups));
        let claims = scene.sign_in(incomplete).await;
        assert_eq!((&claims["groups"], claims.get("groups_complete")), (&json!(["0-navy"]), None));

        let scene = Scene::with(Brand::EntraV2, "corp.email", "    onIncompleteGroups: allow\n").await;
        scene.provider.answer_userinfo(Some(known.clone()));
        let claims = scene.sign_in(incomplete).await;
        assert_eq!((&claims["groups"], &claims["groups_complete"]), (&json!([]), &json!(false)));
    }
}

/// Policies see that groups are missing, at the sign-in and wherever the token goes; who may come in is asked again when
/// the configuration changes.
#[tokio::test]
async fn policies_see_that_groups_are_missing() {
    let provider = IdentityProvider::start(Brand::EntraV2, key_pair(Algorithm::Rs256));
    provider.answer_userinfo(Some(json!({ "sub": "pairwise", "email": "grace@corp.example" })));
    let policy = "authorization: { tokenMinting: { accessToken: { policies: [{ name: known, rego: \
                  'package orchestrator\n\n        result := {\"allowed\": input.user.groups_complete}' }] } } },\n      accessToken:";
    let setup =
        setup(&provider, "corp.email", "    onIncompleteGroups: allow\n").edit("accessToken:", policy);
    let scene = Scene { server: setup.start().await, provider };
    let mut leg = scene.begin().await;
    leg.give(&json!({ "groups": null, "hasgroups": true }));
    let consent = leg.come_back(&[]).await;
    let answer = leg.browser.decide(&consent, "approve").await;
    let refused = scene.client().redeem(&answer.redirected_with("code").unwrap()).await;
    assert_eq!(refused.error(), (400, "access_denied".into()), "{}", refused.text);
    scene.sign_in(&json!({})).await;
}

/// Some providers let ID tokens live for a month; that is the operator's to know.
#[tokio::test]
async fn how_long_an_id_token_may_live_is_configured() {
    for (more, expected) in [("", 403), ("    idTokenMaxLifetime: 720h\n", 200)] {
        let scene = Scene::with(Brand::Auth0, "corp.email", more).await;
        scene.provider.answer_userinfo(Some(userinfo(&scene.provider.claims("gatehouse", "", NOW))));
        let mut leg = scene.begin().await;
        leg.give(&json!({ "exp": NOW + 2_592_000 }));
        assert_eq!(leg.come_back(&[]).await.status, expected, "{more}");
    }
}
