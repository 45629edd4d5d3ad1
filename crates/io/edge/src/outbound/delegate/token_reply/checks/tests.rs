use base64::engine::general_purpose::{URL_SAFE as PADDED, URL_SAFE_NO_PAD};
use serde_json::json;

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::KeySet;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, TokenType};
use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key::KeyHash;

use super::*;

const NOW: i64 = 1_800_000_000;
const IDP: &str = "https://idp.example";

struct World {
    own: BearerToken,
    client: ClientId,
    us: Issuer,
    audience: Audience,
}

impl World {
    /// The caller's token comes from the server that is asked.
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let claims = json!({
            "iss": IDP, "sub": "ada", "oid": "o-1", "aud": "https://gw.example/mcp", "client_id": "cli",
            "jti": "jti-1", "iat": NOW, "exp": NOW + 600,
        });
        let text = key.sign("at+jwt", claims.as_object().unwrap()).unwrap();
        let keys = KeySet::parse(json!({ "keys": [key.public_jwk()] }).to_string().as_bytes()).unwrap();
        let expectations = Expectations {
            issuer: Issuer::new(IDP),
            audiences: vec![Audience::new("https://gw.example/mcp")],
            algorithms: vec![Algorithm::Es256],
            token_type: TokenType::AccessToken,
            leeway: Duration::ZERO,
            max_lifetime: Duration::from_hours(1),
        };
        let now = Timestamp::from_unix_seconds(NOW);
        let verified = UnverifiedToken::parse(&text).unwrap().verify(&keys, &expectations, now).unwrap();
        Self {
            own: BearerToken { hash: KeyHash::of(&text), text: Secret::new(text), verified },
            client: ClientId::new("gateway"),
            us: Issuer::new("https://gw.example"),
            audience: Audience::new("https://tools.example/"),
        }
    }

    fn exchange(&self) -> Expected<'_> {
        Expected {
            subject: Some(&self.own),
            caller: Some(&self.own),
            client: &self.client,
            own_issuer: Some(&self.us),
            audience: Some(&self.audience),
            lifetime: Some(Duration::from_secs(90)),
            now: Timestamp::from_unix_seconds(NOW),
        }
    }

    /// The gateway asks for a token of its own while somebody calls.
    fn own_token(&self) -> Expected<'_> {
        Expected { subject: None, lifetime: None, ..self.exchange() }
    }

    fn parts(&self) -> [String; 3] {
        let mut parts = self.own.text.expose().split('.').map(str::to_owned);
        [parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap()]
    }
}

fn jwt_as(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.c2ln", encode(header), encode(claims))
}

fn jwt(claims: &Value) -> String {
    jwt_as(&json!({ "alg": "ES256", "typ": "at+jwt" }), claims)
}

/// `good`, or the reason and what is wrong.
fn verdict(token: &str, expected: &Expected<'_>) -> String {
    let readable = Readable::read(token);
    let checked = kind_of_answer(token, None, &[])
        .and_then(|()| not_returned(token, readable.as_ref(), expected))
        .and_then(|()| readable.as_ref().map_or(Ok(()), |readable| meant_for_this(readable, expected)));
    match checked {
        Ok(()) => "good".to_owned(),
        Err(rejection) => {
            assert_eq!(rejection.kind, RejectionKind::UpstreamFailed);
            let story = rejection.internal.unwrap();
            format!("{} {}", rejection.reason, story.rsplit_once(": ").unwrap().1)
        }
    }
}

/// The same 64 bytes, of whose last letter only two bits count.
fn with_loose_bit(signature: &str) -> String {
    // Of `A`, `Q`, `g` and `w` the bits that do not count are zero.
    let (rest, last) = signature.split_at(signature.len() - 1);
    let loose = match last {
        "A" => "B",
        "Q" => "R",
        "g" => "h",
        _ => "x",
    };
    format!("{rest}{loose}")
}

#[test]
fn the_callers_own_token_is_known_in_every_dress() {
    let world = World::new();
    let [header, payload, signature] = world.parts();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let other_header = URL_SAFE_NO_PAD.encode(json!({ "alg": "ES256", "typ": "JWT", "x": 1 }).to_string());
    let other_claims = URL_SAFE_NO_PAD.encode(json!({ "jti": "jti-2", "sub": "ada" }).to_string());
    let same_id = json!({ "jti": "jti-1", "sub": "ada", "iss": IDP, "aud": "https://tools.example/" });
    let dressed = [
        (world.own.text.expose().to_owned(), "the same text"),
        (format!("v2~{}", world.own.text.expose()), "the same text"),
        // Neither padding nor bits that mean nothing make another token of it.
        (format!("{header}.{payload}.{}", PADDED.encode(decoded(&signature))), "the same text"),
        (format!("{header}.{payload}.{}", with_loose_bit(&signature)), "the same signature"),
        (format!("{other_header}.{payload}.{signature}"), "the same signature"),
        (format!("{header}.{other_claims}.{signature}"), "the same signature"),
        // ECDSA signatures can be written in two ways.
        (format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode([7; 64])), "the same claims"),
        (jwt(&same_id), "the same jti"),
    ];
    for (token, what) in dressed {
        for expected in [world.exchange(), world.own_token()] {
            assert_eq!(verdict(&token, &expected), format!("exchange_returned_token {what}"), "{token}");
        }
    }
}

