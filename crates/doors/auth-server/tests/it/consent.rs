//! Consent: what it shows, who may give it, and when it is remembered.

use std::time::Duration;

use serde_json::json;

use crate::answer::Answer;
use crate::browser::Browser;
use crate::client::Client;
use crate::server::{PASSWORD, Server, Setup};

async fn consent_page(browser: &mut Browser<'_>, client: &Client<'_>, changes: &[(&str, &str)]) -> Answer {
    let page = browser.visit(&client.authorization_url(changes)).await;
    let page = if page.text.contains("name=\"password\"") {
        browser.sign_in(&page, "ada", PASSWORD).await
    } else {
        page
    };
    page.assert_page(200, "value=\"approve\"");
    page
}

#[tokio::test]
async fn the_page_names_client_user_destination_resource_and_scopes() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = consent_page(&mut browser, &server.portal(), &[("scope", "openid tools:use")]).await;
    for words in ["The-Portal", "portal.example", "know who you are", "tools:use", &server.url("/mcp")] {
        assert!(page.text.contains(words), "{words:?} is missing: {}", page.text);
    }
    assert!(!page.text.contains("on your own computer"));
    // The redirect of the form's answer is one that the page's policy allows.
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("form-action 'self' https://portal.example;")
    );
    let page = consent_page(&mut browser, &server.cli(), &[]).await;
    assert!(page.text.contains("on your own computer"));
    assert!(page.header("content-security-policy").unwrap().contains("http://127.0.0.1:50123"));
}

#[tokio::test]
async fn denial_ends_the_transaction_and_tells_the_client() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = consent_page(&mut browser, &server.portal(), &[("state", "s&1")]).await;
    let answer = browser.decide(&page, "deny").await;
    assert_eq!(answer.redirected_with("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.redirected_with("state").as_deref(), Some("s&1"));
    assert_eq!(answer.redirected_with("iss").as_deref(), Some(server.issuer.as_str()));
    browser.decide(&page, "approve").await.assert_page(403, "another browser, or it took too long");
    let record = server.records.with_reason("user_declined").await;
    assert_eq!((&record["event"], &record["outcome"]), (&json!("consent.denied"), &json!("deny")));
    // A denial is not remembered.
    consent_page(&mut browser, &server.portal(), &[]).await;
}

/// Whoever clears the tokens of a program and signs in again can be somebody else.
#[tokio::test]
async fn somebody_else_can_take_over_at_the_page() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    let page = consent_page(&mut browser, &portal, &[]).await;
    page.assert_page(200, "Not you?");
    let session = browser.cookies.clone();
    let login = browser.decide(&page, "switch").await;
    let login = browser.follow(login).await;
    login.assert_page(200, "name=\"password\"");
    let record = server.records.all().into_iter().find(|record| record["event"] == "signout").unwrap();
    assert_eq!((&record["outcome"], &record["actor"]["sub"]), (&json!("allow"), &json!("ada")));
    let asked = server.records.all().into_iter().find(|record| record["event"] == "signin.success").unwrap();
    assert_eq!(
        record["actor"]["grant"], asked["actor"]["grant"],
        "it is about her sign-in, not about the next one"
    );
    // The page of before decides nothing any more, and the session of before is over.
    assert_eq!(browser.decide(&page, "approve").await.status, 403);
    let mut thief = Browser::new(&server);
    thief.cookies = session;
    thief.visit(&portal.authorization_url(&[])).await.assert_page(200, "name=\"password\"");
    let consent = browser.sign_in(&login, "bob", PASSWORD).await;
    consent.assert_page(200, "Bob");
    let code = browser.decide(&consent, "approve").await.redirected_with("code").unwrap();
    let tokens = portal.redeem(&code).await.ok();
    assert_eq!(server.claims(tokens["access_token"].as_str().unwrap())["sub"], "bob");
}

/// Where no page asks, there is one to go to: the next sign-in can be somebody else's.
#[tokio::test]
async fn a_person_can_sign_out_of_the_browser() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    browser.visit("/signout").await.assert_page(200, "Nobody is signed in");
    let page = consent_page(&mut browser, &portal, &[]).await;
    browser.decide(&page, "approve").await;
    // Signed in, agreed and remembered: nothing is asked any more.
    assert!(browser.visit(&portal.authorization_url(&[])).await.redirected_with("code").is_some());

    let page = browser.visit("/signout").await;
    page.assert_page(200, "You are signed in as");
    let before = browser.cookies.clone();
    let forged: Vec<_> = page.fields().into_iter().map(|(name, _)| (name, "forged".to_owned())).collect();
    for fields in [Vec::new(), forged] {
        browser.post("/signout", &fields).await.assert_page(403, "did not come from our own page");
    }
    browser.visit("/signout").await.assert_page(200, "You are signed in as");
    let out = browser.post("/signout", &page.fields()).await;
    browser.follow(out).await.assert_page(200, "Nobody is signed in");
    let signouts = server.records.all().into_iter().filter(|record| record["event"] == "signout");
    let ends: Vec<_> =
        signouts.map(|record| (record["outcome"].clone(), record["actor"]["sub"].clone())).collect();
    assert_eq!(ends.last().unwrap(), &(json!("allow"), json!("ada")), "{ends:?}");

    let login = browser.visit(&portal.authorization_url(&[])).await;
    login.assert_page(200, "name=\"password\"");
    browser.sign_in(&login, "bob", PASSWORD).await.assert_page(200, "Bob");
    // The session is over for whoever kept its cookie, too.
    let mut thief = Browser::new(&server);
    thief.cookies = before;
    thief.visit("/signout").await.assert_page(200, "Nobody is signed in");
}

