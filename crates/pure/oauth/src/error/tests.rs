use super::*;

#[test]
fn descriptions_hold_only_the_characters_that_rfc_6749_allows() {
    let error = OAuthError::new(ErrorCode::InvalidScope, "scope \"a\\b\"\r\nSet-Cookie: x\u{e9}");
    assert_eq!(error.description(), "scope 'a?b'??Set-Cookie: x?");
}

#[test]
fn every_code_has_its_own_text_and_a_client_or_server_status() {
    let mut seen = std::collections::BTreeSet::new();
    for code in ErrorCode::ALL {
        assert!(seen.insert(code.as_str()), "{code} appears twice");
        assert!((400..600).contains(&code.http_status()));
    }
    assert_eq!(ErrorCode::InvalidClient.http_status(), 401);
    assert_eq!(ErrorCode::InvalidGrant.http_status(), 400);
}
