use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::json;

use super::{MAX_HEADER_BYTES, MAX_TOKEN_BYTES, Part, TokenError, UnverifiedToken};
use crate::jose::algorithm::Algorithm;
use crate::jose::strict_json::StrictJsonError;

const HEADER: &str = r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#;

fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of these texts; the signature need not be one to test the structure.
fn token(header: &str, payload: &str) -> String {
    format!("{}.{}.{}", b64(header), b64(payload), b64("signature"))
}

fn refusal(token: &str) -> TokenError {
    UnverifiedToken::parse(token).unwrap_err()
}

fn header_refusal(header: &serde_json::Value) -> TokenError {
    refusal(&token(&header.to_string(), "{}"))
}

#[test]
fn shows_what_the_token_says_of_itself() {
    let text = token(HEADER, r#"{"iss":"https://i.example.com","sub":"ada"}"#);
    let token = UnverifiedToken::parse(&text).unwrap();
    assert_eq!(token.issuer(), Some("https://i.example.com"));
    assert_eq!(token.kid(), Some("k"));
    assert_eq!(token.algorithm(), Algorithm::Es256);
    assert_eq!(token.typ(), Some("at+jwt"));
    assert!(!format!("{token:?}").contains("ada"), "claims stay out of logs");
}

#[test]
fn the_number_of_parts_is_exactly_three() {
    for bad in ["", "abc", ".", "a.b", "a.b.c.d", "a.b.c.d.e.f", "gwk_abc"] {
        assert_eq!(refusal(bad), TokenError::Parts, "{bad:?}");
    }
    assert_eq!(refusal("a.b.c.d.e"), TokenError::Encrypted);
    let jwe = format!("{}.a.b.c.d", b64(r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#));
    assert_eq!(refusal(&jwe), TokenError::Encrypted);
    assert_eq!(refusal(&".".repeat(MAX_TOKEN_BYTES)), TokenError::Parts);
}

#[test]
fn sizes_are_bounded() {
    assert_eq!(refusal(&"a".repeat(17 * 1024)), TokenError::TooLong);
    assert_eq!(refusal(&token(HEADER, &" ".repeat(17 * 1024))), TokenError::TooLong);
    let padded = |size: usize| format!("{HEADER}{}", " ".repeat(size - HEADER.len()));
    assert!(UnverifiedToken::parse(&token(&padded(MAX_HEADER_BYTES), "{}")).is_ok());
    assert_eq!(refusal(&token(&padded(MAX_HEADER_BYTES + 1), "{}")), TokenError::HeaderTooLong);
    assert_eq!(refusal(&token(&padded(MAX_HEADER_BYTES * 2), "{}")), TokenError::HeaderTooLong);
}

#[test]
fn base64url_is_strict() {
    let (header, payload, signature) = (b64(HEADER), b64("{}"), b64("signature!"));
    let table = [
        (format!("{header}=.{payload}.{signature}"), Part::Header),
        (format!("{header}.{payload}=.{signature}"), Part::Payload),
        (format!("{header}.{payload}.{signature}=="), Part::Signature),
        (format!(" {header}.{payload}.{signature}"), Part::Header),
        (format!("{header}.{payload}.{signature}\n"), Part::Signature),
        (format!("{header}.{payload} .{signature}"), Part::Payload),
        (format!("{header}.{payload}.+/+/"), Part::Signature),
        (format!("{header}.{payload}.A"), Part::Signature),
        // `e30` is `{}`; `e31` differs only in bits that no byte holds.
        (format!("{header}.e31.{signature}"), Part::Payload),
        (format!("{header}.{payload}.AB"), Part::Signature),
        (format!("{header}.{payload}.é"), Part::Signature),
    ];
    for (text, part) in table {
        assert_eq!(refusal(&text), TokenError::Encoding(part), "{text:?}");
    }
}

#[test]
fn header_and_payload_are_unambiguous_objects() {
    let duplicate = |name: &str| StrictJsonError::Duplicate(name.into());
    assert_eq!(
        refusal(&token(r#"{"alg":"ES256","alg":"none"}"#, "{}")),
        TokenError::Json(Part::Header, duplicate("alg"))
    );
    assert_eq!(
        refusal(&token(HEADER, r#"{"iss":"a","iss":"b"}"#)),
        TokenError::Json(Part::Payload, duplicate("iss"))
    );
    assert_eq!(
        refusal(&token(HEADER, r#"{"act":{"sub":"a","sub":"b"}}"#)),
        TokenError::Json(Part::Payload, duplicate("sub"))
    );
    assert_eq!(refusal(&token("[]", "{}")), TokenError::Json(Part::Header, StrictJsonError::NotAnObject));
    assert_eq!(refusal(&token(HEADER, "[]")), TokenError::Json(Part::Payload, StrictJsonError::NotAnObject));
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert_eq!(refusal(&token(HEADER, &deep)), TokenError::Json(Part::Payload, StrictJsonError::TooDeep));
    for bad in ["", "{", "{\"exp\":NaN}", "{\"exp\":1e999}", "{}{}", "null"] {
        assert!(matches!(refusal(&token(HEADER, bad)), TokenError::Json(Part::Payload, _)), "{bad:?}");
    }
}

#[test]
fn only_asymmetric_algorithms_exist() {
    for name in ["none", "None", "NONE", "nOnE"] {
        assert_eq!(header_refusal(&json!({"alg": name})), TokenError::Unsigned, "{name}");
    }
    for name in ["HS256", "HS384", "HS512"] {
        assert_eq!(header_refusal(&json!({"alg": name})), TokenError::Symmetric, "{name}");
    }
    let unknown =
        [json!("RS1"), json!("rs256"), json!("PBES2-HS256+A128KW"), json!(""), json!(null), json!(["ES256"])];
    for name in unknown {
        assert_eq!(header_refusal(&json!({"alg": name})), TokenError::UnknownAlgorithm, "{name}");
    }
    assert_eq!(header_refusal(&json!({"typ": "JWT"})), TokenError::UnknownAlgorithm);
}

#[test]
fn critical_extensions_are_refused() {
    let table = [json!(["exp"]), json!([]), json!(["b64"]), json!("x"), json!(null), json!(["urn:x"])];
    for crit in table {
        assert_eq!(header_refusal(&json!({"alg": "ES256", "crit": crit})), TokenError::Critical, "{crit}");
    }
}

#[test]
fn kid_and_typ_have_their_shape() {
    let long = "k".repeat(257);
    let bad = [json!(""), json!(long), json!("a\nb"), json!("a\u{0}"), json!("é"), json!(7), json!({})];
    for kid in bad {
        assert_eq!(header_refusal(&json!({"alg": "ES256", "kid": kid})), TokenError::KeyId, "{kid}");
    }
    for kid in ["k", "../../etc/passwd", "' OR 1=1 --", &"k".repeat(256)] {
        let text = token(&json!({"alg": "ES256", "kid": kid}).to_string(), "{}");
        assert_eq!(UnverifiedToken::parse(&text).unwrap().kid(), Some(kid), "text to compare, nothing more");
    }
    for typ in [json!(1), json!(["at+jwt"])] {
        assert_eq!(header_refusal(&json!({"alg": "ES256", "typ": typ})), TokenError::Type, "{typ}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_fail_otherwise_than_by_an_error(text in "[ -~é]{0,64}") {
        let _ = UnverifiedToken::parse(&text);
    }

    #[test]
    fn no_header_or_payload_does_either(header in any::<Vec<u8>>(), payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>()) {
        let _ = UnverifiedToken::parse(&format!("{}.{}.{}", b64(header), b64(&payload), b64(&signature)));
        let _ = UnverifiedToken::parse(&format!("{}.{}.{}", b64(HEADER), b64(&payload), b64(&signature)));
    }
}

#[test]
fn a_member_that_is_null_is_absent() {
    let text = token(
        r#"{"alg":"ES256","kid":null,"typ":null,"jku":null}"#,
        r#"{"iss":"https://i.example.com","nonce":null,"azp":null,"nbf":null}"#,
    );
    let token = UnverifiedToken::parse(&text).unwrap();
    assert_eq!((token.kid(), token.typ()), (None, None));
    assert_eq!(token.claims.keys().collect::<Vec<_>>(), ["iss"]);
    // Of what a token demands, nothing is left out.
    assert_eq!(header_refusal(&json!({"alg": "ES256", "crit": null})), TokenError::Critical);
    assert_eq!(header_refusal(&json!({"alg": null})), TokenError::UnknownAlgorithm);
}
