//! While the store or the audit log is down nothing is acknowledged, and the answer says that it will pass.

use std::sync::Arc;

use gatehouse_store::Store;
use gatehouse_testkit::outage::{FickleStore, OUTAGE};

use crate::answer::Answer;
use crate::browser::Browser;
use crate::client::{pairs, text};
use crate::server::{PASSWORD, Setup};
use crate::userinfo;

#[track_caller]
fn assert_passing(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:#?}");
    assert_eq!(answer.header("retry-after"), Some("1"), "{answer:#?}");
    assert!(!answer.text.contains(OUTAGE), "{answer:#?}");
}

#[tokio::test]
async fn what_needs_the_store_says_so_and_the_rest_goes_on() {
    let store = Arc::new(FickleStore::create());
    let server = Setup::new().start_behind(|_| Arc::clone(&store) as Arc<dyn Store>).await;
    let (cli, gateway) = (server.cli(), server.gateway());
    let tokens = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let code = cli.code_for("ada", &[("scope", "tools:use")]).await;
    let mut browser = Browser::new(&server);
    let login = browser.visit(&cli.authorization_url(&[])).await;
    let mut other = Browser::new(&server);
    let consent = other.visit(&cli.authorization_url(&[])).await;
    let consent = other.sign_in(&consent, "ada", PASSWORD).await;

    store.set_away(true);
    let token = pairs(&[("token", access)]);
    let machines = [
        cli.redeem(&code).await,
        cli.refresh(refresh, &[]).await,
        gateway.exchange(access, &[]).await,
        gateway.post("/oauth2/introspect", &token).await,
        cli.post("/oauth2/revoke", &token).await,
        userinfo::get(&server, &[&format!("Bearer {access}")]).await,
    ];
    for answer in &machines {
        assert_passing(answer);
        assert_eq!(answer.error().1, "temporarily_unavailable");
    }
    assert_passing(&Browser::new(&server).get(&cli.authorization_url(&[])).await);
    assert_passing(&browser.sign_in(&login, "ada", PASSWORD).await);
    assert_passing(&other.decide(&consent, "approve").await);
    for path in ["/.well-known/openid-configuration", "/oauth2/jwks"] {
        assert_eq!(Browser::new(&server).get(path).await.status, 200);
    }
    let own = pairs(&[("grant_type", "client_credentials"), ("audience", "https://tools.example/api")]);
    gateway.token(&own).await.ok();

    store.set_away(false);
    cli.redeem(&code).await.ok();
    cli.refresh(refresh, &[]).await.ok();
    browser.sign_in(&login, "ada", PASSWORD).await.assert_page(200, "value=\"approve\"");
    assert!(other.decide(&consent, "approve").await.redirected_with("code").is_some());
    userinfo::get(&server, &[&format!("Bearer {access}")]).await.ok();
}

/// A token or a code of which there would be no evidence is not handed out.
#[tokio::test]
async fn nothing_is_handed_out_without_evidence() {
    let server = Setup::new().start().await;
    let (cli, gateway) = (server.cli(), server.gateway());
    let tokens = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let code = cli.code_for("ada", &[("scope", "tools:use")]).await;
    let mut browser = Browser::new(&server);
    let consent = browser.visit(&cli.authorization_url(&[])).await;
    let consent = browser.sign_in(&consent, "ada", PASSWORD).await;

    server.records.close(true);
    let own = pairs(&[("grant_type", "client_credentials"), ("audience", "https://tools.example/api")]);
    let answers = [
        cli.redeem(&code).await,
        cli.refresh(text(&tokens, "refresh_token"), &[]).await,
        gateway.exchange(text(&tokens, "access_token"), &[]).await,
        gateway.token(&own).await,
    ];
    for answer in &answers {
        assert_passing(answer);
        assert!(answer.json().get("access_token").is_none());
    }
    assert_passing(&browser.decide(&consent, "approve").await);
    server.records.close(false);
    gateway.token(&own).await.ok();
    // The answer that was held back can be had again: nobody has used the successor.
    cli.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
}
