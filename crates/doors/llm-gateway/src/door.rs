//! The door and its routes.

use std::sync::Arc;

use http::{Method, StatusCode};

use gatehouse_audit::event::EventKind;
use gatehouse_config::snapshot::llm::LlmGateway as Settings;
use gatehouse_edge::authn::resource::ResourceServer;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::server::routes::{Origins, ProtectedSpec, Route};

use crate::dialect::{json, render};
use crate::providers::Providers;
use crate::recurring::Recurring;
use crate::serving::Serving;
use crate::{count_tokens, messages, models};

/// The door to models.
pub struct LlmGateway {
    outbound: Arc<Outbound>,
    recurring: Arc<Recurring>,
}

impl LlmGateway {
    /// A gateway that reaches providers through `outbound`.
    pub fn new(outbound: Arc<Outbound>) -> Arc<Self> {
        Arc::new(Self { outbound, recurring: Arc::default() })
    }

    /// What is served under `settings`, which must be those of the snapshot that requests enter with, guarded by `gate`.
    pub fn routes(&self, settings: &Settings, gate: &Arc<ResourceServer>) -> Vec<Route> {
        let at = |path: &str| format!("{}{path}", settings.path);
        let spec = |name, method, path: &str, audit| ProtectedSpec {
            name,
            method,
            path: at(path),
            audit,
            gate: Arc::clone(gate),
        };
        let serving = Arc::new(Serving {
            outbound: Arc::clone(&self.outbound),
            timeouts: settings.timeouts,
            providers: Providers::new(settings),
            recurring: Arc::clone(&self.recurring),
        });
        let (create, count) = (Arc::clone(&serving), Arc::clone(&serving));
        let (list, show) = (Arc::clone(&serving), serving);
        vec![
            Route::protected(
                spec("messages", Method::POST, "/v1/messages", EventKind::ModelCall),
                render,
                move |body, context| messages::create(Arc::clone(&create), body, context),
            ),
            Route::protected(
                spec("count_tokens", Method::POST, "/v1/messages/count_tokens", EventKind::ModelCount),
                render,
                move |body, context| count_tokens::count(Arc::clone(&count), body, context),
            ),
            Route::protected(
                spec("models", Method::GET, "/v1/models", EventKind::ModelList),
                render,
                move |_body, context| {
                    let serving = Arc::clone(&list);
                    async move { models::list(&serving, &context).await }
                },
            ),
            Route::protected(
                spec("model", Method::GET, "/v1/models/{*id}", EventKind::ModelList),
                render,
                move |_body, context| {
                    let serving = Arc::clone(&show);
                    async move { models::show(&serving, &context).await }
                },
            ),
            Route::public("hello", Method::GET, at("/api/hello"), render, |_body, _context| async {
                Ok(json(StatusCode::OK, "{\"message\":\"hello\"}"))
            })
            .with_origins(Origins::Any),
        ]
    }
}
