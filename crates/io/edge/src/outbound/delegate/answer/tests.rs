use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;

use gatehouse_identity::secret::Secret;

use super::Given;
use crate::rejection::RejectionKind;

fn id_of(token: &str) -> Option<String> {
    let given = Given { token: Secret::new(token.to_owned()), lifetime: Duration::ZERO, scope: None };
    given.token_id().map(|id| id.to_string())
}

fn jwt(payload: &str) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
}

#[test]
fn the_id_of_a_jwt_is_for_the_audit_trail() {
    assert_eq!(id_of(&jwt(r#"{"jti":"7muuaq","sub":"ada"}"#)).as_deref(), Some("7muuaq"));
}

#[test]
fn a_token_without_a_sound_id_has_none() {
    let long = jwt(&format!(r#"{{"jti":"{}"}}"#, "x".repeat(257)));
    let odd =
        [r#"{"sub":"ada"}"#, r#"{"jti":7}"#, r#"{"jti":"a b"}"#, r#"{"jti":"a\nb"}"#, "{", "[]"].map(jwt);
    for token in odd.iter().map(String::as_str).chain([long.as_str(), "opaque", "a.b", "a.!.c", ""]) {
        assert_eq!(id_of(token), None, "{token}");
    }
}

#[test]
fn an_answer_is_a_bearer_token_or_says_why_not() {
    let read = |status: u16, body: &str| Given::read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
    let given =
        read(200, r#"{"access_token":"t","token_type":"bEaReR","expires_in":60,"scope":"a"}"#).unwrap();
    assert_eq!(
        (given.token.expose(), given.lifetime.as_secs(), given.scope.as_deref()),
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
