use serde_json::json;

use super::PublicKey;
use crate::jose::fixtures::object;
use crate::jose::jwk::JwkError;

const MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn thumbprint(jwk: serde_json::Value) -> String {
    PublicKey::from_jwk(&object(jwk)).map_err(|error| error.to_string()).unwrap().thumbprint()
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let rsa = json!({"kty": "RSA", "n": MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    assert_eq!(thumbprint(rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "RFC 7638 §3.1");
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(thumbprint(ed), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "RFC 8037 appendix A.3");
}

#[test]
fn small_moduli_are_refused_and_leading_zeros_do_not_count() {
    let modulus = |bytes: usize, first: u8| [vec![first], vec![0x81; bytes - 1]].concat();
    let size = |n: Vec<u8>| PublicKey::rsa(n, vec![1, 0, 1]).err();
    assert_eq!(size(modulus(256, 0x80)), None);
    assert_eq!(size([vec![0], modulus(256, 0x80)].concat()), None);
    assert_eq!(size(modulus(256, 0x7F)), Some(JwkError::RsaSize(2047)));
    assert_eq!(size(modulus(1025, 0x01)), Some(JwkError::RsaSize(8193)));
    assert_eq!(size(Vec::new()), Some(JwkError::RsaSize(0)));
}
