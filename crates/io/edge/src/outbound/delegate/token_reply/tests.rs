use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};

use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::ClientId;

use super::TokenReply;
use super::checks::Expected;
use crate::rejection::{Rejection, RejectionKind};

const NOW: i64 = 1_800_000_000;

fn read(status: u16, body: &str) -> Result<TokenReply, Rejection> {
    read_as(status, body, None)
}

fn read_as(status: u16, body: &str, lifetime: Option<u64>) -> Result<TokenReply, Rejection> {
    let client = ClientId::new("gateway");
    let audience = Audience::new("https://tools.example");
    let expected = Expected {
        subject: None,
        caller: None,
        client: &client,
        own_issuer: None,
        audience: Some(&audience),
        lifetime: lifetime.map(std::time::Duration::from_secs),
        now: Timestamp::from_unix_seconds(NOW),
    };
    TokenReply::read(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &expected)
}

fn jwt(payload: &str) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
}

fn id_of(token: &str) -> Option<String> {
    let body = json!({ "access_token": token, "token_type": "Bearer" }).to_string();
    read(200, &body).unwrap().id.map(|id| id.to_string())
}

#[test]
fn the_id_of_a_jwt_is_for_the_audit_trail() {
    assert_eq!(id_of(&jwt(r#"{"jti":"7muuaq","sub":"gateway"}"#)).as_deref(), Some("7muuaq"));
}

#[test]
fn a_token_without_a_sound_id_has_none() {
    let long = jwt(&format!(r#"{{"jti":"{}"}}"#, "x".repeat(257)));
    let odd =
        [r#"{"sub":"gateway"}"#, r#"{"jti":7}"#, r#"{"jti":"a b"}"#, r#"{"jti":"a\nb"}"#, "{", "[]"].map(jwt);
    for token in odd.iter().map(String::as_str).chain([long.as_str(), "opaque", "a.b", "a.!.c"]) {
        assert_eq!(id_of(token), None, "{token}");
    }
}

#[test]
fn an_answer_is_a_bearer_token_or_says_why_not() {
    let given =
        read(200, r#"{"access_token":"t","token_type":"bEaReR","expires_in":60,"scope":"a"}"#).unwrap();
    assert_eq!(
        (given.token.expose(), given.expires_at.unix_seconds() - NOW, given.scope.as_deref()),
        ("t", 60, Some("a"))
    );
    for (status, body, kind, reason) in [
        (400, r#"{"error":"invalid_target"}"#, RejectionKind::Forbidden, "exchange_refused"),
        (401, r#"{"error":"invalid_client"}"#, RejectionKind::Internal, "exchange_misconfigured"),
        (429, r#"{"error":"slow_down"}"#, RejectionKind::Unavailable, "exchange_unavailable"),
        (503, "busy", RejectionKind::Unavailable, "exchange_unavailable"),
        (
            200,
            r#"{"access_token":"t","token_type":"DPoP"}"#,
            RejectionKind::Unavailable,
            "exchange_unavailable",
        ),
        (200, r#"{"access_token":"t","error":"x"}"#, RejectionKind::Unavailable, "exchange_unavailable"),
        (200, "{}", RejectionKind::Unavailable, "exchange_unavailable"),
    ] {
        let rejection = read(status, body).err().unwrap();
        assert_eq!((rejection.kind, rejection.reason), (kind, reason), "{status} {body}");
    }
}

#[test]
fn a_token_ends_when_answer_claims_and_question_all_agree_that_it_lives() {
    let ends = |claims: &Value, expires_in: Option<u64>, asked| {
        let token = jwt(&claims.to_string());
        let body = json!({ "access_token": token, "expires_in": expires_in }).to_string();
        read_as(200, &body, asked).unwrap().expires_at.unix_seconds() - NOW
    };
    assert_eq!(ends(&json!({}), None, None), 0);
    assert_eq!(ends(&json!({}), Some(300), None), 300);
    assert_eq!(ends(&json!({}), Some(300), Some(90)), 90);
    assert_eq!(ends(&json!({ "exp": NOW + 60 }), Some(300), None), 60);
    assert_eq!(ends(&json!({ "exp": NOW + 600 }), Some(300), None), 300);
    assert_eq!(ends(&json!({ "exp": 1_800_000_060.5 }), None, Some(90)), 60);
}