#[test]
fn an_answer_that_is_called_something_else_is_none() {
    let refused = |token: &str, issued: Option<&str>, beside: &[Option<String>]| {
        kind_of_answer(token, issued, beside).err().map(|rejection| rejection.reason)
    };
    let urn = |name: &str| format!("urn:ietf:params:oauth:token-type:{name}");
    for good in [None, Some(urn("access_token")), Some(urn("jwt"))] {
        assert_eq!(refused("t", good.as_deref(), &[None, Some("u".to_owned())]), None);
    }
    for other in ["refresh_token", "id_token", "saml2", "id-jag"] {
        assert_eq!(refused("t", Some(&urn(other)), &[]), Some("exchange_wrong_token"), "{other}");
    }
    assert_eq!(refused("t", None, &[Some("t".to_owned()), None]), Some("exchange_wrong_token"));
    for no_token in ["", "a b", "a\r\nx-evil: 1", "Bearer t", "t\u{fc}"] {
        assert_eq!(refused(no_token, None, &[]), Some("exchange_wrong_token"), "{no_token:?}");
    }
    let world = World::new();
    for (header, claims) in [
        (json!({ "typ": "JWT" }), json!({ "typ": "ID" })),
        (json!({ "typ": "JWT" }), json!({ "typ": "Refresh" })),
        (json!({ "typ": "JWT" }), json!({ "token_use": "id" })),
        (json!({ "typ": "JWT" }), json!({ "at_hash": "x" })),
        (json!({ "typ": "application/logout+jwt" }), json!({})),
        (json!({ "typ": "secevent+jwt" }), json!({ "events": {} })),
        (json!({ "typ": "oauth-id-jag+jwt" }), json!({})),
    ] {
        let verdict = verdict(&jwt_as(&header, &claims), &world.exchange());
        assert!(verdict.starts_with("exchange_wrong_token"), "{header} {claims}: {verdict}");
    }
    for header in [json!({ "typ": "JWT" }), json!({}), json!({ "typ": "application/at+jwt" })] {
        assert_eq!(verdict(&jwt_as(&header, &json!({ "typ": "Bearer" })), &world.exchange()), "good");
    }
}

#[test]
fn the_result_of_an_exchange_is_for_the_same_subject_the_target_and_no_longer_than_asked() {
    let world = World::new();
    let about = |changes: &Value| {
        let mut claims = json!({ "iss": IDP, "sub": "ada", "aud": "https://tools.example", "exp": NOW + 90 });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        verdict(&jwt(&claims), &world.exchange())
    };
    let wrong = |what: &str| format!("exchange_wrong_token {what}");
    for good in [
        json!({}),
        json!({ "aud": ["account", "https://tools.example/"] }),
        json!({ "aud": null, "exp": null, "iss": null }),
        // What another issuer calls the subject is its affair.
        json!({ "iss": "https://sts.example", "sub": "u-77" }),
        // Each client knows the person by another `sub`.
        json!({ "sub": "pairwise", "oid": "o-1" }),
        json!({ "exp": NOW + 149 }),
    ] {
        assert_eq!(about(&good), "good", "{good}");
    }
    assert_eq!(about(&json!({ "sub": "mallory" })), wrong("`sub` is that of another subject"));
    assert_eq!(about(&json!({ "oid": "o-2" })), wrong("`oid` is that of another subject"));
    assert_eq!(about(&json!({ "iss": "https://gw.example" })), wrong("it names us as its issuer"));
    for elsewhere in [json!("https://gw.example/mcp"), json!(["a", "b"]), json!([]), json!(7)] {
        let verdict = about(&json!({ "aud": elsewhere }));
        assert_eq!(verdict, wrong("`aud` does not name \"https://tools.example/\""));
    }
    assert_eq!(
        about(&json!({ "exp": NOW + 3600 })),
        wrong("it lives for longer than the 90 s that were asked for")
    );
    assert_eq!(about(&json!({ "exp": NOW - 60 })), wrong("it has expired"));
    assert_eq!(verdict("opaque", &world.exchange()), "good");
}

#[test]
fn the_gateways_own_token_is_about_its_client() {
    let world = World::new();
    let about = |changes: &Value| verdict(&jwt(changes), &world.own_token());
    for good in [
        json!({ "sub": "gateway" }),
        // Service accounts of Keycloak, Entra ID and Okta.
        json!({ "sub": "5d0e", "azp": "gateway", "client_id": "gateway" }),
        json!({ "sub": "o-9", "oid": "o-9", "appid": "gateway" }),
        json!({ "sub": "gateway", "cid": "gateway" }),
        json!({ "scope": "tools" }),
    ] {
        assert_eq!(about(&good), "good", "{good}");
    }
    for somebody in [
        json!({ "sub": "ada" }),
        json!({ "sub": "ada", "client_id": "cli" }),
        json!({ "sub": "ada", "azp": "gateway", "client_id": "cli" }),
        json!({ "sub": "ada", "azp": "gateway", "auth_time": NOW }),
        json!({ "client_id": "cli" }),
    ] {
        assert!(about(&somebody).starts_with("exchange_wrong_token"), "{somebody}");
    }
    assert!(
        about(&json!({ "sub": "gateway", "aud": "https://other.example" }))
            .starts_with("exchange_wrong_token")
    );
}

/// Nothing is proven about what is read here, and nothing that is read can stop the process.
#[test]
fn what_is_no_jwt_is_compared_and_nothing_else() {
    for token in ["a.b", "a.b.c.d", "!.!.!", "e30.e30.", "e30.W10.c2ln", "bnVsbA.e30.c2ln", ".."] {
        if let Some(readable) = Readable::read(token) {
            assert!(readable.claims.is_empty(), "{token}");
        }
    }
    assert!(Readable::read("e30.W10.c2ln").is_none());
}
