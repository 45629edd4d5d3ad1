//! The metadata document of the authorization server (RFC 8414, OpenID Connect Discovery).

use std::collections::BTreeSet;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::scope::ScopeSet;
use serde_json::{Map, Value, json};

use crate::client::GrantType;

/// What the document is made from; every field reflects the running configuration.
#[derive(Clone, Debug)]
pub struct ServerMetadata {
    /// The issuer identifier, byte for byte as configured.
    pub issuer: Issuer,
    /// Where things are.
    pub endpoints: Endpoints,
    /// The scopes that some client can be granted when it asks; asking for all of them is safe.
    pub scopes: ScopeSet,
    /// The grants that some client may use here.
    pub grant_types: Vec<GrantType>,
    /// The algorithms of ID tokens.
    pub id_token_algorithms: Vec<Algorithm>,
    /// Whether the client may be a metadata document.
    pub client_id_metadata_documents: Support,
    /// The resources that this server issues tokens for (RFC 9728 §4).
    pub protected_resources: Vec<Audience>,
    /// The claims that may stand in ID tokens and userinfo.
    pub claims: Vec<String>,
}

/// Absolute URLs of the endpoints; an absent one is left out of the document.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Authorization endpoint.
    pub authorization: String,
    /// Token endpoint.
    pub token: String,
    /// Key set.
    pub jwks: String,
    /// Userinfo endpoint.
    pub userinfo: Option<String>,
    /// Introspection endpoint.
    pub introspection: Option<String>,
    /// Revocation endpoint.
    pub revocation: Option<String>,
    /// Logout endpoint.
    pub end_session: Option<String>,
}

/// Whether something is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is.
    Offered,
    /// It is not.
    Off,
}

/// How clients authenticate at the token endpoint; `none` is what lets Claude use metadata documents.
const TOKEN_AUTH_METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];
/// How resource servers authenticate at the introspection endpoint.
const SECRET_AUTH_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// What a request without `scope` gets (RFC 6749 §3.3).
const DEFAULT_SCOPE: &str = "a request without scope gets the default scopes of its client: all that it may have, unless the operator says less";

/// The one document that is served at every place where a client may look for it: the members of RFC 8414 §2 and of
/// OpenID Connect Discovery §3 come from one registry, and a client that found us at one place must not learn less
/// than at another.
pub fn document(server: &ServerMetadata) -> Value {
    let grants: Vec<&str> =
        server.grant_types.iter().filter(|grant| grant.is_served()).map(|grant| grant.as_str()).collect();
    let scopes: Vec<&str> = server.scopes.iter().collect();
    let algorithms: Vec<&str> =
        server.id_token_algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("issuer", json!(server.issuer));
    put("authorization_endpoint", json!(server.endpoints.authorization));
    put("token_endpoint", json!(server.endpoints.token));
    put("jwks_uri", json!(server.endpoints.jwks));
    put("scopes_supported", json!(scopes));
    // RFC 6749 §3.3 asks for this to be documented; there is no registered member for it.
    put("gatehouse_default_scope", json!(DEFAULT_SCOPE));
    put("response_types_supported", json!(["code"]));
    put("response_modes_supported", json!(["query"]));
    put("grant_types_supported", json!(grants));
    put("code_challenge_methods_supported", json!(["S256"]));
    put("token_endpoint_auth_methods_supported", json!(TOKEN_AUTH_METHODS));
    put("authorization_response_iss_parameter_supported", json!(true));
    put("request_parameter_supported", json!(false));
    put("request_uri_parameter_supported", json!(false));
    put("subject_types_supported", json!(["public"]));
    put("id_token_signing_alg_values_supported", json!(algorithms));
    put("claim_types_supported", json!(["normal"]));
    put("claims_supported", json!(server.claims));
    put("claims_parameter_supported", json!(false));
    put("prompt_values_supported", json!(["none", "login", "consent", "select_account"]));
    if server.client_id_metadata_documents == Support::Offered {
        put("client_id_metadata_document_supported", json!(true));
    }
    if !server.protected_resources.is_empty() {
        put("protected_resources", json!(server.protected_resources));
    }
    if server.endpoints.introspection.is_some() {
        put("introspection_endpoint_auth_methods_supported", json!(SECRET_AUTH_METHODS));
    }
    if server.endpoints.revocation.is_some() {
        put("revocation_endpoint_auth_methods_supported", json!(TOKEN_AUTH_METHODS));
    }
    optional(&mut document, "userinfo_endpoint", server.endpoints.userinfo.as_ref());
    optional(&mut document, "introspection_endpoint", server.endpoints.introspection.as_ref());
    optional(&mut document, "revocation_endpoint", server.endpoints.revocation.as_ref());
    optional(&mut document, "end_session_endpoint", server.endpoints.end_session.as_ref());
    Value::Object(document)
}

/// The well-known names of the document (RFC 8414 §3, OpenID Connect Discovery §4).
const NAMES: [&str; 2] = ["oauth-authorization-server", "openid-configuration"];

/// The paths at which the document is served: under both names, in front of the issuer's path and behind it, at
/// the root of its origin for clients that never learned about issuers with a path, and in front of each of
/// `resources`, the paths of resources at the same origin, for clients that take their resource for the issuer.
pub fn locations<'a>(issuer: &Issuer, resources: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let path = issuer.as_str().split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    let path = path.map_or("", |(_, path)| path).trim_end_matches('/');
    let inserted: Vec<String> = resources
        .into_iter()
        .map(str::to_owned)
        .chain((!path.is_empty()).then(|| format!("/{path}")))
        .collect();
    let mut locations = BTreeSet::new();
    for name in NAMES {
        let root = format!("/.well-known/{name}");
        locations.extend(inserted.iter().map(|path| format!("{root}{path}")));
        if !path.is_empty() {
            locations.insert(format!("/{path}{root}"));
        }
        locations.insert(root);
    }
    locations
}

fn optional(document: &mut Map<String, Value>, name: &str, url: Option<&String>) {
    if let Some(url) = url {
        document.insert(name.to_owned(), json!(url));
    }
}

#[cfg(test)]
mod tests;
