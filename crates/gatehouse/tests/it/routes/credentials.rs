//! What callers send instead of a credential.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatehouse_testkit::authority::{Authority, now};
use gatehouse_testkit::browser::SignIn;
use gatehouse_testkit::fixture::{ISSUER, LLM_AUDIENCE, RESOURCE, World};
use gatehouse_testkit::raw_http::Request;
use serde_json::{Map, Value, json};

/// Where a caller's credential may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// `Authorization` only.
    Mcp,
    /// `Authorization` or `x-api-key`.
    Llm,
    /// The userinfo endpoint: `Authorization` only, tokens of any audience of our own.
    Userinfo,
}

/// One thing that proves nothing.
pub(super) struct Case {
    pub(super) name: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    query: String,
    /// Whether something was there that looks like a credential, so that the challenge must say that it is bad.
    pub(super) sent: bool,
    /// 401; 400 when the request contradicts itself.
    pub(super) status: u16,
    /// Whose credential it is, where it is genuine and only not good any more.
    pub(super) whose: Option<&'static str>,
}

impl Case {
    pub(super) fn apply(&self, request: Request, path: &str) -> Request {
        let request =
            if self.query.is_empty() { request } else { request.target(&format!("{path}?{}", self.query)) };
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    pub(super) fn repeats_a_header(&self) -> bool {
        let names: BTreeSet<String> =
            self.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.len() < self.headers.len()
    }

    /// The secrets in it, which must not come back anywhere.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        let headers = self.headers.iter().filter(|(name, _)| matches!(*name, "authorization" | "x-api-key"));
        headers
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .flat_map(|value| value.split([' ', ',']).map(str::to_owned).collect::<Vec<_>>())
            .filter(|word| word.len() > 20)
    }
}

