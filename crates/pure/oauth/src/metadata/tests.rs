use super::*;
use crate::client::fixtures::{MCP, scopes};

fn server() -> ServerMetadata {
    let at = |path: &str| format!("https://as.example.com{path}");
    ServerMetadata {
        issuer: Issuer::new("https://as.example.com/"),
        endpoints: Endpoints {
            authorization: at("/oauth2/auth"),
            token: at("/oauth2/token"),
            jwks: at("/oauth2/jwks"),
            userinfo: Some(at("/oauth2/userinfo")),
            introspection: Some(at("/oauth2/introspect")),
            revocation: None,
            end_session: None,
        },
        scopes: scopes("openid offline_access pii:read"),
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode],
        id_token_algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
        client_id_metadata_documents: Support::Offered,
        protected_resources: vec![Audience::new(MCP)],
        claims: vec!["sub".into(), "email".into()],
    }
}

#[test]
fn d2_to_d8_the_document_says_what_is_there() {
    insta::assert_json_snapshot!("document", document(&server()));
}

#[test]
fn d5_d8_what_is_off_is_absent() {
    let off = ServerMetadata { client_id_metadata_documents: Support::Off, ..server() };
    let document = document(&off);
    for absent in ["client_id_metadata_document_supported", "registration_endpoint", "revocation_endpoint"] {
        assert!(document.get(absent).is_none(), "{absent}");
    }
    assert!(!document.to_string().contains("device_code"));
    assert!(!document.to_string().contains("\"\""), "no empty endpoints");
}

#[test]
fn d1_the_document_is_found_in_every_place() {
    let sorted = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<_>>();
    let root = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
    for issuer in ["https://as.example.com", "https://as.example.com/"] {
        assert_eq!(locations(&Issuer::new(issuer), []), sorted(&root), "{issuer}");
    }
    let tenant = [
        "/.well-known/oauth-authorization-server/t1",
        "/.well-known/openid-configuration/t1",
        "/t1/.well-known/oauth-authorization-server",
        "/t1/.well-known/openid-configuration",
    ];
    let expected = sorted(&[root.as_slice(), &tenant].concat());
    assert_eq!(locations(&Issuer::new("https://as.example.com/t1"), []), expected);
    let resource = ["/.well-known/oauth-authorization-server/mcp", "/.well-known/openid-configuration/mcp"];
    let expected = sorted(&[root.as_slice(), &resource].concat());
    assert_eq!(locations(&Issuer::new("https://as.example.com"), ["/mcp"]), expected);
}
