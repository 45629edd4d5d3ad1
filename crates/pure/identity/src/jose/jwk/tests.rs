use serde_json::{Value, json};

use super::{JwkError, JwksError, KeySet, MAX_SET_BYTES, MAX_SET_KEYS, VerifyingKey};
use crate::jose::algorithm::Algorithm;
use crate::jose::fixtures::{key, object};
use crate::jose::strict_json::StrictJsonError;

/// The public JWK of a fixture key with members replaced; `null` removes one.
fn jwk(algorithm: Algorithm, changes: Value) -> Value {
    let mut jwk = object(key(algorithm).public_jwk());
    for (name, value) in object(changes) {
        if value.is_null() {
            jwk.remove(&name)
        } else {
            jwk.insert(name, value)
        };
    }
    Value::Object(jwk)
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn refusal(jwk: Value) -> JwkError {
    VerifyingKey::from_jwk(&object(jwk)).unwrap_err()
}

#[test]
fn every_algorithm_is_found_by_kid_and_alone() {
    let keys: Vec<_> = Algorithm::ALL.map(|algorithm| key(algorithm).public_jwk()).to_vec();
    let set = set(&keys);
    assert!(set.ignored().is_empty());
    for algorithm in Algorithm::ALL {
        let kid = key(algorithm).kid();
        assert_eq!(set.find(Some(kid), algorithm).unwrap().kid(), Some(kid));
        assert_eq!(set.find(None, algorithm).unwrap().kid(), Some(kid));
        assert!(set.contains(kid));
    }
    assert!(!set.contains("other") && set.find(Some("other"), Algorithm::Es256).is_none());
    assert!(
        set.find(Some(key(Algorithm::Es256).kid()), Algorithm::EdDsa).is_none(),
        "kid of another algorithm"
    );
}

#[test]
fn without_kid_two_candidates_are_none() {
    let set = set(&[jwk(Algorithm::Es256, json!({"kid": "a"})), jwk(Algorithm::Es256, json!({"kid": "b"}))]);
    assert_eq!(set.keys().len(), 2);
    assert!(set.find(None, Algorithm::Es256).is_none());
}

#[test]
fn an_rsa_key_without_alg_serves_both_paddings_and_one_with_alg_only_its_own() {
    let free = set(&[jwk(Algorithm::Rs256, json!({"alg": null, "use": null}))]);
    let pinned = set(&[jwk(Algorithm::Rs256, json!({}))]);
    assert!(free.find(None, Algorithm::Rs256).is_some() && free.find(None, Algorithm::Ps256).is_some());
    assert!(pinned.find(None, Algorithm::Rs256).is_some() && pinned.find(None, Algorithm::Ps256).is_none());
}

#[test]
fn unusable_keys_are_left_out_and_named() {
    let set = set(&[
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}),
        json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}),
        key(Algorithm::Es256).public_jwk(),
        jwk(Algorithm::Es256, json!({"x": key(Algorithm::EdDsa).public_jwk()["x"]})),
    ]);
    assert_eq!(set.keys().len(), 1);
    assert!(!set.contains("shared"));
    assert_eq!(
        set.ignored(),
        [
            "keys[0]: symmetric keys are never accepted from a key set",
            "keys[1]: unsupported curve `P-384`",
            "keys[3]: the key material is not a valid public key",
        ]
    );
}