/// Only the page itself can end a session: another site cannot sign people out.
#[tokio::test]
async fn nobody_else_can_switch_the_account() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = consent_page(&mut browser, &server.portal(), &[]).await;
    let mut fields = page.fields();
    fields.retain(|(name, _)| name != "csrf");
    fields.push(("decision".into(), "switch".into()));
    assert_eq!(browser.post("/consent", &fields).await.status, 403);
    consent_page(&mut browser, &server.portal(), &[]).await;
}

#[tokio::test]
async fn only_a_decision_of_the_page_counts() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = consent_page(&mut browser, &server.portal(), &[]).await;
    for decision in ["", "yes", "APPROVE"] {
        browser.decide(&page, decision).await.assert_page(400, "allow or to deny");
    }
    let mut fields: Vec<_> = page.fields().into_iter().filter(|(name, _)| name != "csrf").collect();
    fields.push(("decision".into(), "approve".into()));
    browser.post("/consent", &fields).await.assert_page(403, "did not come from our own page");
    fields.push(("csrf".into(), "forged".into()));
    browser.post("/consent", &fields).await.assert_page(403, "did not come from our own page");
    assert!(browser.decide(&page, "approve").await.redirected_with("code").is_some());
}

#[tokio::test]
async fn consent_before_sign_in_leads_back_to_it() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let login = browser.visit(&server.portal().authorization_url(&[])).await;
    let transaction = login.fields()[0].1.clone();
    let answer = browser.get(&format!("/consent?transaction={transaction}")).await;
    assert!(answer.location().starts_with("/login?"));
    browser.decide(&login, "approve").await.assert_page(400, "is over");
}

#[tokio::test]
async fn a_remembered_consent_answers_for_the_same_question_only() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    let same = [("scope", "openid tools:use")];
    portal.code_in(&mut browser, "ada", &same).await;
    let again = browser.visit(&portal.authorization_url(&same)).await;
    assert!(again.redirected_with("code").is_some(), "{again:#?}");
    // Another scope, another resource, another user: another question.
    consent_page(&mut browser, &portal, &[("scope", "openid tools:use email")]).await;
    consent_page(&mut browser, &portal, &[same[0], ("resource", "https://tools.example/api")]).await;
    let mut other = Browser::new(&server);
    let page = other.visit(&portal.authorization_url(&same)).await;
    other.sign_in(&page, "bob", PASSWORD).await.assert_page(200, "value=\"approve\"");
    // It ends after half a year.
    server.clock.advance(Duration::from_hours(24 * 181));
    consent_page(&mut browser, &portal, &same).await;
}

/// Any local program can stand behind a loopback redirect.
#[tokio::test]
async fn loopback_clients_are_asked_for_every_time() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    server.cli().code_in(&mut browser, "ada", &[]).await;
    consent_page(&mut browser, &server.cli(), &[]).await;
}

#[tokio::test]
async fn the_operator_may_ask_always_or_never() {
    let apps = r#"
  - { name: careful, type: oidc, clientID: careful, credentials: { secrets: ["SECRET"] }, consent: always,
      redirectURLs: ["https://careful.example/cb"], defaultAudience: "https://tools.example/api" }
  - { name: own, type: oidc, clientID: own, credentials: { secrets: ["SECRET"] }, consent: never,
      redirectURLs: ["https://own.example/cb"], defaultAudience: "https://tools.example/api" }
"#;
    let server = Setup::new().app(apps).start().await;
    let careful = Client::confidential(&server, "careful", "https://careful.example/cb");
    let mut browser = Browser::new(&server);
    careful.code_in(&mut browser, "ada", &[]).await;
    consent_page(&mut browser, &careful, &[]).await;
    let own = Client::confidential(&server, "own", "https://own.example/cb");
    let answer = browser.visit(&own.authorization_url(&[])).await;
    assert!(answer.redirected_with("code").is_some(), "{answer:#?}");
    let answer = browser.visit(&own.authorization_url(&[("prompt", "consent")])).await;
    answer.assert_page(200, "value=\"approve\"");
}

#[tokio::test]
async fn an_approval_is_recorded_with_what_was_agreed() {
    let server = Server::start().await;
    server.portal().code_for("ada", &[("scope", "openid tools:use")]).await;
    let record = server
        .records
        .all()
        .into_iter()
        .find(|record| record["event"] == "consent.granted")
        .unwrap_or_else(|| panic!("{:#?}", server.records.all()));
    assert_eq!(record["outcome"], "allow");
    let text = record.to_string();
    for fact in ["portal", "ada", "tools:use", "portal.example"] {
        assert!(text.contains(fact), "{fact:?}: {record:#}");
    }
}
