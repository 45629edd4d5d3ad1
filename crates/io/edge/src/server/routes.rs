//! The list of everything that this process answers.
//!
//! Each door contributes its routes; there is no other way to be reachable. A protected handler takes a
//! [`Context`] of a verified caller, so a route without authentication cannot run one.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Method, Response};
use hyper::body::Incoming;
use matchit::Router;

use gatehouse_audit::event::EventKind;

use crate::authn::resource::ResourceServer;
use crate::context::{Context, Public, Verified};
use crate::rejection::{Rejection, RejectionKind};
use crate::server::body::Body;

/// What a handler gives back.
pub type Outcome = Result<Response<Body>, Rejection>;

type Handled = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type HandlerFn<Who> = Arc<dyn Fn(Incoming, Context<Who>) -> Handled + Send + Sync>;

/// Renders a refusal in the words of one protocol.
pub type Render = fn(&Rejection, &Refused<'_>) -> Response<Body>;

/// What a dialect may know of the request that it refuses.
pub struct Refused<'a> {
    /// The id to show to the caller.
    pub request_id: &'a str,
    /// The request path.
    pub path: &'a str,
    /// Where the protected-resource metadata of this route lives (RFC 9728 §5.1), as an absolute URL.
    pub resource_metadata: Option<&'a str>,
    /// The scopes that a caller should ask for.
    pub scopes: Option<&'a str>,
    /// Whether the caller sent a credential that was refused, rather than none.
    pub credential_sent: bool,
}

/// One thing that can be asked for.
#[derive(Clone)]
pub struct Route {
    /// Its name in the route dump and in logs.
    pub name: &'static str,
    /// The method; `HEAD` is answered by `GET` routes.
    pub method: Method,
    /// The path, with `{name}` for one variable segment, or `{*name}` at its end for a value that may hold slashes.
    pub path: String,
    /// Which web pages may call it.
    pub origins: Origins,
    /// The kind of audit record that its requests leave; `None` for documents that anyone may read.
    pub audit: Option<EventKind>,
    pub(crate) render: Render,
    pub(crate) entry: Entry,
}

/// Which `Origin` values a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Any page: public documents and endpoints that never use cookies. Answered with `*`, without credentials.
    Any,
    /// Only listed origins; others get 403.
    Listed,
    /// Browser pages: no cross-origin reads; forms carry their own token against forgery.
    Pages,
}

#[derive(Clone)]
pub(crate) enum Entry {
    Public(HandlerFn<Public>),
    Protected { gate: Arc<ResourceServer>, handler: HandlerFn<Verified> },
}

impl Route {
    /// A route that anyone may call.
    pub fn public<F, Fut>(
        name: &'static str,
        method: Method,
        path: impl Into<String>,
        render: Render,
        handler: F,
    ) -> Self
    where
        F: Fn(Incoming, Context<Public>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let handler: HandlerFn<Public> = Arc::new(move |body, context| Box::pin(handler(body, context)));
        Self {
            name,
            method,
            path: path.into(),
            origins: Origins::Pages,
            audit: None,
            render,
            entry: Entry::Public(handler),
        }
    }

    /// A route that only a caller verified by `gate` may call; every request leaves an audit record.
    pub fn protected<F, Fut>(spec: ProtectedSpec, render: Render, handler: F) -> Self
    where
        F: Fn(Incoming, Context<Verified>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let handler: HandlerFn<Verified> = Arc::new(move |body, context| Box::pin(handler(body, context)));
        Self {
            name: spec.name,
            method: spec.method,
            path: spec.path,
            origins: Origins::Listed,
            audit: Some(spec.audit),
            render,
            entry: Entry::Protected { gate: spec.gate, handler },
        }
    }

    /// The same route for other origins.
    #[must_use]
    pub fn with_origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// The same route, leaving audit records of `kind`.
    #[must_use]
    pub fn with_audit(mut self, kind: EventKind) -> Self {
        self.audit = Some(kind);
        self
    }

    /// Whether its requests leave audit records.
    pub(crate) fn leaves_record(&self) -> bool {
        self.audit.is_some() || self.is_protected()
    }

    /// Whether a credential is needed.
    pub fn is_protected(&self) -> bool {
        matches!(self.entry, Entry::Protected { .. })
    }
}

