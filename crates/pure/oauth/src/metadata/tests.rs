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
fn d2_to_d8_the_documents_say_what_is_there() {
    insta::assert_json_snapshot!("authorization_server", authorization_server(&server()));
    insta::assert_json_snapshot!("openid", openid(&server()));
}

#[test]
fn d3_both_documents_come_from_the_same_facts() {
    let (plain, openid) = (authorization_server(&server()), openid(&server()));
    for (name, value) in plain.as_object().unwrap() {
        assert_eq!(&openid[name], value, "{name}");
    }
}

#[test]
fn d5_d8_what_is_off_is_absent() {
    let off = ServerMetadata { client_id_metadata_documents: Support::Off, ..server() };
    let document = authorization_server(&off);
    for absent in ["client_id_metadata_document_supported", "registration_endpoint", "revocation_endpoint"] {
        assert!(document.get(absent).is_none(), "{absent}");
    }
    assert!(!document.to_string().contains("device_code"));
    assert!(!document.to_string().contains("\"\""), "no empty endpoints");
}

#[test]
fn d1_an_issuer_with_a_path_is_found_in_every_place() {
    let root = Locations::of(&Issuer::new("https://as.example.com/"));
    assert_eq!(root.authorization_server, ["/.well-known/oauth-authorization-server"]);
    assert_eq!(root.openid, ["/.well-known/openid-configuration"]);
    let path = Locations::of(&Issuer::new("https://as.example.com/t1"));
    assert!(path.authorization_server.contains(&"/.well-known/oauth-authorization-server/t1".to_owned()));
    for expected in ["/.well-known/openid-configuration/t1", "/t1/.well-known/openid-configuration"] {
        assert!(path.openid.contains(&expected.to_owned()), "{expected}");
    }
}
