//! Clients, users and tokens for the tests of this crate.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, ConnectorName, Issuer};
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::KeySet;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, TokenType, VerifiedToken};
use gatehouse_identity::rng::Rng;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use serde_json::{Value, json};

use crate::authorization::{AuthorizationRequest, PkceDemand, ServerRules};
use crate::client::{
    AccessTokenProfile, AuthenticatedClient, Client, ClientKind, ClientOrigin, ConsentMode, GrantType,
    PresentedCredentials, RefreshCondition, RefreshProfile, RotationProfile, authenticate,
};
use crate::exchange::{ExchangeMode, ExchangeRules, ScopeMode, SubjectAudience};
use crate::form::Form;
use crate::grant::{AuthenticatedUser, federated_subject};
use crate::pkce::Verifier;
use crate::redirect::{RedirectSet, RegisteredRedirect};

pub(crate) const ISSUER: &str = "https://as.example.com";
pub(crate) const MCP: &str = "https://gw.example.com/mcp";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// A deterministic source whose every output differs.
#[derive(Default)]
pub(crate) struct CountingRng(AtomicU64);

impl Rng for CountingRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            chunk.copy_from_slice(&digest(&SHA256, &count.to_be_bytes()).as_ref()[..chunk.len()]);
        }
    }
}

pub(crate) fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

pub(crate) fn redirects(uris: &[&str]) -> RedirectSet {
    RedirectSet::new(uris.iter().map(|uri| RegisteredRedirect::parse(uri).unwrap()).collect())
}

pub(crate) fn form(parameters: &[(&str, &str)]) -> Form {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    Form::parse(text.as_bytes()).unwrap()
}

/// Claude Code as an operator registers it.
pub(crate) fn public_client() -> Client {
    Client {
        id: ClientId::new("claude-public"),
        name: "Claude".into(),
        kind: ClientKind::Public,
        secrets: Vec::new(),
        redirects: redirects(&["https://claude.ai/api/mcp/auth_callback", "http://localhost/callback"]),
        grant_types: BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]),
        allowed_audiences: Vec::new(),
        default_audience: None,
        scopes: scopes("openid profile email offline_access pii:read"),
        default_scopes: None,
        access_token: AccessTokenProfile {
            lifetime: Duration::from_mins(15),
            algorithm: None,
            claims: Vec::new(),
        },
        refresh: Some(RefreshProfile {
            lifetime: Duration::from_hours(24 * 30),
            idle_lifetime: None,
            rotation: RotationProfile::ClaudeNative,
            condition: RefreshCondition::Always,
        }),
        connectors: vec![ConnectorName::new("upstream-idp")],
        claims_mapping: Vec::new(),
        origin: ClientOrigin::Registered,
        consent: ConsentMode::Remembered,
        exchange: None,
    }
}

/// The MCP gateway, which exchanges tokens.
pub(crate) fn gateway_client() -> Client {
    Client {
        id: ClientId::new("gateway"),
        name: "Gateway".into(),
        kind: ClientKind::Confidential,
        secrets: vec![Secret::new("old secret".into()), Secret::new("s3cr%t:+&".into())],
        redirects: RedirectSet::default(),
        grant_types: BTreeSet::from([GrantType::ClientCredentials, GrantType::TokenExchange]),
        allowed_audiences: vec![Audience::new("https://ledger.example.com")],
        scopes: scopes("pii:read ledger:ReadPII ledger:Write"),
        refresh: None,
        exchange: Some(ExchangeRules {
            mode: ExchangeMode::Delegation,
            subjects: SubjectAudience::Named(vec![Audience::new(MCP)]),
            scopes: ScopeMode::Subset,
            max_lifetime: Duration::from_mins(5),
            max_depth: 4,
        }),
        ..public_client()
    }
}

pub(crate) fn authenticated(client: &Client) -> AuthenticatedClient<'_> {
    let secret = client.secrets.first().map(|secret| ("client_secret", secret.expose()));
    let parameters: Vec<_> = [("client_id", client.id.as_str())].into_iter().chain(secret).collect();
    authenticate(client, &PresentedCredentials::read(None, &form(&parameters)).unwrap()).unwrap()
}

pub(crate) fn rules() -> ServerRules {
    ServerRules {
        issuer: Issuer::new(ISSUER),
        scopes: scopes("openid profile email offline_access groups pii:read ledger:ReadPII ledger:Write"),
        resources: vec![Audience::new(MCP)],
        pkce: PkceDemand::Everyone,
    }
}

pub(crate) fn user() -> AuthenticatedUser {
    let issuer = Issuer::new("https://idp.example.com");
    let attributes = json!({
        "sub": "u-1", "email": "ada@example.com", "name": "Ada", "department": null,
        "address": { "country": "GB" }, "oid": "0b1c",
    });
    AuthenticatedUser {
        subject: federated_subject(&issuer, "u-1"),
        connector: ConnectorName::new("upstream-idp"),
        upstream_issuer: Some(issuer),
        upstream_subject: "u-1".into(),
        attributes: attributes.as_object().unwrap().clone(),
        groups_complete: Some(true),
        groups: vec!["eng".into()],
        auth_time: NOW,
        amr: vec!["pwd".into()],
        session: None,
    }
}

/// The parameters of a good request by [`public_client`], with `changes`: an empty value leaves one out.
pub(crate) fn request_form(changes: &[(&str, &str)]) -> Form {
    let challenge = Verifier::parse(VERIFIER).unwrap().challenge();
    let good = [
        ("client_id", "claude-public"),
        ("redirect_uri", "http://localhost:29352/callback"),
        ("response_type", "code"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("state", "st&#\0\u{e9}"),
        ("scope", "openid pii:read"),
        ("resource", MCP),
        ("nonce", "n-1"),
    ];
    let kept = good.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let replaced = changes.iter().filter(|(_, value)| !value.is_empty());
    form(&kept.chain(replaced).copied().collect::<Vec<_>>())
}

pub(crate) fn request(changes: &[(&str, &str)]) -> AuthorizationRequest {
    AuthorizationRequest::parse(&request_form(changes), &public_client(), &rules()).unwrap()
}

/// A token of our own, signed and verified; `iss`, `iat` and `exp` (10 minutes) are filled in.
pub(crate) fn verified(claims: &Value, typ: &str) -> VerifiedToken {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    let key = KEY.get_or_init(|| SigningKey::generate(Algorithm::Es256).unwrap());
    let mut all = json!({
        "iss": ISSUER, "iat": NOW.unix_seconds(), "exp": NOW.unix_seconds() + 600, "jti": "jti-1",
    });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let token = key.sign(typ, all.as_object().unwrap()).unwrap();
    let audience = all["aud"].as_str().or_else(|| all["aud"][0].as_str()).unwrap().to_owned();
    let expected = Expectations {
        issuer: Issuer::new(all["iss"].as_str().unwrap()),
        audiences: vec![Audience::new(audience)],
        algorithms: vec![Algorithm::Es256],
        token_type: TokenType::Either,
        leeway: Duration::from_mins(1),
        max_lifetime: Duration::from_hours(24),
    };
    let keys = KeySet::new(vec![key.verifying_key()]);
    UnverifiedToken::parse(&token).unwrap().verify(&keys, &expected, NOW).unwrap()
}
