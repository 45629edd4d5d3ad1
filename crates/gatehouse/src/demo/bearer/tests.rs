use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use axum::routing::get;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::{Refusal, TokenVerifier};

pub(crate) const ISSUER: &str = "https://gw.example.com";
const NOW: i64 = 1_800_000_000;

/// A clock that stands still.
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(NOW)
    }
}

/// An issuer that publishes one key on loopback and signs tokens with it.
pub(crate) struct TestIssuer {
    key: SigningKey,
    pub(crate) jwks_url: Url,
    pub(crate) fetches: Arc<AtomicUsize>,
}

impl TestIssuer {
    #[expect(clippy::disallowed_methods, reason = "the server ends with the test's runtime")]
    pub(crate) async fn start() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let set = json!({ "keys": [key.public_jwk()] }).to_string();
        let fetches = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&fetches);
        let serve = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let set = set.clone();
            async move { set }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/jwks", listener.local_addr().unwrap()).parse().unwrap();
        let server = axum::serve(listener, Router::new().route("/jwks", get(serve)));
        tokio::spawn(async move { server.await.unwrap() });
        Self { key, jwks_url, fetches }
    }

    /// A token for `audience` with `scope`; `change` may alter its claims.
    pub(crate) fn token(&self, audience: &str, scope: &str, mut change: Value) -> String {
        let mut claims = json!({
            "iss": ISSUER, "sub": "ada", "aud": audience, "iat": NOW, "exp": NOW + 300, "jti": "1",
            "client_id": "gateway", "scope": scope,
            "act": { "sub": "gateway", "act": { "sub": "claude" } },
        });
        claims.as_object_mut().unwrap().append(change.as_object_mut().unwrap());
        self.key.sign("at+jwt", claims.as_object().unwrap()).unwrap()
    }

    pub(crate) fn other_key(&self) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        Self { key, jwks_url: self.jwks_url.clone(), fetches: Arc::clone(&self.fetches) }
    }
}

fn headers(credential: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(credential).unwrap())])
}

fn verifier(issuer: &TestIssuer) -> TokenVerifier {
    let jwks_url = issuer.jwks_url.clone();
    TokenVerifier::new(Issuer::new(ISSUER), Audience::new("urn:api"), jwks_url, Arc::new(Still))
}

#[tokio::test]
async fn a_sound_token_names_its_caller_and_the_keys_are_fetched_once() {
    let issuer = TestIssuer::start().await;
    let verifier = verifier(&issuer);
    for scheme in ["Bearer", "bearer"] {
        let token = issuer.token("urn:api", "a b", json!({}));
        let caller = verifier.authenticate(&headers(&format!("{scheme} {token}"))).await.unwrap();
        assert_eq!(caller.claim("sub"), Some("ada"));
        assert!(caller.has_scope("b") && !caller.has_scope("c"));
    }
    assert_eq!(issuer.fetches.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn tokens_that_do_not_hold_are_refused() {
    let issuer = TestIssuer::start().await;
    let verifier = verifier(&issuer);
    let foreign_key = issuer.other_key().token("urn:api", "", json!({}));
    let tokens = [
        foreign_key.clone(),
        foreign_key,
        issuer.token("urn:other", "", json!({})),
        issuer.token("urn:api", "", json!({ "iss": "https://evil.example" })),
        issuer.token("urn:api", "", json!({ "exp": NOW - 60 })),
        issuer.token("urn:api", "", json!({ "nbf": NOW + 60 })),
        "x.y.z".into(),
    ];
    for token in tokens {
        let refusal = verifier.authenticate(&headers(&format!("Bearer {token}"))).await.err().unwrap();
        assert!(matches!(refusal, Refusal::InvalidToken(_)), "{refusal}");
    }
    for absent in [HeaderMap::new(), headers("Basic eDp5"), headers("Bearer")] {
        assert_eq!(verifier.authenticate(&absent).await.err(), Some(Refusal::NoToken));
    }
    let mut twice = headers("Bearer a");
    twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
    assert_eq!(verifier.authenticate(&twice).await.err(), Some(Refusal::NoToken));
    assert_eq!(issuer.fetches.load(Ordering::Relaxed), 1, "unknown keys do not cause a fetch each");
}

#[tokio::test]
async fn without_keys_nobody_is_let_in() {
    let issuer = TestIssuer::start().await;
    let token = issuer.token("urn:api", "", json!({}));
    for url in
        ["http://127.0.0.1:1/jwks", "https://127.0.0.1/jwks", &issuer.jwks_url.as_str().replace("jwks", "x")]
    {
        let audience = Audience::new("urn:api");
        let verifier =
            TokenVerifier::new(Issuer::new(ISSUER), audience, url.parse().unwrap(), Arc::new(Still));
        let refusal = verifier.authenticate(&headers(&format!("Bearer {token}"))).await.err().unwrap();
        assert!(matches!(refusal, Refusal::NoKeys(_)), "{url}: {refusal}");
    }
}
