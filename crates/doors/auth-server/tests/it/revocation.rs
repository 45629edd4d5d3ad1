//! Revocation and introspection.

use std::time::Duration;

use serde_json::{Value, json};

use gatehouse_edge::issuer::revocations::{EndedUser, Revocations};
use gatehouse_identity::clock::Clock as _;
use gatehouse_identity::id::SubjectId;

use crate::client::{Client, Proof, pairs, text};
use crate::federation::{Leg, fed, setup};
use crate::idp::Idp;
use crate::server::Server;

async fn introspect(client: &Client<'_>, token: &str) -> Value {
    client.post("/oauth2/introspect", &pairs(&[("token", token)])).await.ok()
}

async fn revoke(client: &Client<'_>, token: &str) {
    let answer = client.post("/oauth2/revoke", &pairs(&[("token", token)])).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.ok();
}

#[tokio::test]
async fn introspection_tells_those_whom_the_token_concerns() {
    let server = Server::start().await;
    let (portal, gateway) = (server.portal(), server.gateway());
    let tokens = portal.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let access = text(&tokens, "access_token");
    let claims = server.claims(access);
    for asking in [&portal, &gateway, &gateway.with_proof(Proof::Post(crate::server::SECRET.into()))] {
        let seen = introspect(asking, access).await;
        assert_eq!((&seen["active"], &seen["token_type"]), (&json!(true), &json!("Bearer")));
        for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"] {
            assert_eq!(seen[name], claims[name], "{name}");
        }
        assert!(seen.get("grant_id").is_none());
    }
    let exchanged = gateway.exchange(access, &[]).await.ok();
    let seen = introspect(&gateway, text(&exchanged, "access_token")).await;
    assert_eq!(seen["act"], json!({ "sub": "gateway", "act": { "sub": "portal" } }));
    // It is neither the portal's nor meant for it.
    assert_eq!(introspect(&portal, text(&exchanged, "access_token")).await, json!({ "active": false }));
}

#[tokio::test]
async fn everything_else_is_inactive() {
    let server = Server::start().await;
    let portal = server.portal();
    let tokens = portal.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let access = text(&tokens, "access_token");
    let tampered = format!("{}AA", &access[..access.len() - 2]);
    let others = [text(&tokens, "id_token"), text(&tokens, "refresh_token"), &tampered, "x", "a.b.c"];
    for token in others {
        assert_eq!(introspect(&portal, token).await, json!({ "active": false }), "{token}");
    }
    server.clock.advance(Duration::from_secs(900));
    assert_eq!(introspect(&portal, access).await, json!({ "active": false }));
}

