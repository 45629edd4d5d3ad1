//! What each endpoint is to OAuth: a protected resource with a name and a metadata document (RFC 9728).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response};

use gatehouse_config::snapshot::mcp::McpGateway as Settings;
use gatehouse_edge::server::body;
use gatehouse_edge::server::routes::{Origins, Route};
use gatehouse_identity::id::AppName;
use gatehouse_mcp::protected_resource::ResourceMetadata;

use crate::dialect::render;

/// One URL that MCP clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its path.
    pub(crate) path: String,
    /// Its exact public URL: the `resource` of its metadata and the audience of tokens for it.
    pub(crate) resource: String,
    /// The app that it serves under bare names; `None` for all apps under qualified names.
    pub(crate) app: Option<AppName>,
}

impl Endpoint {
    /// The endpoint for all apps, then those for single apps.
    pub(crate) fn all(settings: &Settings) -> Vec<Self> {
        let origin = settings.resource.strip_suffix(&settings.path).unwrap_or(&settings.resource);
        let whole = Self { path: settings.path.clone(), resource: settings.resource.clone(), app: None };
        let single = |app: &AppName| {
            let path = format!("{}/{app}", settings.path.trim_end_matches('/'));
            Self { resource: format!("{origin}{path}"), app: Some(app.clone()), path }
        };
        std::iter::once(whole).chain(settings.apps.iter().map(|app| single(&app.name))).collect()
    }

    fn document(&self, settings: &Settings) -> Bytes {
        let servers = settings.protection.servers.iter();
        let metadata = ResourceMetadata {
            resource: self.resource.clone(),
            authorization_servers: servers.map(|server| server.issuer.as_str().to_owned()).collect(),
            // Nothing here needs a scope, so clients ask for none and get what their registration allows.
            scopes: Vec::new(),
            name: self.app.as_ref().map(ToString::to_string),
        };
        Bytes::from(metadata.document().to_string())
    }
}

/// The metadata documents: one per endpoint at its path-inserted place, and that of the whole at the root too,
/// where clients look next.
pub(crate) fn routes(settings: &Settings, endpoints: &[Endpoint]) -> Vec<Route> {
    let root = &settings.protection.metadata_path;
    let mut documents = BTreeMap::new();
    for endpoint in endpoints {
        let document = endpoint.document(settings);
        if endpoint.app.is_none() {
            documents.insert(root.clone(), document.clone());
        }
        documents.insert(format!("{root}{}", endpoint.path.trim_end_matches('/')), document);
    }
    documents.into_iter().map(|(path, document)| route(path, document)).collect()
}

fn route(path: String, document: Bytes) -> Route {
    Route::public("mcp.resource_metadata", Method::GET, path, render, move |_body, _context| {
        let mut response = Response::new(body::full(document.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        async move { Ok(response) }
    })
    .with_origins(Origins::Any)
}
