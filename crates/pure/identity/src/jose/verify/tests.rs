use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Expectations, TokenType, VerifiedType};
use crate::audience::Audience;
use crate::clock::Timestamp;
use crate::id::Issuer;
use crate::jose::algorithm::Algorithm;
use crate::jose::fixtures::{AUDIENCE, ISSUER, NOW, check, claims, expectations, key, key_set, now, object};
use crate::jose::jwk::KeySet;
use crate::jose::sign::SigningKey;
use crate::jose::token::{TokenError, UnverifiedToken};

fn signed(typ: &str, changes: Value) -> String {
    key(Algorithm::Es256).sign(typ, &claims(changes)).unwrap()
}

/// The refusal of an otherwise good access token.
fn refusal(changes: Value) -> TokenError {
    check(&signed("at+jwt", changes), &expectations()).unwrap_err()
}

fn accepted(changes: Value) -> bool {
    check(&signed("at+jwt", changes), &expectations()).is_ok()
}

/// A token with any header, signed correctly by the ES256 fixture key.
fn with_header(header: Value) -> String {
    let mut full = object(json!({"alg": "ES256", "kid": key(Algorithm::Es256).kid(), "typ": "at+jwt"}));
    full.extend(object(header));
    let payload = Value::Object(claims(json!({}))).to_string();
    key(Algorithm::Es256).compact(Value::Object(full).to_string().as_bytes(), payload.as_bytes()).unwrap()
}

#[test]
fn a_good_token_of_every_algorithm_verifies() {
    for algorithm in Algorithm::ALL {
        let token = key(algorithm).sign("at+jwt", &claims(json!({}))).unwrap();
        let verified = check(&token, &expectations()).unwrap();
        assert_eq!(verified.claims(), &claims(json!({})));
        assert_eq!(verified.issuer().as_str(), ISSUER);
        assert_eq!(verified.expires_at(), Timestamp::from_unix_seconds(NOW + 600));
        assert_eq!(verified.token_type(), VerifiedType::AccessToken);
    }
}

#[test]
fn examples_of_rfc_7515() {
    // Their payload has no `aud`: that complaint comes only after the signature and the issuer.
    let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rs256 = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let es256 = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let keys = KeySet::parse(json!({"keys": [
        {"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
        {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    ]}).to_string().as_bytes()).unwrap();
    assert_eq!(keys.ignored(), [""; 0]);
    let joe = Expectations { issuer: Issuer::new("joe"), ..expectations() };
    let verify = |token: &str| UnverifiedToken::parse(token).unwrap().verify(&keys, &joe, now()).unwrap_err();
    for (header, signature) in [("eyJhbGciOiJSUzI1NiJ9", rs256), ("eyJhbGciOiJFUzI1NiJ9", es256)] {
        assert_eq!(verify(&format!("{header}.{payload}.{signature}")), TokenError::MalformedAudience);
        // `joe` becomes `jof`, which would be refused as an issuer if anyone looked.
        let altered = payload.replace("b2Ui", "b2Yi");
        assert_eq!(verify(&format!("{header}.{altered}.{signature}")), TokenError::Signature);
    }
}

#[test]
fn agrees_with_a_second_implementation() {
    use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};

    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let theirs: jsonwebtoken::Algorithm = algorithm.as_str().parse().unwrap();
        let jwk = serde_json::from_value(key.public_jwk()).unwrap();
        let mut validation = Validation::new(theirs);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_exp = false;
        let token = key.sign("at+jwt", &claims(json!({}))).unwrap();
        let read =
            decode::<Map<String, Value>>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
        assert_eq!(read.claims, claims(json!({})), "{algorithm}: they read ours");

        let pem = key.to_pkcs8_pem().unwrap();
        let pem = pem.expose().as_bytes();
        let encoding = match algorithm {
            Algorithm::Es256 => EncodingKey::from_ec_pem(pem),
            Algorithm::Rs256 | Algorithm::Ps256 => EncodingKey::from_rsa_pem(pem),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(pem),
        };
        let header = Header { kid: Some(key.kid().to_owned()), ..Header::new(theirs) };
        let token = encode(&header, &claims(json!({})), &encoding.unwrap()).unwrap();
        assert!(check(&token, &expectations()).is_ok(), "{algorithm}: we read theirs");
    }
}

