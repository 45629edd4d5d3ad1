use super::*;
use crate::client::fixtures::{MCP, authenticated, gateway_client, public_client, verified};

fn token(audience: &str, client: &str) -> VerifiedToken {
    let claims = json!({
        "sub": "ada", "aud": audience, "client_id": client, "scope": "pii:read", "grant_id": "g-1",
        "email": "ada@example.com", "act": { "sub": "gateway" },
    });
    verified(&claims, "at+jwt")
}

fn ask(token: Option<&VerifiedToken>, standing: Standing) -> Value {
    introspect(&authenticated(&gateway_client()), token, standing).unwrap()
}

#[test]
fn i1_what_a_caller_may_not_know_looks_like_what_does_not_exist() {
    let inactive = json!({ "active": false });
    assert_eq!(ask(None, Standing::Good), inactive);
    assert_eq!(ask(Some(&token("https://foreign.example", "claude-public")), Standing::Good), inactive);
    for standing in [Standing::Revoked, Standing::UserDisabled, Standing::ClientDisabled] {
        assert_eq!(ask(Some(&token(MCP, "claude-public")), standing), inactive);
    }
}

#[test]
fn i1_public_clients_may_not_ask() {
    let refused = introspect(&authenticated(&public_client()), None, Standing::Good).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidClient);
}

#[test]
fn i2_the_answer_names_subject_client_and_actors() {
    let answer = ask(Some(&token(MCP, "claude-public")), Standing::Good);
    assert_eq!((&answer["active"], &answer["token_type"]), (&json!(true), &json!("Bearer")));
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "act"] {
        assert!(answer.get(name).is_some(), "{name}");
    }
    assert!(answer.get("email").is_none() && answer.get("grant_id").is_none());
    assert_eq!(ask(Some(&token("https://x.example", "gateway")), Standing::Good)["active"], true);
}
