//! What signing and verifying cost, next to the bare signature and to `jsonwebtoken`.
#![expect(clippy::unwrap_used, reason = "a bench that cannot set itself up has nothing to measure")]

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use divan::Bencher;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::KeySet;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, TokenType};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Map, Value, json};

const NOW: i64 = 1_800_000_000;

fn main() {
    divan::main();
}

fn claims() -> Map<String, Value> {
    let claims = json!({
        "iss": "https://issuer.example.com", "aud": "https://gw.example.com/mcp", "sub": "ada",
        "client_id": "cli", "iat": NOW, "nbf": NOW, "exp": NOW + 600, "jti": "0123456789abcdef",
        "scope": "mcp:use ledger:read", "groups": ["engineering", "oncall"],
    });
    claims.as_object().unwrap().clone()
}

fn expectations() -> Expectations {
    Expectations {
        issuer: Issuer::new("https://issuer.example.com"),
        audiences: vec![Audience::new("https://gw.example.com/mcp")],
        algorithms: Algorithm::ALL.to_vec(),
        token_type: TokenType::AccessTokenStrict,
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_hours(1),
    }
}

#[divan::bench(args = Algorithm::ALL)]
fn sign(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let (key, claims) = (SigningKey::generate(algorithm).unwrap(), claims());
    bencher.bench(|| key.sign("at+jwt", &claims).unwrap());
}

#[divan::bench]
fn sign_rs256_bare(bencher: Bencher<'_, '_>) {
    let pem = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_pem().unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    let message = [b'x'; 500];
    bencher
        .bench_local(|| key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature).unwrap());
}

#[divan::bench]
fn sign_rs256_jsonwebtoken(bencher: Bencher<'_, '_>) {
    let pem = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_pem().unwrap();
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(pem.expose().as_bytes()).unwrap();
    let (header, claims) = (jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), claims());
    bencher.bench(|| jsonwebtoken::encode(&header, &claims, &key).unwrap());
}

#[divan::bench(args = Algorithm::ALL)]
fn parse_and_verify(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let key = SigningKey::generate(algorithm).unwrap();
    let token = key.sign("at+jwt", &claims()).unwrap();
    let (keys, expected) = (KeySet::new(vec![key.verifying_key()]), expectations());
    let now = Timestamp::from_unix_seconds(NOW);
    bencher.bench(|| UnverifiedToken::parse(&token).unwrap().verify(&keys, &expected, now).unwrap());
}

#[divan::bench(args = Algorithm::ALL)]
fn verify_bare(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let key = SigningKey::generate(algorithm).unwrap();
    let token = key.sign("at+jwt", &claims()).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature).unwrap();
    let key = key.verifying_key();
    bencher.bench(|| assert!(key.verifies(algorithm, input.as_bytes(), &signature)));
}

#[divan::bench]
fn parse_only(bencher: Bencher<'_, '_>) {
    let token = SigningKey::generate(Algorithm::Es256).unwrap().sign("at+jwt", &claims()).unwrap();
    bencher.bench(|| UnverifiedToken::parse(&token).unwrap());
}

/// The worst payloads an anonymous caller can send within the size limit.
#[divan::bench(args = ["[0,", "{\"a\":", "[[[[[", "0,", "\"\\u0061"])]
fn hostile(bencher: Bencher<'_, '_>, unit: &str) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = format!("{{\"a\":[{}", unit.repeat(11_000 / unit.len()));
    let token =
        format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#), URL_SAFE_NO_PAD.encode(payload));
    bencher.bench(|| UnverifiedToken::parse(&token).is_err());
}
