//! Somebody who signs tokens: a trusted issuer, a stranger, or a forger.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;

use crate::upstream::{Reply, Upstream};

/// A key and the name under which tokens are signed with it.
pub struct Authority {
    /// What its tokens say as `iss`.
    pub issuer: String,
    key: SigningKey,
}

impl Authority {
    /// An authority with a fresh ES256 key.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), key: SigningKey::generate(Algorithm::Es256).unwrap() }
    }

    /// The same key under another name.
    #[must_use]
    pub fn named(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Its private key, for a configuration.
    pub fn private_pem(&self) -> String {
        self.key.to_pkcs8_pem().unwrap().expose().to_owned()
    }

    /// Its key once more, for a gateway that signs in its name.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_pkcs8_pem(Algorithm::Es256, &self.private_pem()).unwrap()
    }

    /// Its key set.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.key.public_jwk()] })
    }

    /// A server of its metadata and key set. The authority takes that server's origin for its name.
    pub fn publish(&mut self) -> Upstream {
        let jwks = self.jwks();
        let server = Upstream::start(move |request| {
            let issuer = format!("http://{}", request.header("host"));
            match request.target.as_str() {
                "/.well-known/openid-configuration" => Reply::json(&json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{issuer}/auth"),
                    "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/jwks"),
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                })),
                "/jwks" => Reply::json(&jwks),
                _ => Reply::status(404),
            }
        });
        self.issuer = server.url();
        server
    }

    /// Claims of an access token (RFC 9068) that is good for ten minutes.
    pub fn claims(&self, audience: &str, subject: &str) -> Map<String, Value> {
        let now = now();
        let claims = json!({
            "iss": self.issuer, "sub": subject, "aud": audience, "client_id": "some-client", "scope": "openid",
            "jti": format!("jti-{}", random(12)), "iat": now, "nbf": now, "exp": now + 600,
        });
        claims.as_object().unwrap().clone()
    }

    /// An access token.
    pub fn token(&self, audience: &str, subject: &str) -> String {
        self.sign("at+jwt", &self.claims(audience, subject))
    }

    /// A token with some claims replaced; `null` takes one out.
    pub fn token_with(&self, audience: &str, subject: &str, changes: &Value) -> String {
        let mut claims = self.claims(audience, subject);
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.remove(name)),
                value => drop(claims.insert(name.clone(), value.clone())),
            }
        }
        self.sign("at+jwt", &claims)
    }

    /// Signs `claims` under a header with this `typ`.
    pub fn sign(&self, typ: &str, claims: &Map<String, Value>) -> String {
        self.key.sign(typ, claims).unwrap()
    }

    /// Claims under a header of the forger's choice, signed by a key that everybody knows: the public one.
    pub fn forged(&self, header: &Value, claims: &Map<String, Value>) -> String {
        let input = format!("{}.{}", encoded(header), encoded(&Value::Object(claims.clone())));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.jwks().to_string().as_bytes());
        let signature = match header["alg"].as_str() {
            Some("HS256") => URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes())),
            _ => String::new(),
        };
        format!("{input}.{signature}")
    }

    /// The id of its key.
    pub fn kid(&self) -> &str {
        self.key.kid()
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "tests run on the clock of the machine")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// `bytes` random bytes as base64url.
pub fn random(bytes: usize) -> String {
    let mut raw = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut raw).unwrap();
    URL_SAFE_NO_PAD.encode(raw)
}
