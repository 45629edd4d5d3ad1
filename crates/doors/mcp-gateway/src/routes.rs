//! What is served: an endpoint for all apps, and one for each app that has a gate of its own.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use gatehouse_audit::event::EventKind;
use gatehouse_config::snapshot::mcp::McpGateway as Settings;
use gatehouse_edge::authn::resource::ResourceServer;
use gatehouse_edge::server::routes::{ProtectedSpec, Route};
use gatehouse_identity::id::AppName;

use crate::dialect::render;
use crate::endpoint;
use crate::gateway::McpGateway;
use crate::resource::{self, Endpoint};

impl McpGateway {
    /// Everything that is served for `settings`: the endpoint for all apps behind the gate `all`, and for each app
    /// with a gate in `by_app` an endpoint of its own, at the path and under the resource URL of the whole followed
    /// by `/` and its name. Gates must accept that URL as an audience.
    pub fn routes(
        self: &Arc<Self>,
        settings: &Settings,
        all: &Arc<ResourceServer>,
        by_app: &HashMap<AppName, Arc<ResourceServer>>,
    ) -> Vec<Route> {
        let endpoints = Endpoint::all(settings);
        let mut routes = resource::routes(settings, &endpoints, all);
        for endpoint in endpoints {
            let gate = match &endpoint.app {
                None => Some(all),
                Some(app) => by_app.get(app),
            };
            if let Some(gate) = gate {
                routes.extend(self.endpoint_routes(&Arc::new(endpoint), gate));
            }
        }
        routes
    }

    fn endpoint_routes(self: &Arc<Self>, endpoint: &Arc<Endpoint>, gate: &Arc<ResourceServer>) -> [Route; 3] {
        let spec = |name, method| ProtectedSpec {
            name,
            method,
            path: endpoint.path.clone(),
            audit: EventKind::McpMessage,
            gate: Arc::clone(gate),
        };
        let (door, served, ended) = (Arc::clone(self), Arc::clone(endpoint), Arc::clone(self));
        [
            Route::protected(spec("mcp", Method::POST), render, move |body, context| {
                endpoint::post(Arc::clone(&door), Arc::clone(&served), body, context)
            }),
            Route::protected(spec("mcp.end", Method::DELETE), render, move |_body, context| {
                let door = Arc::clone(&ended);
                async move { endpoint::delete(&door, &context) }
            }),
            Route::protected(spec("mcp.stream", Method::GET), render, |_body, context| async move {
                endpoint::get(&context)
            }),
        ]
    }
}
