//! Keys, claims and expectations that the tests of this crate share.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::audience::Audience;
use crate::clock::Timestamp;
use crate::id::Issuer;
use crate::jose::algorithm::Algorithm;
use crate::jose::jwk::KeySet;
use crate::jose::sign::SigningKey;
use crate::jose::token::{TokenError, UnverifiedToken};
use crate::jose::verify::{Expectations, TokenType, VerifiedToken};

pub(crate) const ISSUER: &str = "https://issuer.example.com";
pub(crate) const AUDIENCE: &str = "https://gw.example.com/mcp";
pub(crate) const NOW: i64 = 1_800_000_000;

static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    Algorithm::ALL.into_iter().map(|algorithm| SigningKey::generate(algorithm).unwrap()).collect()
});

/// One key for each algorithm, the same for the whole test run.
pub(crate) fn key(algorithm: Algorithm) -> &'static SigningKey {
    KEYS.iter().find(|key| key.algorithm() == algorithm).unwrap()
}

/// The public halves of all fixture keys.
pub(crate) fn key_set() -> KeySet {
    KeySet::new(KEYS.iter().map(SigningKey::verifying_key).collect())
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_seconds(NOW)
}

/// What [`claims`] meets.
pub(crate) fn expectations() -> Expectations {
    Expectations {
        issuer: Issuer::new(ISSUER),
        audiences: vec![Audience::new(AUDIENCE)],
        algorithms: Algorithm::ALL.to_vec(),
        token_type: TokenType::AccessToken,
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_hours(1),
    }
}

/// A good claims set with `changes` laid over it; `null` removes a claim.
pub(crate) fn claims(changes: Value) -> Map<String, Value> {
    let mut claims = object(json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "client_id": "cli",
        "iat": NOW - 60, "exp": NOW + 600, "jti": "t1", "scope": "a b",
    }));
    for (name, value) in object(changes) {
        if value.is_null() {
            claims.remove(&name)
        } else {
            claims.insert(name, value)
        };
    }
    claims
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

/// Parses and verifies with the fixture keys.
pub(crate) fn check(token: &str, expected: &Expectations) -> Result<VerifiedToken, TokenError> {
    UnverifiedToken::parse(token)?.verify(&key_set(), expected, now())
}

/// A verified access token with `changes` laid over the good claims.
pub(crate) fn verified(changes: Value) -> VerifiedToken {
    let token = key(Algorithm::Es256).sign("at+jwt", &claims(changes)).unwrap();
    check(&token, &expectations()).unwrap()
}
