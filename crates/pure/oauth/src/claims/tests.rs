use serde_json::json;

use super::*;
use crate::client::fixtures::{MCP, public_client, scopes, user};

fn resolve(text: &str) -> Option<Value> {
    let (user, client, scopes) = (user(), public_client(), scopes("openid pii:read"));
    let sources = ClaimSources {
        user: Some(&user),
        client: &client,
        scopes: &scopes,
        audiences: &[Audience::new(MCP)],
        grant_type: GrantType::AuthorizationCode,
    };
    ClaimExpression::parse(text).unwrap().resolve(&sources)
}

#[test]
fn every_source_resolves() {
    for (text, value) in [
        ("upstream-idp.email", json!("ada@example.com")),
        ("upstream-idp.address.country", json!("GB")),
        ("upstream-idp.address", json!({ "country": "GB" })),
        ("'gold'", json!("gold")),
        ("'it''s'", json!("it's")),
        ("''", json!("")),
        ("client.id", json!("claude-public")),
        ("client.name", json!("Claude")),
        ("request.scope", json!("openid pii:read")),
        ("request.audience", json!(MCP)),
        ("request.grant_type", json!("authorization_code")),
        ("user.sub", json!("https://idp.example.com|u-1")),
        ("user.connector", json!("upstream-idp")),
        ("user.groups", json!(["eng"])),
        ("user.upstream_sub", json!("u-1")),
        ("user.upstream_issuer", json!("https://idp.example.com")),
    ] {
        assert_eq!(resolve(text), Some(value), "{text}");
    }
}

#[test]
fn absent_null_and_foreign_attributes_yield_nothing() {
    for text in ["upstream-idp.phone", "upstream-idp.department", "other-idp.email", "upstream-idp.email.x"] {
        assert_eq!(resolve(text), None, "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    let error = |text: &str| ClaimExpression::parse(text).unwrap_err();
    assert_eq!(error("  "), ClaimExpressionError::Empty);
    assert_eq!(error("gold"), ClaimExpressionError::NoAttribute("gold".into()));
    assert_eq!(error("idp."), ClaimExpressionError::NoAttribute("idp.".into()));
    assert_eq!(error(".email"), ClaimExpressionError::NoAttribute(".email".into()));
    assert_eq!(error("client.secret"), ClaimExpressionError::UnknownFact("client.secret".into()));
    for quote in ["'", "'gold", "'a'b'", "'a'''b'c'"] {
        assert!(matches!(error(quote), ClaimExpressionError::Quote(_)), "{quote}");
    }
}

#[test]
fn claims_of_the_issuer_are_protected() {
    for claim in
        ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "act", "act_assurance", "cnf"]
    {
        assert!(is_protected(claim), "{claim}");
    }
    assert!(!is_protected("email"));
}
