use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::client::fixtures::{public_client, scopes as set};

const CLAUDE: &str = "https://claude.ai/oauth/mcp-oauth-client-metadata";

fn url() -> ClientMetadataUrl {
    ClientMetadataUrl::parse(CLAUDE).unwrap()
}

/// Claude's document as it was seen in the field, with `changes`; null leaves a member out.
fn parse(changes: &Value) -> Result<MetadataDocument, DocumentError> {
    let mut document = with_members(changes);
    document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    MetadataDocument::parse(&url(), document.to_string().as_bytes())
}

/// The same, where null is written.
fn with_members(changes: &Value) -> Value {
    let mut document = json!({
        "client_id": CLAUDE,
        "client_name": "Claude",
        "client_uri": "https://claude.ai",
        "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    document
}

fn client(document: MetadataDocument) -> Client {
    document.into_client(&DocumentClientRules {
        scopes: set("openid offline_access pii:read"),
        default_scopes: None,
        allowed_audiences: Vec::new(),
        default_audience: None,
        access_token: AccessTokenProfile {
            lifetime: Duration::from_mins(15),
            algorithm: None,
            claims: Vec::new(),
        },
        refresh: public_client().refresh,
        connectors: Vec::new(),
        claims_mapping: Vec::new(),
    })
}

#[test]
fn c1_client_id_urls() {
    for good in [
        CLAUDE,
        "HTTPS://claude.ai/x",
        "https://claude.ai",
        "https://claude.ai/",
        "https://claude.ai:8443/a?b=c",
        "https://claude.ai/a..b/.well-known/x",
    ] {
        assert!(ClientMetadataUrl::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "http://claude.ai/x",
        "claude-public",
        "https:///x",
        "https:claude.ai/x",
        "https://?x",
        "https://:443/x",
        "https://user@claude.ai/x",
        "https://@claude.ai/x",
        "https://claude.ai/x#",
        "https://claude.ai/x#y",
        "https://claude.ai/a/../x",
        "https://claude.ai/a/./x",
        "https://claude.ai/%2e%2E/x",
        "https://claude.ai/.%2e/x",
        "https://claude.ai/x/..",
        "https://claude.ai\\x",
        "https://claude.ai/a b",
        "https://claude.ai/a\tb",
        "https://claude.ai/a\u{7f}",
        "https://b\u{fc}cher.example/x",
        " https://claude.ai/x",
        "https://claude.ai:99999/x",
    ] {
        assert!(ClientMetadataUrl::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(ClientMetadataUrl::parse("https://CLAUDE.ai:8443/x").unwrap().host(), "claude.ai");
    assert!(ClientMetadataUrl::is_meant("Https://x") && !ClientMetadataUrl::is_meant("claude-public"));
}

#[test]
fn claudes_own_document_becomes_a_public_client() {
    let client = client(parse(&json!({})).unwrap());
    assert_eq!(
        (client.id.as_str(), client.name.as_str(), client.kind),
        (CLAUDE, "Claude", ClientKind::Public)
    );
    assert_eq!(client.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken].into());
    assert!(client.redirects.matches("https://claude.ai/api/mcp/auth_callback", ClientKind::Public).is_ok());
    assert_eq!(client.scopes, set("openid offline_access pii:read"));
    let fingerprint = parse(&json!({})).unwrap().fingerprint().to_owned();
    assert_eq!(client.origin, ClientOrigin::MetadataDocument { url: CLAUDE.into(), fingerprint });
    assert!(client.exchange.is_none() && client.secrets.is_empty());
}

#[test]
fn claude_codes_portless_loopback_redirects_take_any_port() {
    let redirects = json!(["http://localhost/callback", "http://127.0.0.1/callback"]);
    let client = client(parse(&json!({ "redirect_uris": redirects })).unwrap());
    for uri in ["http://localhost:54321/callback", "http://127.0.0.1:3334/callback"] {
        assert!(client.redirects.matches(uri, client.kind).is_ok(), "{uri}");
    }
}

#[test]
fn c2_documents_are_bounded_and_strict_json() {
    assert!(matches!(parse(&json!({ "x": "y".repeat(MAX_DOCUMENT_BYTES) })), Err(DocumentError::TooLong(_))));
    let twice = format!(r#"{{"client_id":"{CLAUDE}","client_id":"{CLAUDE}"}}"#);
    for bad in [twice.as_str(), "", "[]", "null", "{", "<html>Just a moment...</html>"] {
        assert!(
            matches!(MetadataDocument::parse(&url(), bad.as_bytes()), Err(DocumentError::Json(_))),
            "{bad}"
        );
    }
}

#[test]
fn c3_the_document_names_its_own_url_byte_for_byte() {
    for other in ["https://claude.ai:443/oauth/mcp-oauth-client-metadata", "https://CLAUDE.ai/x", ""] {
        assert!(
            matches!(parse(&json!({ "client_id": other })), Err(DocumentError::ClientId { .. })),
            "{other}"
        );
    }
    assert!(matches!(parse(&json!({ "client_id": null })), Err(DocumentError::ClientId { found: None, .. })));
    assert!(matches!(parse(&json!({ "client_id": 7 })), Err(DocumentError::Type("client_id", _))));
}

#[test]
fn c4_secrets_have_no_place_in_a_public_document() {
    for method in
        ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "NONE"]
    {
        let refused = parse(&json!({ "token_endpoint_auth_method": method }));
        assert_eq!(refused, Err(DocumentError::AuthMethod(method.into())));
    }
    assert!(parse(&json!({ "token_endpoint_auth_method": null })).is_ok());
    for secret in ["client_secret", "client_secret_expires_at"] {
        assert_eq!(parse(&json!({ secret: "" })), Err(DocumentError::Secret(secret)));
    }
    let public = json!({ "kty": "EC", "crv": "P-256", "x": "x", "y": "y" });
    assert!(parse(&json!({ "jwks": { "keys": [public] } })).is_ok());
    for member in PRIVATE_KEY_MEMBERS {
        let key = json!({ "kty": "RSA", member: "x" });
        assert_eq!(parse(&json!({ "jwks": { "keys": [public, key] } })), Err(DocumentError::PrivateKey));
    }
    assert!(matches!(parse(&json!({ "jwks": [] })), Err(DocumentError::Type("jwks", _))));
}

#[test]
fn c5_links_are_https() {
    for member in LINKS {
        for bad in [
            "http://claude.ai/x",
            "javascript:alert(1)",
            "https:///x",
            "//claude.ai",
            "https://u@claude.ai/x",
        ] {
            assert_eq!(parse(&json!({ member: bad })), Err(DocumentError::Link(member)), "{member} {bad}");
        }
        assert!(parse(&json!({ member: "https://claude.ai/x" })).is_ok());
    }
}

#[test]
fn c6_unserved_grants_are_left_out_and_only_fatal_when_nothing_is_left() {
    for fatal in [
        json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"] }),
        json!({ "grant_types": ["refresh_token"] }),
        json!({ "grant_types": [] }),
        json!({ "response_types": ["token"] }),
    ] {
        assert_eq!(parse(&fatal), Err(DocumentError::Unsupported), "{fatal}");
    }
    assert!(parse(&json!({ "response_types": ["token", "code"] })).is_ok());
    let implied = client(parse(&json!({ "grant_types": null, "response_types": null })).unwrap());
    assert_eq!(implied.grant_types, [GrantType::AuthorizationCode].into());
    let greedy =
        client(parse(&json!({ "grant_types": ["authorization_code", "client_credentials"] })).unwrap());
    assert!(!greedy.may_use(GrantType::ClientCredentials));
}

#[test]
fn redirects_pass_the_rules_for_registration() {
    for bad in [json!(["javascript:alert(1)"]), json!(["https://claude.ai/cb#"]), json!(["cursor://x"])] {
        assert!(matches!(parse(&json!({ "redirect_uris": bad })), Err(DocumentError::Redirect(_))), "{bad}");
    }
    for none in [json!([]), json!(null), json!(vec!["https://claude.ai/cb"; 33])] {
        assert_eq!(parse(&json!({ "redirect_uris": none })), Err(DocumentError::Redirects));
    }
    assert!(matches!(parse(&json!({ "redirect_uris": [1] })), Err(DocumentError::Type("redirect_uris", _))));
}

#[test]
fn c10_what_consent_is_bound_to_changes_with_the_document() {
    let fingerprint = |changes: &Value| parse(changes).unwrap().fingerprint().to_owned();
    let before = fingerprint(&json!({}));
    assert_eq!(fingerprint(&json!({ "logo_uri": "https://claude.ai/logo.png" })), before);
    for change in [
        json!({ "client_name": "Clyde" }),
        json!({ "redirect_uris": ["https://claude.ai/other"] }),
        json!({ "jwks": { "keys": [] } }),
    ] {
        assert_ne!(fingerprint(&change), before, "{change}");
    }
}

#[test]
fn names_are_bounded_and_hide_nothing() {
    let name = |name: &str| client(parse(&json!({ "client_name": name })).unwrap()).name;
    assert_eq!(name("Cl\u{202e}au\u{200b}de\n\u{0}"), "Claude");
    assert_eq!(name(&"x".repeat(100)).len(), 64);
    assert_eq!(name(" \u{200b} "), "claude.ai");
    assert_eq!(client(parse(&json!({ "client_name": null })).unwrap()).name, "claude.ai");
}

#[test]
fn a_scope_member_only_narrows() {
    let client = client(parse(&json!({ "scope": "openid admin" })).unwrap());
    assert_eq!(client.scopes, set("openid"));
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "https://\\PC{0,40}") {
        let _ = MetadataDocument::parse(&url(), &bytes);
        if let Ok(url) = ClientMetadataUrl::parse(&text) {
            prop_assert!(!url.host().is_empty() && url.as_str() == text);
        }
    }
}

#[test]
fn a_member_that_is_null_is_absent() {
    let nulls = json!({
        "client_secret": null, "client_secret_expires_at": null, "token_endpoint_auth_method": null, "jwks": null,
        "logo_uri": null, "scope": null, "client_name": null, "grant_types": null, "response_types": null,
    });
    let written =
        |changes: &Value| MetadataDocument::parse(&url(), with_members(changes).to_string().as_bytes());
    assert_eq!(client(written(&nulls).unwrap()).name, "claude.ai");
    for required in ["client_id", "redirect_uris"] {
        assert!(written(&json!({ required: null })).is_err(), "{required}");
    }
}