#[test]
fn the_public_key_is_no_shared_secret() {
    // RS256 key, HS256 token keyed with everything an attacker can know of it.
    let jwk = key(Algorithm::Rs256).public_jwk();
    let secrets = [jwk.to_string(), jwk["n"].as_str().unwrap().to_owned(), format!(" {jwk}")];
    for secret in secrets {
        let payload = URL_SAFE_NO_PAD.encode(Value::Object(claims(json!({}))).to_string());
        for name in ["HS256", "none", "RS256"] {
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": name, "kid": jwk["kid"]}).to_string());
            let input = format!("{header}.{payload}");
            let mac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
            let signature = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&mac, input.as_bytes()));
            let wanted = match name {
                "HS256" => TokenError::Symmetric,
                "none" => TokenError::Unsigned,
                _ => TokenError::Signature,
            };
            assert_eq!(check(&format!("{input}.{signature}"), &expectations()).unwrap_err(), wanted);
        }
    }
}

#[test]
fn keys_from_the_header_are_never_used() {
    // An attacker signs with a key of their own and brings it along in every way there is.
    let attacker = SigningKey::generate(Algorithm::Es256).unwrap();
    let own = json!({
        "jwk": attacker.public_jwk(), "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5c",
        "x5c": ["AAAA"],
    });
    for (kid, wanted) in [
        (json!(attacker.kid()), TokenError::UnknownKey),
        (json!(key(Algorithm::Es256).kid()), TokenError::Signature),
    ] {
        let mut header = object(own.clone());
        header.extend(object(json!({"alg": "ES256", "typ": "at+jwt", "kid": kid})));
        let payload = Value::Object(claims(json!({}))).to_string();
        let token =
            attacker.compact(Value::Object(header).to_string().as_bytes(), payload.as_bytes()).unwrap();
        assert_eq!(check(&token, &expectations()).unwrap_err(), wanted);
    }
    // On a genuine token they are inert.
    assert!(check(&with_header(own), &expectations()).is_ok());
}

