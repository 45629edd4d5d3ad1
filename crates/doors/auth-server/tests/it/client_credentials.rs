//! Tokens for clients themselves.

use serde_json::json;

use crate::client::{pairs, text};
use crate::server::{Server, Setup};

const TOOLS: (&str, &str) = ("audience", "https://tools.example/api");
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn a_client_gets_a_token_for_itself() {
    let server = Server::start().await;
    let answer = server.gateway().token(&pairs(&[GRANT, TOOLS, ("scope", "tools:use")])).await.ok();
    assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
    assert_eq!((&answer["scope"], &answer["expires_in"]), (&json!("tools:use"), &json!(900)));
    let claims = server.claims(text(&answer, "access_token"));
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("gateway"), &json!("gateway")));
    assert_eq!(claims["aud"], "https://tools.example/api");
    assert!(claims.get("auth_time").is_none() && claims.get("act").is_none());
}

#[tokio::test]
async fn only_what_a_client_may_have_without_a_user() {
    let server = Server::start().await;
    let gateway = server.gateway();
    for scope in ["unknown", "tools:use unknown", "bad\"scope"] {
        let answer = gateway.token(&pairs(&[GRANT, TOOLS, ("scope", scope)])).await;
        assert_eq!(answer.error(), (400, "invalid_scope".into()), "{scope}");
    }
    // Scopes about users, and those of other clients, mean nothing here and are left out.
    for (scope, granted) in [("openid offline_access", ""), ("openid email tools:use", "tools:use")] {
        let answer = gateway.token(&pairs(&[GRANT, TOOLS, ("scope", scope)])).await.ok();
        assert_eq!(answer["scope"], granted, "{scope}");
        assert!(answer.get("id_token").is_none());
    }
    let defaults = gateway.token(&pairs(&[GRANT, TOOLS])).await.ok();
    assert_eq!(defaults["scope"], "ledger:read tools:admin tools:use");
    let shorter = gateway.token(&pairs(&[GRANT, TOOLS, ("expires_in", "60")])).await.ok();
    assert_eq!(shorter["expires_in"], 60);
    let longer = gateway.token(&pairs(&[GRANT, TOOLS, ("expires_in", "86400")])).await.ok();
    assert_eq!(longer["expires_in"], 900);
    for refused in ["0", "-5", "1.5", "x"] {
        let answer = gateway.token(&pairs(&[GRANT, TOOLS, ("expires_in", refused)])).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{refused}");
    }
}

/// A user can never pass for a program: ids of clients and subjects of users do not overlap.
#[tokio::test]
async fn no_user_is_called_like_a_client() {
    let server = Setup::new().edit("username: bob", "username: gateway").start().await;
    let portal = server.portal();
    let code = portal.code_for("gateway", &[]).await;
    let answer = portal.redeem(&code).await;
    assert_eq!(answer.error(), (400, "access_denied".into()));
    server.records.with_reason("subject_unusable").await;
}