#[test]
fn each_reason_to_refuse_a_key() {
    let ec = |changes| refusal(jwk(Algorithm::Es256, changes));
    let rsa = |changes| refusal(jwk(Algorithm::Rs256, changes));
    assert_eq!(ec(json!({"kty": null})), JwkError::Member("kty"));
    assert_eq!(ec(json!({"kty": "XYZ"})), JwkError::Unsupported("key type `XYZ`".into()));
    assert_eq!(ec(json!({"crv": "secp256k1"})), JwkError::Unsupported("curve `secp256k1`".into()));
    assert_eq!(ec(json!({"d": "AA"})), JwkError::Private);
    assert_eq!(ec(json!({"use": "enc"})), JwkError::Use);
    assert_eq!(ec(json!({"key_ops": ["sign"]})), JwkError::Use);
    assert_eq!(ec(json!({"key_ops": "verify"})), JwkError::Use);
    assert_eq!(ec(json!({"alg": "ES512"})), JwkError::Algorithm("ES512".into()));
    assert_eq!(ec(json!({"alg": "RS256"})), JwkError::Algorithm("RS256".into()), "alg of another family");
    assert_eq!(ec(json!({"alg": "HS256"})), JwkError::Algorithm("HS256".into()));
    assert_eq!(ec(json!({"alg": 1})), JwkError::Member("alg"));
    assert_eq!(ec(json!({"kid": 1})), JwkError::Member("kid"));
    assert_eq!(ec(json!({"kid": "k".repeat(257)})), JwkError::Member("kid"));
    assert_eq!(ec(json!({"x": "AA"})), JwkError::Member("x"));
    assert_eq!(ec(json!({"y": null})), JwkError::Member("y"));
    assert_eq!(rsa(json!({"n": "AQAB"})), JwkError::RsaSize(17));
    assert_eq!(rsa(json!({"n": "A+A="})), JwkError::Member("n"), "not base64url");
    assert_eq!(rsa(json!({"e": ""})), JwkError::Material);
    assert_eq!(rsa(json!({"e": "Ag"})), JwkError::Material, "an even exponent");
    assert_eq!(rsa(json!({"e": "AQ"})), JwkError::Material, "one");
    assert_eq!(rsa(json!({"e": "AQAAAAE"})), JwkError::Material, "an exponent that costs time");
}

#[test]
fn of_two_keys_with_one_kid_the_first_stands() {
    let set = set(&[
        jwk(Algorithm::Es256, json!({"kid": "k"})),
        jwk(Algorithm::Rs256, json!({"kid": "k"})),
        jwk(Algorithm::Rs256, json!({"kid": "k", "alg": null})),
    ]);
    assert_eq!(set.keys().len(), 2, "the same kid for another algorithm is legal");
    assert_eq!(set.ignored(), [r#"kid "k" appears twice; the first key stands"#]);
}

#[test]
fn documents_that_are_no_key_sets() {
    let parse = |text: &str| KeySet::parse(text.as_bytes()).unwrap_err();
    assert_eq!(parse("{}"), JwksError::Keys);
    assert_eq!(parse(r#"{"keys":{}}"#), JwksError::Keys);
    assert_eq!(parse(r#"{"keys":["x"]}"#), JwksError::Keys);
    assert_eq!(parse(r#"{"keys":[],"keys":[]}"#), JwksError::Json(StrictJsonError::Duplicate("keys".into())));
    assert_eq!(
        parse(r#"{"keys":[{"kty":"EC","kty":"oct"}]}"#),
        JwksError::Json(StrictJsonError::Duplicate("kty".into()))
    );
    assert_eq!(parse(&" ".repeat(MAX_SET_BYTES + 1)), JwksError::TooLarge);
    assert_eq!(parse(&json!({"keys": vec![json!({}); MAX_SET_KEYS + 1]}).to_string()), JwksError::TooMany);
    assert!(KeySet::parse(br#"{"keys":[]}"#).unwrap().keys().is_empty());
}

#[test]
fn eddsa_example_of_rfc_8037() {
    let key = VerifyingKey::from_jwk(&object(
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
    ))
    .unwrap();
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = base64::Engine::decode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    )
    .unwrap();
    assert!(key.verifies(Algorithm::EdDsa, message, &signature));
    assert!(!key.verifies(Algorithm::Es256, message, &signature), "a key serves its own algorithm only");
    assert!(!key.verifies(Algorithm::EdDsa, b"another message", &signature));
}

#[test]
fn a_member_that_is_null_is_absent() {
    let optional = ["kid", "alg", "use", "key_ops", "x5c", "x5t", "d", "oth", "k"];
    let nulls = |algorithm: Algorithm| {
        let mut jwk = object(key(algorithm).public_jwk());
        jwk.extend(optional.map(|name| (name.to_owned(), Value::Null)));
        Value::Object(jwk)
    };
    let set = set(&[nulls(Algorithm::Es256), nulls(Algorithm::EdDsa), nulls(Algorithm::Rs256)]);
    assert_eq!(set.ignored(), [""; 0]);
    for algorithm in Algorithm::ALL {
        assert_eq!(set.find(None, algorithm).unwrap().kid(), None, "{algorithm}");
    }
    // What must be there is missed.
    assert_eq!(refusal(json!({"kty": "EC", "crv": "P-256", "x": null, "y": null})), JwkError::Member("x"));
}