#[test]
fn an_empty_or_foreign_signature_is_refused() {
    let good = signed("at+jwt", json!({}));
    let (input, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(check(&format!("{input}."), &expectations()).unwrap_err(), TokenError::Signature);
    let other = signed("at+jwt", json!({"sub": "eve"}));
    let (other_input, _) = other.rsplit_once('.').unwrap();
    assert_eq!(
        check(&format!("{other_input}.{signature}"), &expectations()).unwrap_err(),
        TokenError::Signature
    );
    // All-zero (r, s) once passed in other libraries.
    let zeros = URL_SAFE_NO_PAD.encode([0_u8; 64]);
    assert_eq!(check(&format!("{input}.{zeros}"), &expectations()).unwrap_err(), TokenError::Signature);
}

#[test]
fn the_key_is_chosen_by_kid_and_algorithm_among_the_issuers_own() {
    let crossed = with_header(json!({"kid": key(Algorithm::EdDsa).kid()}));
    assert_eq!(check(&crossed, &expectations()).unwrap_err(), TokenError::UnknownKey);
    let unknown = with_header(json!({"kid": "../../../dev/null"}));
    assert_eq!(check(&unknown, &expectations()).unwrap_err(), TokenError::UnknownKey);

    let foreign = KeySet::new(vec![key(Algorithm::Rs256).verifying_key()]);
    let token = signed("at+jwt", json!({}));
    let token = UnverifiedToken::parse(&token).unwrap();
    assert_eq!(token.verify(&foreign, &expectations(), now()).unwrap_err(), TokenError::UnknownKey);
    assert_eq!(token.verify(&KeySet::default(), &expectations(), now()).unwrap_err(), TokenError::UnknownKey);

    // The same key under RS256 and PS256 is two keys to us.
    let rsa = key(Algorithm::Rs256);
    let header = json!({"alg": "PS256", "kid": rsa.kid(), "typ": "at+jwt"}).to_string();
    let token =
        rsa.compact(header.as_bytes(), Value::Object(claims(json!({}))).to_string().as_bytes()).unwrap();
    assert_eq!(check(&token, &expectations()).unwrap_err(), TokenError::UnknownKey);
}

#[test]
fn algorithms_are_the_issuers_not_the_tokens() {
    let only_rsa = Expectations { algorithms: vec![Algorithm::Rs256], ..expectations() };
    let none = Expectations { algorithms: Vec::new(), ..expectations() };
    let token = signed("at+jwt", json!({}));
    assert_eq!(check(&token, &only_rsa).unwrap_err(), TokenError::AlgorithmNotAllowed);
    assert_eq!(check(&token, &none).unwrap_err(), TokenError::AlgorithmNotAllowed);
}

#[test]
fn the_issuer_is_compared_byte_for_byte() {
    let slash = format!("{ISSUER}/");
    let wrong =
        [json!(null), json!(slash), json!(ISSUER.to_uppercase()), json!([ISSUER]), json!(1), json!("")];
    for iss in wrong {
        assert_eq!(refusal(json!({"iss": iss})), TokenError::Issuer, "{iss}");
    }
}

#[test]
fn the_audience_is_a_string_or_strings_and_one_of_ours() {
    for aud in [json!(AUDIENCE), json!([AUDIENCE]), json!(["other", AUDIENCE])] {
        assert!(accepted(json!({"aud": aud})), "{aud}");
    }
    let slash = format!("{AUDIENCE}/");
    for aud in [json!("other"), json!(["other"]), json!(slash), json!(AUDIENCE.to_uppercase()), json!("")] {
        assert_eq!(refusal(json!({"aud": aud})), TokenError::Audience, "{aud}");
    }
    for aud in [
        json!(null),
        json!([]),
        json!([AUDIENCE, 1]),
        json!([AUDIENCE, null]),
        json!({"a": AUDIENCE}),
        json!(1),
    ] {
        assert_eq!(refusal(json!({"aud": aud})), TokenError::MalformedAudience, "{aud}");
    }
    let nobody = Expectations { audiences: Vec::new(), ..expectations() };
    assert_eq!(check(&signed("at+jwt", json!({})), &nobody).unwrap_err(), TokenError::Audience);
    let two = Expectations { audiences: vec![Audience::new("x"), Audience::new(AUDIENCE)], ..expectations() };
    assert!(check(&signed("at+jwt", json!({})), &two).is_ok());
}

#[test]
fn exp_is_required_and_enforced() {
    assert_eq!(refusal(json!({"exp": null})), TokenError::Missing("exp"));
    let seconds = (NOW + 600).to_string();
    for exp in
        [json!(seconds), json!([NOW + 600]), json!({}), json!(true), json!(-1), json!(1e300), json!(u64::MAX)]
    {
        assert_eq!(refusal(json!({"exp": exp})), TokenError::MalformedTime("exp"), "{exp}");
    }
    // The leeway is 30 seconds; the end itself is not part of a token's life.
    for exp in [json!(0), json!(NOW - 30)] {
        assert_eq!(refusal(json!({"iat": null, "exp": exp})), TokenError::Expired, "{exp}");
    }
    assert!(accepted(json!({"exp": NOW - 29})));
    #[expect(clippy::cast_precision_loss, reason = "fractional dates are what is tested")]
    let fraction = NOW as f64 + 0.5;
    assert!(accepted(json!({"exp": fraction})));
}

#[test]
fn nbf_and_iat_are_numbers_and_not_in_the_future() {
    for name in ["nbf", "iat"] {
        for bad in [json!("0"), json!([]), json!(false), json!(-5), json!(1e300)] {
            assert_eq!(refusal(json!({name: bad})), TokenError::MalformedTime(name), "{name} {bad}");
        }
        assert!(accepted(json!({name: NOW + 30})), "{name} within the leeway");
    }
    assert_eq!(refusal(json!({"nbf": NOW + 31})), TokenError::NotYetValid);
    assert_eq!(refusal(json!({"iat": NOW + 31})), TokenError::IssuedInFuture);
    assert!(accepted(json!({"iat": null})));
}

#[test]
fn a_life_longer_than_allowed_is_refused() {
    assert!(accepted(json!({"iat": NOW, "exp": NOW + 3600})));
    assert_eq!(refusal(json!({"iat": NOW, "exp": NOW + 3601})), TokenError::Lifetime);
    assert_eq!(refusal(json!({"iat": NOW - 3600, "exp": NOW + 1})), TokenError::Lifetime);
    assert!(accepted(json!({"iat": null, "exp": NOW + 3600})));
    assert_eq!(refusal(json!({"iat": null, "exp": NOW + 3601})), TokenError::Lifetime);
    assert_eq!(refusal(json!({"exp": 9_223_372_035_i64})), TokenError::Lifetime, "the last date we can hold");
}

fn with(claims: &Value, more: Value) -> Value {
    let (mut claims, Value::Object(more)) = (claims.clone(), more) else { unreachable!() };
    claims.as_object_mut().unwrap().extend(more);
    claims
}

/// Which token passes which door; the reader of a change here should think twice.
#[test]
fn type_matrix() {
    use TokenType::{AccessToken, AccessTokenStrict, Either, IdToken};
    let plain = json!({"client_id": null, "scope": null});
    let id = json!({"client_id": null, "scope": null, "nonce": "n"});
    let hashed = json!({"client_id": null, "scope": null, "at_hash": "h"});
    let table = [
        // typ, claims, doors that take it
        ("at+jwt", json!({}), vec![AccessTokenStrict, AccessToken, Either]),
        ("AT+JWT", json!({}), vec![AccessTokenStrict, AccessToken, Either]),
        ("application/at+jwt", json!({}), vec![AccessTokenStrict, AccessToken, Either]),
        ("JWT", plain.clone(), vec![AccessToken, IdToken, Either]),
        ("application/jwt", plain.clone(), vec![AccessToken, IdToken, Either]),
        ("JWT", id.clone(), vec![IdToken, Either]),
        ("JWT", hashed.clone(), vec![IdToken, Either]),
        // What calls itself an access token and looks like an ID token is taken where both are.
        ("at+jwt", id.clone(), vec![Either]),
        ("at+jwt", hashed.clone(), vec![Either]),
        ("JWT", with(&plain, json!({"c_hash": "h"})), vec![IdToken, Either]),
        ("JWT", with(&plain, json!({"s_hash": "h"})), vec![IdToken, Either]),
        // Keycloak and Cognito say in the payload what a token is.
        ("JWT", with(&plain, json!({"typ": "ID"})), vec![IdToken, Either]),
        ("JWT", json!({"typ": "ID"}), vec![IdToken, Either]),
        ("JWT", with(&plain, json!({"token_use": "id"})), vec![IdToken, Either]),
        ("at+jwt", json!({"typ": "ID"}), vec![]),
        ("JWT", json!({"typ": "Bearer"}), vec![AccessToken, Either]),
        ("JWT", with(&id, json!({"typ": "Bearer"})), vec![AccessToken, Either]),
        ("JWT", with(&hashed, json!({"typ": "Bearer"})), vec![Either]),
        ("JWT", with(&plain, json!({"token_use": "access"})), vec![AccessToken, Either]),
        ("JWT", json!({"typ": "Bearer", "token_use": "id"}), vec![]),
        ("JWT", json!({"typ": "Refresh"}), vec![]),
        ("JWT", json!({"typ": "Offline"}), vec![]),
        ("JWT", json!({"typ": "Logout"}), vec![]),
        ("JWT", with(&plain, json!({"typ": "something"})), vec![AccessToken, IdToken, Either]),
        // Entra ID and Okta mark access tokens by claims of their own; their ID tokens have none of them.
        ("JWT", with(&plain, json!({"scp": "user_impersonation"})), vec![AccessToken, Either]),
        ("JWT", with(&plain, json!({"scp": ["a"], "cid": "c"})), vec![AccessToken, Either]),
        ("JWT", with(&plain, json!({"appid": "c", "idtyp": "app"})), vec![AccessToken, Either]),
        // Both at once: an ID token only where it says so itself, or carries what no access token does.
        ("JWT", with(&id, json!({"scope": "openid"})), vec![Either]),
        ("JWT", with(&id, json!({"scp": "a"})), vec![Either]),
        ("JWT", with(&id, json!({"client_id": "c"})), vec![IdToken, Either]),
        ("JWT", with(&id, json!({"scope": "openid", "typ": "ID"})), vec![IdToken, Either]),
        ("JWT", with(&hashed, json!({"scope": "openid"})), vec![IdToken, Either]),
        ("logout+jwt", plain.clone(), vec![]),
        ("secevent+jwt", plain.clone(), vec![]),
        ("dpop+jwt", plain.clone(), vec![]),
        ("oauth-id-jag+jwt", plain.clone(), vec![]),
        ("", plain.clone(), vec![]),
        ("at+jwt ", plain, vec![]),
        ("JWT", json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}), vec![]),
    ];
    for (typ, changes, doors) in table {
        let token = signed(typ, changes.clone());
        for door in [AccessTokenStrict, AccessToken, IdToken, Either] {
            let result = check(&token, &Expectations { token_type: door, ..expectations() });
            assert_eq!(result.is_ok(), doors.contains(&door), "{typ} {changes} at {door:?}: {result:?}");
            if let Err(error) = result {
                assert_eq!(error, TokenError::Type);
            }
        }
    }
}

