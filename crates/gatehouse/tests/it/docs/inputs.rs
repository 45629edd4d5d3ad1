//! The policy inputs that docs/guides/policies.md shows, against those that the program builds.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::KeySet;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, TokenType};
use gatehouse_identity::principal::{ClaimRules, Principal};
use gatehouse_identity::scope::ScopeSet;
use gatehouse_policy::input::{
    Client, HttpFacts, Input, ModelCall, Request, Target, TokenMinting, ToolCall, User,
};
use gatehouse_policy::{Policy, PolicyOptions, PolicySource};

use super::markdown::page;

const NOW: i64 = 1_795_000_000;
const ISSUER: &str = "https://gw.example.com";

#[test]
fn token_minting() {
    let token = claims(&json!({
        "iss": ISSUER, "sub": "ada", "aud": "https://gw.example.com/mcp", "client_id": "claude-code",
        "scope": "openid offline_access", "iat": NOW, "exp": NOW + 900, "jti": "tok_1", "auth_time": NOW - 60
    }));
    let attributes = claims(&json!({"sub": "ada", "email": "ada@example.com", "groups": ["eng"]}));
    let facts = TokenMinting {
        client: Client {
            id: "claude-code",
            name: "claude-code",
            public: true,
            assurance: Assurance::SelfAsserted,
        },
        grant_type: "authorization_code",
        scopes: &ScopeSet::parse("openid offline_access").unwrap(),
        audiences: &["https://gw.example.com/mcp".to_owned()],
        resources: &["https://gw.example.com/mcp".to_owned()],
        subject_token: None,
        actor_token: None,
        refresh_shared_with: None,
        token: &token,
    };
    let headers: &[_] = &[("content-type", "application/x-www-form-urlencoded"), ("user-agent", "Bun/1.4.4")];
    let request = request(
        "POST",
        "/oauth2/token",
        &headers,
        Some(User {
            id: "ada",
            connector: "staff",
            claims: &attributes,
            groups: vec!["eng"],
            groups_complete: true,
            auth_time: Some(Timestamp::from_unix_seconds(NOW - 60)),
            amr: vec!["pwd"],
        }),
    );
    compare("token-minting", &facts.input(&request));
}

#[test]
fn tool_call() {
    let principal = principal();
    let arguments = RawValue::from_string(json!({"customerId": "c-17"}).to_string()).unwrap();
    let facts = ToolCall {
        principal: &principal,
        method: "tools/call",
        app: "ledger",
        protocol_version: "2026-07-28",
        client_info: Some(&json!({"name": "claude-code", "version": "2.1.329"})),
        target: Target::Tool {
            name: "getCustomerPII",
            qualified_name: "ledger_getCustomerPII",
            arguments: Some(&arguments),
            annotations: Some(&json!({"readOnlyHint": true})),
        },
    };
    let headers: &[_] = &[("content-type", "application/json"), ("authorization", "Bearer eyJ...")];
    let request = request("POST", "/mcp", &headers, Some(user(&principal)));
    compare("tool-call", &facts.input(&request));
}

#[test]
fn model_call() {
    let principal = principal();
    let facts = ModelCall {
        principal: &principal,
        model: "claude-opus-4-7",
        stream: true,
        max_tokens: 32_000,
        tool_names: &["Bash".into(), "Edit".into()],
        api_version: "2023-06-01",
        betas: &["claude-code-20250219".to_owned()],
        input_bytes: 48_211,
        app: "anthropic-eu",
        provider: "anthropic",
        region: "eu-central-1",
        residency: "eu",
    };
    let headers: &[_] = &[("content-type", "application/json"), ("x-api-key", "gwk_secret")];
    let request = request("POST", "/v1/messages", &headers, Some(user(&principal)));
    compare("model-call", &facts.input(&request));
}

/// What a policy sees: one that shows its input is asked.
fn compare(name: &str, input: &Input<'_>) {
    let text =
        "package orchestrator\n\nresult := {\"allowed\": true, \"internal_message\": json.marshal(input)}\n";
    let source = PolicySource { name: "show".to_owned(), text: text.to_owned() };
    let shown = Policy::compile(&source, &PolicyOptions::default()).unwrap().evaluate(input);
    let seen: Value = serde_json::from_str(&shown.internal_message.unwrap()).unwrap();
    let page = page("docs/guides/policies.md");
    let info = format!("json input {name}");
    let blocks = page.blocks();
    let block = blocks.iter().find(|block| block.info == info).unwrap_or_else(|| {
        panic!("no block `{info}`; the program builds\n{seen:#}");
    });
    let documented: Value = serde_json::from_str(&block.text).unwrap();
    assert!(documented == seen, "{}: the program builds\n{seen:#}", page.at(block.line));
}

fn request<'a>(
    method: &'a str,
    path: &'a str,
    headers: &'a &'a [(&'a str, &'a str)],
    user: Option<User<'a>>,
) -> Request<'a> {
    Request {
        source_ip: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)).into(),
        peer_ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)),
        http: HttpFacts { method, path, headers },
        user,
        now: Timestamp::from_unix_seconds(NOW),
        revision: "sha256:5d41…",
    }
}

/// As the gateways say who a token names.
fn user(principal: &Principal) -> User<'_> {
    User {
        groups: principal.groups().iter().map(String::as_str).collect(),
        ..User::of_token(principal.subject().as_str(), principal.claims())
    }
}

fn principal() -> Principal {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let token = key
        .sign(
            "at+jwt",
            &claims(&json!({
                "iss": ISSUER, "sub": "ada", "aud": "https://gw.example.com/mcp", "client_id": "claude-code",
                "scope": "openid pii:read", "iat": NOW, "exp": NOW + 900, "jti": "tok_1", "auth_time": NOW - 60,
                "groups": ["eng"], "email": "ada@example.com"
            })),
        )
        .unwrap();
    let keys = KeySet::parse(&json!({"keys": [key.public_jwk()]}).to_string().into_bytes()).unwrap();
    let expected = Expectations {
        issuer: Issuer::new(ISSUER),
        audiences: vec![Audience::new("https://gw.example.com/mcp")],
        algorithms: vec![Algorithm::Es256],
        token_type: TokenType::AccessTokenStrict,
        leeway: Duration::ZERO,
        max_lifetime: Duration::from_secs(3600),
    };
    let verified = UnverifiedToken::parse(&token)
        .unwrap()
        .verify(&keys, &expected, Timestamp::from_unix_seconds(NOW))
        .unwrap();
    Principal::from_token(&verified, &ClaimRules::default()).unwrap()
}

fn claims(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}
