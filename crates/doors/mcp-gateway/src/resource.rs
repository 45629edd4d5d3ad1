//! What each endpoint is to OAuth: a protected resource with a name and a metadata document (RFC 9728).

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response};

use gatehouse_config::snapshot::mcp::{McpApp, McpGateway as Settings};
use gatehouse_edge::authn::resource::ResourceServer;
use gatehouse_edge::server::body;
use gatehouse_edge::server::routes::{Origins, Route};
use gatehouse_identity::id::AppName;
use gatehouse_mcp::namespace::Namespace;
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

    /// Whether a tool of `app` may have the name `exported` here: other apps need not be asked for it.
    pub(crate) fn may_export(&self, app: &McpApp, exported: &str) -> bool {
        match &app.namespace {
            Namespace::Prefix(prefix) if self.app.is_none() => exported.starts_with(prefix.as_str()),
            Namespace::Prefix(_) | Namespace::Disabled => true,
        }
    }

    /// What is said of the endpoint, but for the authorization servers.
    fn metadata(&self) -> ResourceMetadata {
        ResourceMetadata {
            resource: self.resource.clone(),
            authorization_servers: Vec::new(),
            // Nothing here needs a scope, so clients ask for none and get what their registration allows.
            scopes: Vec::new(),
            name: self.app.as_ref().map(ToString::to_string),
        }
    }
}

/// The metadata documents: one per endpoint at its path-inserted place, and that of the whole at the root too,
/// where clients look next. `gate` knows the authorization servers.
pub(crate) fn routes(settings: &Settings, endpoints: &[Endpoint], gate: &Arc<ResourceServer>) -> Vec<Route> {
    let root = &settings.protection.metadata_path;
    let mut documents = BTreeMap::new();
    for endpoint in endpoints {
        let document = endpoint.metadata();
        if endpoint.app.is_none() {
            documents.insert(root.clone(), document.clone());
        }
        documents.insert(format!("{root}{}", endpoint.path.trim_end_matches('/')), document);
    }
    documents.into_iter().map(|(path, document)| route(path, document, gate)).collect()
}

fn route(path: String, metadata: ResourceMetadata, gate: &Arc<ResourceServer>) -> Route {
    let gate = Arc::clone(gate);
    Route::public("mcp.resource_metadata", Method::GET, path, render, move |_body, _context| {
        let (mut metadata, gate) = (metadata.clone(), Arc::clone(&gate));
        async move {
            let servers = gate.authorization_servers().await;
            metadata.authorization_servers = servers.issuers.iter().map(ToString::to_string).collect();
            let mut response = Response::new(body::full(metadata.document().to_string()));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // What is only supposed may be otherwise a moment later.
            let keep = if servers.stated { "public, max-age=60" } else { "no-store" };
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
            Ok(response)
        }
    })
    .with_origins(Origins::Any)
}