#[test]
fn either_tells_the_two_apart() {
    let either = Expectations { token_type: TokenType::Either, ..expectations() };
    let found = |typ: &str, changes: Value| check(&signed(typ, changes), &either).unwrap().token_type();
    assert_eq!(found("at+jwt", json!({})), VerifiedType::AccessToken);
    assert_eq!(found("JWT", json!({})), VerifiedType::AccessToken, "`scope` is for access tokens");
    assert_eq!(found("JWT", json!({"nonce": "n"})), VerifiedType::IdToken);
    assert_eq!(found("JWT", json!({"scope": null, "client_id": null})), VerifiedType::IdToken);
}

#[test]
fn id_tokens_have_rules_of_their_own() {
    let door = Expectations { token_type: TokenType::IdToken, ..expectations() };
    let id = json!({"client_id": null, "scope": null});
    let verify = |changes: Value| check(&signed("JWT", with(&id, changes)), &door).map(|_| ());
    assert_eq!(verify(json!({"sub": null})), Err(TokenError::Missing("sub")));
    assert_eq!(verify(json!({"iat": null})), Err(TokenError::Missing("iat")));
    assert_eq!(verify(json!({"aud": [AUDIENCE, "other"]})), Err(TokenError::AuthorizedParty));
    assert_eq!(verify(json!({"aud": [AUDIENCE, "other"], "azp": "other"})), Err(TokenError::AuthorizedParty));
    assert_eq!(verify(json!({"aud": [AUDIENCE, "other"], "azp": AUDIENCE})), Ok(()));
}

