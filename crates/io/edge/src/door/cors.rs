//! Which web pages may call us, and what browsers are told about it (Fetch §3.2).

use std::collections::{BTreeMap, HashSet};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, VARY,
};
use http::{Method, Response, StatusCode};

use crate::context::{Head, List, Single};
use crate::rejection::{Rejection, RejectionKind};
use crate::server::body::{self, Body};
use crate::server::routes::{Origins, Route};

/// The origins whose pages may call protected routes.
#[derive(Clone, Debug)]
pub struct OriginRules {
    allowed: HashSet<String>,
}

/// What the answer to an admitted request tells the browser.
pub(super) struct Allowed(Option<HeaderValue>);

impl OriginRules {
    /// Lets pages of exactly these origins in, written as browsers send them (`https://host[:port]`).
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self { allowed: origins.into_iter().collect() }
    }

    /// Whether a page of the request's origin may call `route`.
    pub(super) fn check(&self, route: &Route, head: &Head) -> Result<Allowed, Rejection> {
        match (route.origins, head.value(Single::Origin)) {
            (Origins::Any, Some(_)) => Ok(Allowed(Some(HeaderValue::from_static("*")))),
            (Origins::Pages, _) | (_, None) => Ok(Allowed(None)),
            (Origins::Listed, Some(origin)) if self.lists(origin) => Ok(Allowed(Some(origin.clone()))),
            (Origins::Listed, Some(origin)) => Err(Rejection::new(
                RejectionKind::Forbidden,
                "origin_unlisted",
                "Pages of this origin may not call this service.",
            )
            .because(format!("origin {origin:?}"))),
        }
    }

    /// What a page that may ask for something at a path by `methods` is told of what it may not: that, and not that the
    /// network is down.
    pub(super) fn at_path(&self, head: &Head, methods: &BTreeMap<String, Route>) -> Allowed {
        let mut allowed = methods.values().filter_map(|route| self.check(route, head).ok());
        allowed.find(|Allowed(origin)| origin.is_some()).unwrap_or(Allowed(None))
    }

    /// The same where there is no path: listed origins may look for one.
    pub(super) fn listed(&self, head: &Head) -> Allowed {
        Allowed(head.value(Single::Origin).filter(|origin| self.lists(origin)).cloned())
    }

    /// The answer to a preflight request, or `None` when it is not one or not granted.
    pub(super) fn preflight(&self, head: &Head, methods: &BTreeMap<String, Route>) -> Option<Response<Body>> {
        if head.method != Method::OPTIONS {
            return None;
        }
        let wanted = head.single(Single::AccessControlRequestMethod)?;
        let route = methods.get(wanted)?;
        let Allowed(Some(origin)) = self.check(route, head).ok()? else { return None };
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(wanted).ok()?);
        // The names that the browser is about to send: bearer tokens, MCP routing headers and `Mcp-Param-*`.
        for names in head.list(List::AccessControlRequestHeaders) {
            headers.append(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Allowed(Some(origin)).apply(headers);
        Some(response)
    }

    fn lists(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.allowed.contains(origin))
    }
}

impl Allowed {
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        let Some(origin) = self.0 else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(
                "mcp-session-id, www-authenticate, request-id, retry-after, x-should-retry",
            ),
        );
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}
