//! Metadata and keys, at every place where a client may look for them.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use gatehouse_identity::jose::jwk::KeySet;

use crate::answer::{Answer, send};
use crate::client::{header, text, verified_claims};
use crate::server::{Server, Setup};

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path).header("host", server.address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(server.address, request.body(Full::<Bytes>::default()).unwrap()).await
}

#[tokio::test]
async fn one_document_is_served_wherever_clients_look() {
    let plain = Server::start().await;
    let root = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        // For clients that take the resource for the issuer.
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration/mcp",
    ];
    let document = get(&plain, root[0], &[]).await.ok();
    assert_eq!(document["issuer"], json!(plain.issuer));
    for path in root {
        assert_eq!(get(&plain, path, &[]).await.ok(), document, "{path}");
    }
    let tenant = Setup::new().issuer_path("/t1").start().await;
    let below = [
        "/.well-known/oauth-authorization-server/t1",
        "/.well-known/openid-configuration/t1",
        "/t1/.well-known/openid-configuration",
        "/t1/.well-known/oauth-authorization-server",
    ];
    let document = get(&tenant, root[0], &[]).await.ok();
    assert_eq!(document["issuer"], json!(tenant.issuer));
    for path in root.iter().take(2).chain(&below) {
        assert_eq!(get(&tenant, path, &[]).await.ok(), document, "{path}");
    }
    assert_eq!(get(&plain, "/.well-known/openid-configuration/other", &[]).await.status, 404);
}

#[tokio::test]
async fn the_document_says_what_is_served_and_nothing_else() {
    let server = Server::start().await;
    let document = get(&server, "/.well-known/oauth-authorization-server", &[]).await.ok();
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], json!(true));
    assert_eq!(document["authorization_endpoint"], json!(server.url("/oauth2/auth")));
    assert_eq!(document["token_endpoint"], json!(server.url("/oauth2/token")));
    assert_eq!(document["userinfo_endpoint"], json!(server.url("/oauth2/userinfo")));
    assert_eq!(document["subject_types_supported"], json!(["public"]));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256"]));
    let methods = document["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&json!("none")), "{methods:?}");
    let grants = document["grant_types_supported"].as_array().unwrap();
    assert_eq!(grants.len(), 4, "{grants:?}");
    assert!(document.get("registration_endpoint").is_none());
    assert!(document.get("client_id_metadata_document_supported").is_none());
}

#[tokio::test]
async fn scopes_that_only_a_gateway_gets_are_not_advertised() {
    let robot = r#"
  - { name: robot, type: oidc, clientID: robot, credentials: { secrets: ["SECRET"] }, grantTypes: [client_credentials],
      defaultAudience: "https://tools.example/api", customScopes: { scopes: [{ name: "tools:report" }] } }
"#;
    let provider = "  clientIDMetadata: { allowedHosts: [claude.ai], customScopes: { scopes: [{ name: \"tools:list\" }] } }\n";
    let server = Setup::new().app(robot).provider(provider).start().await;
    let document = get(&server, "/.well-known/oauth-authorization-server", &[]).await.ok();
    // `ledger:read` is what the gateway exchanges tokens for.
    let expected = [
        "email",
        "offline_access",
        "openid",
        "profile",
        "tools:admin",
        "tools:list",
        "tools:report",
        "tools:use",
    ];
    assert_eq!(document["scopes_supported"], json!(expected));
}

#[tokio::test]
async fn metadata_documents_are_offered_only_while_they_are_on() {
    let setup = Setup::new().provider("  clientIDMetadata: { allowedHosts: [claude.ai] }\n");
    let server = setup.start().await;
    for name in ["oauth-authorization-server", "openid-configuration"] {
        let document = get(&server, &format!("/.well-known/{name}"), &[]).await.ok();
        assert_eq!(document["client_id_metadata_document_supported"], json!(true), "{name}");
    }
}

#[tokio::test]
async fn every_url_is_the_configured_origin_whatever_the_request_says() {
    let server = Server::start().await;
    let path = "/.well-known/openid-configuration";
    let plain = get(&server, path, &[]).await.text;
    let forged = [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-forwarded-proto", "https"),
        ("x-original-url", "/evil"),
    ];
    assert_eq!(get(&server, path, &forged).await.text, plain);
    let request = Request::get(path).header("host", "evil.example").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(send(server.address, request).await.status, 421);
}

#[tokio::test]
async fn documents_are_cacheable_open_to_pages_and_need_no_store() {
    let server = Server::start().await;
    for path in ["/.well-known/openid-configuration", "/oauth2/jwks"] {
        let first = get(&server, path, &[("origin", "https://any.example")]).await;
        assert_eq!(first.status, 200);
        assert_eq!(first.header("access-control-allow-origin"), Some("*"));
        assert_eq!(first.header("cache-control"), Some("public, max-age=300"));
        let etag = first.header("etag").unwrap();
        let again = get(&server, path, &[("if-none-match", etag)]).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
    }
}

#[tokio::test]
async fn published_keys_verify_what_was_issued() {
    let server = Server::start().await;
    let jwks = get(&server, "/oauth2/jwks", &[]).await;
    let keys = KeySet::parse(jwks.text.as_bytes()).unwrap();
    for key in jwks.json()["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none(), "a private key is published: {key}");
    }
    let tokens = server.portal().tokens_for("ada", &[("scope", "openid")]).await;
    let access = text(&tokens, "access_token");
    assert_eq!(header(access)["typ"], json!("at+jwt"));
    assert_eq!(header(access)["alg"], json!("ES256"));
    assert_eq!(verified_claims(access, &keys)["iss"], json!(server.issuer));
    let id_token = text(&tokens, "id_token");
    assert_eq!(header(id_token)["alg"], json!("RS256"));
    assert_eq!(verified_claims(id_token, &keys)["aud"], json!("portal"));
}

#[tokio::test]
async fn access_tokens_have_the_algorithm_of_their_client() {
    let app = r#"
  - { name: rsa, type: oidc, clientID: rsa, credentials: { secrets: ["SECRET"] }, grantTypes: [client_credentials],
      defaultAudience: "https://tools.example/api", accessToken: { algorithm: RS256, lifetimeSeconds: 60 } }
"#;
    let server = Setup::new().app(app).start().await;
    let client = crate::client::Client::confidential(&server, "rsa", "");
    let answer = client.token(&crate::client::pairs(&[("grant_type", "client_credentials")])).await.ok();
    let token = text(&answer, "access_token");
    assert_eq!(header(token)["alg"], json!("RS256"));
    let claims = server.claims(token);
    let seconds = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!(Duration::from_secs(60).as_secs().cast_signed(), seconds("exp") - seconds("iat"));
    assert_eq!(answer["expires_in"], Value::from(60));
}