#[test]
fn a_kid_may_be_left_out_when_only_one_key_fits() {
    let header = json!({"alg": "ES256", "typ": "at+jwt"}).to_string();
    let payload = Value::Object(claims(json!({}))).to_string();
    let token = key(Algorithm::Es256).compact(header.as_bytes(), payload.as_bytes()).unwrap();
    assert!(check(&token, &expectations()).is_ok());
    let second = SigningKey::generate(Algorithm::Es256).unwrap().verifying_key();
    let keys = KeySet::new(vec![key(Algorithm::Es256).verifying_key(), second]);
    let result = UnverifiedToken::parse(&token).unwrap().verify(&keys, &expectations(), now());
    assert_eq!(result.unwrap_err(), TokenError::UnknownKey);
}

#[test]
fn codes_are_stable_and_distinct() {
    let errors = [
        TokenError::TooLong,
        TokenError::Parts,
        TokenError::Encrypted,
        TokenError::HeaderTooLong,
        TokenError::Critical,
        TokenError::Unsigned,
        TokenError::Symmetric,
        TokenError::UnknownAlgorithm,
        TokenError::KeyId,
        TokenError::Type,
        TokenError::AlgorithmNotAllowed,
        TokenError::UnknownKey,
        TokenError::Signature,
        TokenError::Issuer,
        TokenError::MalformedAudience,
        TokenError::Audience,
        TokenError::AuthorizedParty,
        TokenError::Missing("exp"),
        TokenError::MalformedTime("exp"),
        TokenError::Expired,
        TokenError::NotYetValid,
        TokenError::IssuedInFuture,
        TokenError::Lifetime,
    ];
    let codes: std::collections::BTreeSet<_> = errors.iter().map(TokenError::code).collect();
    assert_eq!(codes.len(), errors.len());
    assert!(codes.iter().all(|code| code.starts_with("token_")));
}

