use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, json};

use super::{SignError, SigningKey, SigningKeyError};
use crate::jose::algorithm::Algorithm;
use crate::jose::fixtures::{check, claims, expectations, key, object};
use crate::jose::jwk::VerifyingKey;

/// RFC 7515 appendix A.3 as SEC1, made from its `d`, `x` and `y`.
const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEII6bEJ5xkJi/mASH3x9dd+nLKWBuvtImO19XwhPfhPSyoAoGCCqGSM49
AwEHoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b
focs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
-----END EC PRIVATE KEY-----
";

#[test]
fn keys_survive_pem() {
    for algorithm in Algorithm::ALL {
        let pem = key(algorithm).to_pkcs8_pem().unwrap();
        assert!(pem.expose().lines().all(|line| line.len() <= 64));
        let again = SigningKey::from_pkcs8_pem(algorithm, pem.expose()).unwrap();
        assert_eq!(again.kid(), key(algorithm).kid());
        let token = again.sign("at+jwt", &claims(json!({}))).unwrap();
        assert!(check(&token, &expectations()).is_ok(), "{algorithm}");
    }
}

#[test]
fn sec1_and_pkcs1_are_read_too() {
    let ec = SigningKey::from_pkcs8_pem(Algorithm::Es256, SEC1).unwrap();
    assert_eq!(ec.public_jwk()["x"], "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    let parameters =
        format!("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{SEC1}");
    assert_eq!(SigningKey::from_pkcs8_pem(Algorithm::Es256, &parameters).unwrap().kid(), ec.kid());

    // A 2048-bit PKCS#8 document is 26 bytes of frame around the PKCS#1 one.
    let rsa = key(Algorithm::Rs256);
    let pkcs8 = rsa.to_pkcs8_pem().unwrap();
    let text: String = pkcs8.expose().lines().filter(|line| !line.starts_with("---")).collect();
    let pkcs1 = STANDARD.encode(&STANDARD.decode(text).unwrap()[26..]);
    let pkcs1 = format!("-----BEGIN RSA PRIVATE KEY-----\n{pkcs1}\n-----END RSA PRIVATE KEY-----\n");
    assert_eq!(SigningKey::from_pkcs8_pem(Algorithm::Rs256, &pkcs1).unwrap().kid(), rsa.kid());
    assert_eq!(
        SigningKey::from_pkcs8_pem(Algorithm::Es256, &pkcs1).unwrap_err(),
        SigningKeyError::Mismatch(Algorithm::Es256)
    );
}

#[test]
fn the_published_jwk_is_public_and_complete() {
    for algorithm in Algorithm::ALL {
        let jwk = object(key(algorithm).public_jwk());
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["alg"], algorithm.as_str());
        assert_eq!(jwk["kid"], key(algorithm).kid());
        let names: Vec<_> = jwk.keys().map(String::as_str).collect();
        let wanted: &[&str] = match algorithm {
            Algorithm::Es256 => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            Algorithm::Rs256 | Algorithm::Ps256 => &["alg", "e", "kid", "kty", "n", "use"],
            Algorithm::EdDsa => &["alg", "crv", "kid", "kty", "use", "x"],
        };
        assert!(names.len() == wanted.len() && wanted.iter().all(|name| names.contains(name)), "{names:?}");
        assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap().kid(), Some(key(algorithm).kid()));
    }
}

#[test]
fn a_key_of_another_family_is_refused() {
    for algorithm in Algorithm::ALL {
        for other in Algorithm::ALL {
            let pem = key(other).to_pkcs8_pem().unwrap();
            let same_family = algorithm == other
                || [algorithm, other].iter().all(|one| matches!(one, Algorithm::Rs256 | Algorithm::Ps256));
            let result = SigningKey::from_pkcs8_pem(algorithm, pem.expose());
            if same_family {
                assert!(result.is_ok());
            } else {
                assert_eq!(
                    result.unwrap_err(),
                    SigningKeyError::Mismatch(algorithm),
                    "{other} for {algorithm}"
                );
            }
        }
    }
}

#[test]
fn other_texts_are_refused_by_what_they_are() {
    let refusal = |pem: &str| SigningKey::from_pkcs8_pem(Algorithm::Es256, pem).unwrap_err();
    assert_eq!(refusal(""), SigningKeyError::Pem);
    assert_eq!(refusal("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), SigningKeyError::Pem);
    assert_eq!(refusal("-----BEGIN PRIVATE KEY-----\nAAAA\n"), SigningKeyError::Pem);
    assert_eq!(
        refusal("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        SigningKeyError::Encrypted
    );
    assert_eq!(
        refusal("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        SigningKeyError::Mismatch(Algorithm::Es256)
    );
}

#[test]
fn a_token_that_nobody_would_accept_is_not_made() {
    let claims = object(json!({ "groups": vec!["a group name"; 2000] }));
    assert!(matches!(key(Algorithm::Es256).sign("at+jwt", &claims), Err(SignError::TooLong(_))));
}

#[test]
fn the_type_cannot_break_out_of_the_header() {
    let token = key(Algorithm::Es256).sign(r#"x","alg":"none"#, &Map::new()).unwrap();
    let token = crate::jose::token::UnverifiedToken::parse(&token).unwrap();
    assert_eq!(token.typ(), Some(r#"x","alg":"none"#));
}

#[test]
fn debug_shows_no_key_material() {
    let key = key(Algorithm::EdDsa);
    let shown = format!("{key:?}");
    assert!(shown.contains(key.kid()));
    assert!(shown.len() < 120, "{shown}");
}