#[tokio::test]
async fn introspection_needs_a_proven_client() {
    let server = Server::start().await;
    let asked = pairs(&[("token", "x")]);
    for proof in [Proof::Nothing, Proof::Basic("guess".into()), Proof::Post("guess".into())] {
        let answer = server.portal().with_proof(proof).post("/oauth2/introspect", &asked).await;
        assert_eq!(answer.error(), (401, "invalid_client".into()));
        assert!(answer.header("www-authenticate").is_some());
    }
    let answer = server.portal().post("/oauth2/introspect", &pairs(&[("foo", "bar")])).await;
    assert_eq!(answer.error(), (400, "invalid_request".into()));
    let answer = server.portal().post("/oauth2/introspect?token=x", &asked).await;
    assert_eq!(answer.error(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_the_whole_grant() {
    let server = Server::start().await;
    let (cli, gateway) = (server.cli(), server.gateway());
    let tokens = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let next = cli.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
    let unrelated = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    // Also the token before the current one, which a client may still hold.
    revoke(&cli, text(&tokens, "refresh_token")).await;
    assert_eq!(cli.refresh(text(&next, "refresh_token"), &[]).await.error().1, "invalid_grant");
    for access in [text(&tokens, "access_token"), text(&next, "access_token")] {
        assert_eq!(introspect(&gateway, access).await, json!({ "active": false }));
        assert_eq!(gateway.exchange(access, &[]).await.error().1, "invalid_request");
        assert_eq!(crate::userinfo::get(&server, &[&format!("Bearer {access}")]).await.status, 401);
    }
    cli.refresh(text(&unrelated, "refresh_token"), &[]).await.ok();
    assert_eq!(introspect(&gateway, text(&unrelated, "access_token")).await["active"], json!(true));
}

#[tokio::test]
async fn revoking_an_access_token_ends_that_token() {
    let server = Server::start().await;
    let (cli, gateway) = (server.cli(), server.gateway());
    let tokens = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    revoke(&cli, text(&tokens, "access_token")).await;
    assert_eq!(introspect(&gateway, text(&tokens, "access_token")).await, json!({ "active": false }));
    let next = cli.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
    assert_eq!(introspect(&gateway, text(&next, "access_token")).await["active"], json!(true));
}

/// The answer is 200 whatever the token was, and foreign tokens stay as they are.
#[tokio::test]
async fn revocation_of_foreign_and_unknown_tokens_has_no_effect() {
    let server = Server::start().await;
    let (cli, portal, gateway) = (server.cli(), server.portal(), server.gateway());
    let tokens = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    for token in
        ["x", "a.b.c", "rt_none.1.secret", text(&tokens, "access_token"), text(&tokens, "refresh_token")]
    {
        revoke(&portal, token).await;
    }
    // A made-up secret for a real family proves nothing.
    let (head, _) = text(&tokens, "refresh_token").rsplit_once('.').unwrap();
    revoke(&cli, &format!("{head}.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).await;
    server.records.with_reason("token_not_of_client").await;
    assert_eq!(introspect(&gateway, text(&tokens, "access_token")).await["active"], json!(true));
    cli.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
    let unproven = portal.with_proof(Proof::Basic("guess".into()));
    let answer = unproven.post("/oauth2/revoke", &pairs(&[("token", "x")])).await;
    assert_eq!(answer.error(), (401, "invalid_client".into()));
}

/// Gates take a token for a little longer than it lives, as clocks differ; a revoked one stays revoked for as long.
#[tokio::test]
async fn a_revoked_token_does_not_come_back_within_the_leeway() {
    let server = Server::start().await;
    let cli = server.cli();
    let resource = server.url("/mcp");
    let tokens = cli.tokens_for("ada", &[("scope", "tools:use"), ("resource", &resource)]).await;
    let other = cli.tokens_for("ada", &[("scope", "tools:use"), ("resource", &resource)]).await;
    let (revoked, other) = (text(&tokens, "access_token"), text(&other, "access_token"));
    server.knock(revoked).await.unwrap();
    revoke(&cli, revoked).await;
    for seconds in [0, 899, 2, 10] {
        server.clock.advance(Duration::from_secs(seconds));
        server.knock(other).await.unwrap();
        assert_eq!(server.knock(revoked).await.unwrap_err().reason, "token_revoked", "{seconds} s later");
    }
}

/// Everything that a person of an identity provider has: grants, refresh families, live tokens, what was exchanged for
/// them, and the browser session. Other people keep theirs.
#[tokio::test]
async fn a_person_of_a_provider_is_ended_everywhere() {
    let idp = Idp::start().await;
    let server = setup(&idp, "").start().await;
    let mcp = server.url("/mcp");
    let ada = server.cli().tokens_for("ada", &[("scope", "tools:use")]).await;
    let mut leg = Leg::begin(&server, &idp, &[("resource", &mcp), ("scope", "openid tools:use")]).await;
    leg.give_signed(&json!({}));
    let tokens = leg.finish().await;
    let access = text(&tokens, "access_token");
    let exchanged = server.gateway().exchange(access, &[("audience", &mcp)]).await.ok();
    let exchanged = text(&exchanged, "access_token");
    for token in [access, exchanged, text(&ada, "access_token")] {
        server.call_with(token).await;
    }
    let person = SubjectId::new(format!("{}|u-1", idp.issuer()));
    let ended = Revocations::end_user(server.store.as_ref(), &person, server.clock.now()).await.unwrap();
    assert_eq!(ended, EndedUser { sessions: 1, grants: 1 });
    for token in [access, exchanged] {
        assert_eq!(server.knock(token).await.unwrap_err().reason, "token_revoked");
    }
    assert_eq!(server.gateway().exchange(access, &[]).await.error().0, 400);
    assert_eq!(
        fed(&server).refresh(text(&tokens, "refresh_token"), &[]).await.error(),
        (400, "invalid_grant".into())
    );
    let record = server.records.with_reason("refresh_revoked").await;
    assert_eq!(record["actor"]["user"], person.as_str());
    // The browser has to sign in again.
    let again = leg.browser.visit(&fed(&server).authorization_url(&[])).await;
    assert!(again.location().starts_with(&idp.issuer()), "{again:#?}");
    server.call_with(text(&ada, "access_token")).await;
    server.cli().refresh(text(&ada, "refresh_token"), &[]).await.ok();
}