const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_claims_survive_signing_and_verifying(
        extra in proptest::collection::btree_map("[a-z]{9,12}", ".{0,16}", 0..8),
        index in 0..Algorithm::ALL.len(),
    ) {
        let mut claims = claims(json!({}));
        claims.extend(extra.into_iter().map(|(name, value)| (name, Value::String(value))));
        let token = key(Algorithm::ALL[index]).sign("at+jwt", &claims).unwrap();
        let verified = check(&token, &expectations()).unwrap();
        prop_assert_eq!(verified.claims(), &claims);
    }

    #[test]
    fn any_other_byte_anywhere_breaks_the_token(
        position in any::<prop::sample::Index>(),
        byte in prop::sample::select(BASE64URL),
        index in 0..Algorithm::ALL.len(),
    ) {
        let token = key(Algorithm::ALL[index]).sign("at+jwt", &claims(json!({}))).unwrap();
        let mut bytes = token.clone().into_bytes();
        let position = position.index(bytes.len());
        prop_assume!(bytes[position] != byte);
        bytes[position] = byte;
        let altered = String::from_utf8(bytes).unwrap();
        prop_assert!(check(&altered, &expectations()).is_err(), "{token} -> {altered}");
    }

    #[test]
    fn a_token_passes_exactly_while_it_lives(offset in -5_000_i64..5_000) {
        let token = signed("at+jwt", json!({"iat": NOW, "nbf": NOW, "exp": NOW + 600}));
        let now = Timestamp::from_unix_seconds(NOW + offset);
        let result = UnverifiedToken::parse(&token).unwrap().verify(&key_set(), &expectations(), now);
        prop_assert_eq!(result.is_ok(), (-30..630).contains(&offset));
    }
}

#[test]
fn the_leeway_may_be_nothing() {
    let exact = Expectations { leeway: Duration::ZERO, ..expectations() };
    assert_eq!(check(&signed("at+jwt", json!({"exp": NOW})), &exact).unwrap_err(), TokenError::Expired);
    assert!(check(&signed("at+jwt", json!({"exp": NOW + 1, "nbf": NOW, "iat": NOW})), &exact).is_ok());
}
