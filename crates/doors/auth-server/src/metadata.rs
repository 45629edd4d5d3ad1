//! Metadata and keys: made once per configuration, served without the store.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue};
use http::{Method, Response, StatusCode};
use serde_json::Value;
use url::Url;

use gatehouse_config::snapshot::authorization_server::{AuthorizationServer, STANDARD_SCOPES};
use gatehouse_edge::context::{Context, List, Public};
use gatehouse_edge::issuer::TokenIssuer;
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body;
use gatehouse_edge::server::routes::{Origins, Outcome, Route};
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::client::{Client, GrantType};
use gatehouse_oauth::metadata::{Endpoints, ServerMetadata, Support, document, locations};
use gatehouse_store::fingerprint::Fingerprint;

use crate::dialect;

/// Claims that every ID token or userinfo answer can hold.
const CLAIMS: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "amr",
    "nonce",
    "sid",
    "name",
    "email",
    "email_verified",
    "groups",
];

/// A public document.
#[derive(Clone)]
struct Document {
    bytes: Bytes,
    etag: HeaderValue,
    media_type: &'static str,
}

/// The routes of the metadata document, at every place where a client may look for it, and of the key set.
pub(crate) fn routes(server: &AuthorizationServer, issuer: &TokenIssuer) -> Vec<Route> {
    let metadata = Document::of(&document(&facts(server, issuer)));
    let resources = resource_paths(server);
    let places = locations(&server.issuer, resources.iter().map(String::as_str));
    let mut routes: Vec<Route> =
        places.into_iter().map(|path| metadata.clone().route("oauth.metadata", path)).collect();
    let (bytes, etag) = issuer.keys().document();
    let etag = HeaderValue::from_str(etag).unwrap_or_else(|_| HeaderValue::from_static("\"keys\""));
    let keys = Document { bytes, etag, media_type: "application/jwk-set+json" };
    routes.push(keys.route("oauth.keys", server.endpoints.jwks.clone()));
    routes
}

impl Document {
    fn of(value: &Value) -> Self {
        let text = value.to_string();
        let etag = format!("\"{}\"", Fingerprint::of([text.as_str()]));
        Self {
            etag: HeaderValue::from_str(&etag).unwrap_or_else(|_| HeaderValue::from_static("\"metadata\"")),
            bytes: Bytes::from(text),
            media_type: "application/json",
        }
    }

    fn route(self, name: &'static str, path: String) -> Route {
        Route::public(name, Method::GET, path, dialect::json, move |_body, context| {
            std::future::ready(self.answer(&context))
        })
        .with_origins(Origins::Any)
    }

    fn answer(&self, context: &Context<Public>) -> Outcome {
        let known = context.head.list(List::IfNoneMatch).any(|value| {
            let listed = value.to_str().unwrap_or_default();
            let etag = self.etag.to_str().unwrap_or_default();
            listed
                .split(',')
                .any(|tag| matches!(tag.trim().trim_start_matches("W/"), t if t == etag || t == "*"))
        });
        let mut response = Response::builder()
            .header(CACHE_CONTROL, "public, max-age=300")
            .header(ETAG, &self.etag)
            .body(body::full(self.bytes.clone()))
            .map_err(|error| Rejection::internal("metadata_unusable", error.to_string()))?;
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = body::empty();
        } else {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        }
        Ok(response)
    }
}

fn facts(server: &AuthorizationServer, issuer: &TokenIssuer) -> ServerMetadata {
    let origin = origin(server);
    let at = |path: &str| format!("{origin}{path}");
    let clients = || server.clients.values().map(|registered| &registered.client);
    let mut grants: BTreeSet<GrantType> = clients().flat_map(|client| client.grant_types.clone()).collect();
    let mut mapped: BTreeSet<String> = clients().flat_map(mapped_claims).collect();
    if let Some(metadata) = &server.metadata_clients {
        grants.extend([GrantType::AuthorizationCode, GrantType::RefreshToken]);
        mapped.extend(metadata.template.claims_mapping.iter().map(|(name, _)| name.clone()));
    }
    let algorithms = issuer.keys().algorithms();
    let rs256 = algorithms.contains(&Algorithm::Rs256).then_some(Algorithm::Rs256);
    let id_token_algorithm = rs256.or_else(|| algorithms.first().copied());
    let endpoints = &server.endpoints;
    ServerMetadata {
        issuer: server.issuer.clone(),
        endpoints: Endpoints {
            authorization: at(&endpoints.authorization),
            token: at(&endpoints.token),
            jwks: at(&endpoints.jwks),
            userinfo: Some(at(&endpoints.userinfo)),
            introspection: Some(at(&endpoints.introspection)),
            revocation: Some(at(&endpoints.revocation)),
            end_session: None,
        },
        scopes: advertised_scopes(server),
        grant_types: grants.into_iter().collect(),
        id_token_algorithms: id_token_algorithm.into_iter().collect(),
        client_id_metadata_documents: match server.metadata_clients {
            Some(_) => Support::Offered,
            None => Support::Off,
        },
        protected_resources: server.resources.clone(),
        claims: CLAIMS
            .iter()
            .map(|name| (*name).to_owned())
            .chain(mapped)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
    }
}

/// The scopes that a client can be granted because it asks for them. A gateway gets its scopes by exchanging the tokens
/// of others, for what stands behind it: they are nobody else's business, and asking for them is in vain.
fn advertised_scopes(server: &AuthorizationServer) -> ScopeSet {
    let asking = |client: &Client| {
        let is_gateway = client.may_use(GrantType::TokenExchange);
        client.may_use(GrantType::AuthorizationCode)
            || (client.may_use(GrantType::ClientCredentials) && !is_gateway)
    };
    let clients =
        server.clients.values().map(|registered| &registered.client).filter(|client| asking(client));
    let by_document = server.metadata_clients.iter().map(|clients| &clients.template.scopes);
    let standard = ScopeSet::parse(STANDARD_SCOPES).unwrap_or(ScopeSet::none());
    clients.map(|client| &client.scopes).chain(by_document).fold(standard, |all, scopes| all.union(scopes))
}

fn mapped_claims(client: &Client) -> Vec<String> {
    client.claims_mapping.iter().map(|(name, _)| name.clone()).collect()
}

/// `scheme://host[:port]` of the issuer.
pub(crate) fn origin(server: &AuthorizationServer) -> String {
    let issuer = server.issuer.as_str();
    Url::parse(issuer).map_or_else(|_| issuer.to_owned(), |url| url.origin().ascii_serialization())
}

/// The paths of the resources that stand at the issuer's own origin.
fn resource_paths(server: &AuthorizationServer) -> Vec<String> {
    let origin = origin(server);
    let paths = server.resources.iter().filter_map(|resource| resource.as_str().strip_prefix(&origin));
    paths.filter(|path| path.starts_with('/') && path.len() > 1).map(str::to_owned).collect()
}