/// Builds the list.
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: &str, headers: &[(&'static str, &str)]) -> &mut Case {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect();
        let (name, query) = (name.to_owned(), String::new());
        self.0.push(Case { name, headers, query, sent: true, status: 401, whose: None });
        self.0.last_mut().unwrap()
    }

    fn bearer(&mut self, name: &str, token: &str) -> &mut Case {
        self.add(name, &[("authorization", &format!("Bearer {token}"))])
    }

    fn unsent(&mut self, name: &str, headers: &[(&'static str, &str)]) {
        self.add(name, headers).sent = false;
    }

    fn contradiction(&mut self, name: &str, headers: &[(&'static str, &str)]) {
        self.add(name, headers).status = 400;
    }
}

/// Everything that must not open `door`. `signed_in` is what a person got who may come in.
pub(super) fn bad(world: &World, signed_in: &SignIn, door: Door) -> Vec<Case> {
    let good = signed_in.access_token.as_str();
    let mut cases = Cases(Vec::new());
    absent(&mut cases, world, good, door);
    malformed(&mut cases, good);
    wrong_claims(&mut cases, world, door);
    forged(&mut cases, world, good);
    cases.bearer("ID token", &signed_in.id_token);
    cases.bearer("refresh token", &signed_in.refresh_token);
    cases.bearer("code", &signed_in.code);
    repeated(&mut cases, world, good, door);
    if door == Door::Llm {
        keys(&mut cases, world, good);
    } else {
        cases.bearer("static key of another door", &world.secrets.api_key);
        cases.bearer("token for another door", &world.partner.token(LLM_AUDIENCE, "eve"));
        cases.unsent("static key in its header", &[("x-api-key", &world.secrets.api_key)]);
    }
    cases.0
}

/// Nothing where a credential belongs, though there may be one elsewhere.
fn absent(cases: &mut Cases, world: &World, good: &str, door: Door) {
    cases.unsent("none", &[]);
    cases.unsent("cookie", &[("cookie", &format!("access_token={good}; Authorization=Bearer {good}"))]);
    for parameter in ["access_token", "token", "authorization", "api_key", "key"] {
        let case = cases.add(&format!("query {parameter}"), &[]);
        case.sent = false;
        case.query = format!("{parameter}={}", if door == Door::Llm { &world.secrets.api_key } else { good });
    }
    for (name, value) in [
        ("x-forwarded-user", "ada"),
        ("x-forwarded-access-token", good),
        ("x-auth-request-user", "ada"),
        ("x-remote-user", "ada"),
        ("x-goog-authenticated-user-email", "ada@example.com"),
        ("x-forwarded-uri", "/healthz"),
        ("x-original-url", "/healthz"),
        ("x-rewrite-url", "/.well-known/openid-configuration"),
        ("x-http-method-override", "OPTIONS"),
        ("x-internal-auth", "secret-api-key"),
        ("user-agent", "GoogleHC/1.0"),
        ("proxy-authorization", &format!("Bearer {good}")),
        ("x-mcp-authorization", &format!("Bearer {good}")),
    ] {
        cases.unsent(&format!("header {name}"), &[(name, value)]);
    }
}

/// Something that is no token.
fn malformed(cases: &mut Cases, good: &str) {
    for value in
        ["", "Bearer", "Bearer ", "Basic YWRhOnBhc3N3b3Jk", "Token abc", "bearer", "DPoP abc", "Negotiate"]
    {
        cases.add(&format!("Authorization `{value}`"), &[("authorization", value)]);
    }
    cases.add("token without scheme", &[("authorization", good)]);
    cases.add("token behind another scheme", &[("authorization", &format!("Basic {good}"))]);
    cases.add("scheme and token run together", &[("authorization", &format!("Bearer{good}"))]);
    cases.add("two tokens in one line", &[("authorization", &format!("Bearer {good}, Bearer {good}"))]);
    cases.bearer("two tokens behind one scheme", &format!("{good} {good}"));
    for token in
        ["x", "null", "undefined", "...", "a.b.c", "a.b", "a.b.c.d", "a.b.c.d.e", "e30.e30.", "' OR 1=1 --"]
    {
        cases.bearer(&format!("token `{token}`"), token);
    }
    cases.bearer("15,000 letters", &"a".repeat(15_000));
    cases.bearer("token with something in front", &format!(" \t.{good}"));
    cases.bearer("token with padding", &format!("{good}="));
    cases.bearer("token cut short", good.get(..good.len() - 4).unwrap_or_default());
    let bytes = cases.add("bytes that are no text", &[("authorization", "")]);
    bytes.headers = vec![("authorization", b"Bearer \xff\xfe\x80".to_vec())];
}

/// Well signed by somebody who is trusted, and yet not good here and now.
fn wrong_claims(cases: &mut Cases, world: &World, door: Door) {
    let (authority, audience) = match door {
        Door::Llm => (&world.partner, LLM_AUDIENCE),
        Door::Mcp | Door::Userinfo => (&world.own, RESOURCE),
    };
    let now = now();
    let over = json!({ "iat": now - 1200, "nbf": now - 1200, "exp": now - 600 });
    cases.bearer("expired", &authority.token_with(audience, "eve", &over)).whose = Some("eve");
    if door == Door::Userinfo {
        // It takes tokens for any audience of ours; that nobody was granted this one is what counts.
        let token = authority.token_with(audience, "eve", &json!({ "sub": "ada" }));
        cases.bearer("no grant behind it", &token).whose = Some("ada");
    }
    let mut changed = |name: &str, changes: Value| {
        cases.bearer(name, &authority.token_with(audience, "eve", &changes));
    };
    changed("expires as text", json!({ "exp": (now + 600).to_string() }));
    changed("expires never", json!({ "exp": null }));
    changed("expires at no number", json!({ "exp": true }));
    changed("lives for a year", json!({ "exp": now + 365 * 86_400 }));
    changed("not valid yet", json!({ "nbf": now + 600 }));
    changed("valid from a text", json!({ "nbf": "0" }));
    changed("no subject", json!({ "sub": null }));
    changed("empty subject", json!({ "sub": "" }));
    changed("no issuer", json!({ "iss": null }));
    changed("issuer with a slash", json!({ "iss": format!("{}/", authority.issuer) }));
    changed("issuer in capitals", json!({ "iss": authority.issuer.to_uppercase() }));
    changed("two issuers", json!({ "iss": [authority.issuer] }));
    if door == Door::Userinfo {
        return;
    }
    changed("no audience", json!({ "aud": null }));
    changed("empty audience", json!({ "aud": [] }));
    changed("another audience", json!({ "aud": "https://elsewhere.example.com/mcp" }));
    changed("audience as object", json!({ "aud": { "0": audience } }));
    changed("audience with a slash", json!({ "aud": format!("{audience}/") }));
    changed("audience that only begins right", json!({ "aud": format!("{audience}-not") }));
    changed("issuer as audience", json!({ "aud": authority.issuer }));
}

/// Signed by the wrong key, or not at all.
fn forged(cases: &mut Cases, world: &World, good: &str) {
    let stranger = Authority::new("https://stranger.example.com");
    cases.bearer("foreign issuer", &stranger.token(RESOURCE, "ada"));
    let forger = stranger.named(ISSUER);
    cases.bearer("our name, another key", &forger.token(RESOURCE, "ada"));
    let partner = Authority::new(world.partner.issuer.clone());
    cases.bearer("the partner's name, another key", &partner.token(LLM_AUDIENCE, "ada"));
    let claims: Map<String, Value> = world.own.claims(RESOURCE, "ada");
    for algorithm in ["none", "None", "NONE", "nOnE", "", "HS256", "RS1", "ES256"] {
        let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": world.own.kid() });
        cases.bearer(&format!("alg `{algorithm}`"), &world.own.forged(&header, &claims));
    }
    let jwk = world.own.jwks()["keys"][0].clone();
    for member in ["jwk", "jku", "x5u", "x5c", "crit", "b64"] {
        let mut header = json!({ "alg": "HS256", "typ": "at+jwt" });
        header[member] = jwk.clone();
        cases.bearer(&format!("header with {member}"), &world.own.forged(&header, &claims));
    }
    let parts: Vec<&str> = good.split('.').collect();
    let mut other = claims;
    other.insert("sub".into(), "root".into());
    let payload = URL_SAFE_NO_PAD.encode(Value::Object(other).to_string());
    cases.bearer("other claims under a good signature", &format!("{}.{payload}.{}", parts[0], parts[2]));
    cases.bearer("no signature", &format!("{}.{}.", parts[0], parts[1]));
    cases.bearer("good signature of another token", &{
        let another = world.own.token(RESOURCE, "ada");
        format!("{}.{}.{}", parts[0], parts[1], another.rsplit('.').next().unwrap_or_default())
    });
}

/// More than one credential.
fn repeated(cases: &mut Cases, world: &World, good: &str, door: Door) {
    let good = format!("Bearer {good}");
    let other = match door {
        Door::Llm => format!("Bearer {}", world.partner.token(LLM_AUDIENCE, "eve")),
        Door::Mcp | Door::Userinfo => format!("Bearer {}", world.own.token(RESOURCE, "eve")),
    };
    cases.contradiction("the same header twice", &[("authorization", &good), ("authorization", &good)]);
    cases.contradiction("two callers", &[("authorization", &good), ("authorization", &other)]);
    cases.contradiction("good, then bad", &[("authorization", &good), ("authorization", "Bearer x")]);
    cases.contradiction("bad, then good", &[("authorization", "Bearer x"), ("authorization", &good)]);
    cases.contradiction("empty, then good", &[("authorization", ""), ("authorization", &good)]);
    cases.contradiction("two spellings", &[("Authorization", &good), ("AUTHORIZATION", &other)]);
}

/// What only the LLM door reads.
fn keys(cases: &mut Cases, world: &World, good: &str) {
    let (key, other) = (world.secrets.api_key.as_str(), world.secrets.other_key.as_str());
    let bearer = |token: &str| format!("Bearer {token}");
    cases.add("unknown key", &[("x-api-key", "gwk_unknown-unknown-unknown-unknown")]);
    cases.add("key cut short", &[("x-api-key", key.get(..key.len() - 1).unwrap_or_default())]);
    cases.add("key and something more", &[("x-api-key", &format!("{key}x"))]);
    cases.add("key in capitals", &[("x-api-key", &key.to_uppercase())]);
    cases.add("the provider's own key", &[("x-api-key", &world.secrets.provider_key)]);
    cases.add("two bad ones", &[("authorization", "Bearer x"), ("x-api-key", "y")]);
    cases.unsent("empty key", &[("x-api-key", "")]);
    cases.contradiction("the same key twice", &[("x-api-key", key), ("x-api-key", key)]);
    cases.contradiction("two keys", &[("x-api-key", key), ("x-api-key", other)]);
    cases.contradiction("token and key of others", &[("authorization", &bearer(good)), ("x-api-key", key)]);
    cases.contradiction("two keys in two headers", &[("authorization", &bearer(key)), ("x-api-key", other)]);
}