/// Where a protected route is and who guards it.
pub struct ProtectedSpec {
    /// Its name in the route dump and in logs.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The audit record that its requests leave.
    pub audit: EventKind,
    /// Who verifies callers.
    pub gate: Arc<ResourceServer>,
}

/// All routes of a listener.
pub struct RouteTable {
    router: Router<usize>,
    paths: Vec<BTreeMap<String, Route>>,
    open_ends: OpenEnds,
    fallback: Vec<(String, Render)>,
    default_render: Render,
}

/// The paths behind which everything is one value.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenEnds(Vec<String>);

impl OpenEnds {
    /// Behind each of `prefixes`.
    #[cfg(test)]
    pub(crate) fn of(prefixes: &[&str]) -> Self {
        Self(prefixes.iter().map(ToString::to_string).collect())
    }

    /// Whether `path` ends in such a value.
    pub(crate) fn end(&self, path: &str) -> bool {
        self.0.iter().any(|prefix| path.starts_with(prefix))
    }
}

/// Two routes that cannot both be served.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path} is claimed twice or clashes with another path: {why}")]
pub struct RouteConflict {
    method: Method,
    path: String,
    why: String,
}

impl RouteTable {
    /// Builds the table. `fallback` names, for path prefixes, who words the 404 and 405 answers below them.
    pub fn build(
        routes: Vec<Route>,
        mut fallback: Vec<(String, Render)>,
        default_render: Render,
    ) -> Result<Self, RouteConflict> {
        let mut by_path: BTreeMap<String, BTreeMap<String, Route>> = BTreeMap::new();
        for route in routes {
            let methods = by_path.entry(route.path.clone()).or_default();
            if let Some(earlier) = methods.insert(route.method.to_string(), route) {
                return Err(RouteConflict {
                    method: earlier.method,
                    path: earlier.path,
                    why: "same method".into(),
                });
            }
        }
        let (mut router, mut open_ends) = (Router::new(), OpenEnds::default());
        let mut paths = Vec::new();
        for (path, methods) in by_path {
            router.insert(&path, paths.len()).map_err(|error| RouteConflict {
                method: Method::OPTIONS,
                path: path.clone(),
                why: error.to_string(),
            })?;
            open_ends.0.extend(path.split_once("{*").map(|(prefix, _)| prefix.to_owned()));
            paths.push(methods);
        }
        fallback.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self { router, paths, open_ends, fallback, default_render })
    }

    /// Where values may hold slashes.
    pub(crate) fn open_ends(&self) -> &OpenEnds {
        &self.open_ends
    }

    /// The route for a request and the value of its variable segment, still percent-encoded.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Ok(hit) = self.router.at(path) else { return Found::Nothing };
        let Some(methods) = self.paths.get(*hit.value) else { return Found::Nothing };
        let segment = hit.params.iter().next().map(|(_, value)| value.to_owned());
        let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
        match methods.get(method.as_str()).or_else(|| methods.get(wanted)) {
            Some(route) => Found::Route(route, segment),
            None => Found::OtherMethods(methods),
        }
    }

    /// Who words refusals for a path that no route claims.
    pub(crate) fn render_for(&self, path: &str) -> Render {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.fallback
            .iter()
            .find(|(prefix, _)| below(prefix))
            .map_or(self.default_render, |(_, render)| *render)
    }

    /// Every route, for the route dump.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.paths.iter().flat_map(BTreeMap::values)
    }
}

pub(crate) enum Found<'a> {
    Route(&'a Route, Option<String>),
    OtherMethods(&'a BTreeMap<String, Route>),
    Nothing,
}

/// The refusal for a path without route.
pub(crate) fn nothing_here() -> Rejection {
    Rejection::new(RejectionKind::NotFound, "route_unknown", "Nothing is served at this path.")
}

/// The refusal for a path that has other methods.
pub(crate) fn other_methods(methods: &BTreeMap<String, Route>) -> Rejection {
    let allow = methods.keys().cloned().collect::<Vec<_>>().join(", ");
    let public = format!("This path serves {allow} only.");
    Rejection::new(RejectionKind::MethodNotAllowed(allow), "method_not_allowed", public)
}
