//! The demo's REST API: an employee directory, described by OpenAPI 3.0 at `/openapi.json`.
//!
//! Every operation needs an access token of the gateway's issuer for this API's audience; adding, changing
//! and removing people also need the scope `directory:write`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::Issuer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::bearer::{Refusal, TokenVerifier};
use super::traffic::{TrafficLog, locked};
use staff::{Staff, StaffError};

mod staff;

/// The OpenAPI document.
pub(crate) const OPENAPI: &str = include_str!("directory/openapi.json");
const WRITE_SCOPE: &str = "directory:write";
const MAX_BODY: usize = 64 * 1024;

/// What the directory needs to run.
pub(crate) struct DirectoryState {
    verifier: TokenVerifier,
    staff: Mutex<Staff>,
    seen: Arc<TrafficLog>,
}

type Shared = State<Arc<DirectoryState>>;

/// An answer that is not what was asked for.
enum Problem {
    Unauthenticated(Refusal),
    Scope,
    Request(String),
    Staff(StaffError),
    NotFound(String),
}

impl DirectoryState {
    /// A directory that takes tokens of `issuer` for `audience`.
    pub(crate) fn new(
        issuer: Issuer,
        audience: Audience,
        jwks_url: Url,
        clock: Arc<dyn Clock>,
        seen: Arc<TrafficLog>,
    ) -> Self {
        let verifier = TokenVerifier::new(issuer, audience, jwks_url, clock);
        Self { verifier, staff: Mutex::new(Staff::seeded()), seen }
    }
}

/// The API.
pub(crate) fn router(state: Arc<DirectoryState>) -> Router {
    Router::new()
        .route("/employees", get(list_employees).post(create_employee))
        .route("/employees/{id}", get(get_employee).patch(update_employee).delete(delete_employee))
        .route("/departments", get(list_departments))
        .route("/org-chart", get(org_chart))
        .route_layer(from_fn_with_state(Arc::clone(&state), authenticate))
        .route("/openapi.json", get(|| async { ([(CONTENT_TYPE, "application/json")], OPENAPI) }))
        .fallback(async |uri: Uri| Problem::NotFound(uri.path().to_owned()).respond())
        .with_state(state)
}

async fn authenticate(State(state): Shared, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return Problem::Request(format!("the body must not exceed {MAX_BODY} bytes")).respond();
    };
    state.seen.inspect(&head.uri.to_string(), &head.headers, &body);
    let caller = match state.verifier.authenticate(&head.headers).await {
        Ok(caller) => caller,
        Err(refusal) => return Problem::Unauthenticated(refusal).respond(),
    };
    if head.method != Method::GET && head.method != Method::HEAD && !caller.has_scope(WRITE_SCOPE) {
        return Problem::Scope.respond();
    }
    let operation = format!("{} {}", head.method, head.uri.path());
    state.seen.record(&operation, Value::Object(caller.claims().clone()));
    next.run(Request::from_parts(head, Body::from(body))).await
}

async fn list_employees(State(state): Shared, RawQuery(query): RawQuery) -> Response {
    let page = || -> Result<Response, Problem> {
        let query = parameters(query.as_deref(), &["department", "search", "limit", "offset"])?;
        let limit = number(&query, "limit", 1..=100)?.unwrap_or(20);
        let offset = number(&query, "offset", 0..=usize::MAX)?.unwrap_or(0);
        let staff = locked(&state.staff);
        let found = staff
            .select(query.get("department").map(String::as_str), query.get("search").map(String::as_str));
        let shown: Vec<_> = found.iter().skip(offset).take(limit).collect();
        Ok(answer(StatusCode::OK, &json!({ "employees": shown, "total": found.len() })))
    };
    page().unwrap_or_else(Problem::respond)
}

async fn get_employee(State(state): Shared, Path(id): Path<String>) -> Response {
    match locked(&state.staff).find(&id) {
        Ok(employee) => answer(StatusCode::OK, employee),
        Err(error) => Problem::Staff(error).respond(),
    }
}

async fn create_employee(State(state): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let create = || locked(&state.staff).hire(json_body(&headers, &body)?).map_err(Problem::Staff);
    create().map_or_else(Problem::respond, |employee| answer(StatusCode::CREATED, &employee))
}

async fn update_employee(
    State(state): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let update = || locked(&state.staff).change(&id, json_body(&headers, &body)?).map_err(Problem::Staff);
    update().map_or_else(Problem::respond, |employee| answer(StatusCode::OK, &employee))
}

async fn delete_employee(State(state): Shared, Path(id): Path<String>) -> Response {
    match locked(&state.staff).dismiss(&id) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => Problem::Staff(error).respond(),
    }
}

async fn list_departments(State(state): Shared) -> Response {
    answer(StatusCode::OK, &json!({ "departments": locked(&state.staff).departments() }))
}

async fn org_chart(State(state): Shared, RawQuery(query): RawQuery) -> Response {
    let chart = || -> Result<Response, Problem> {
        let query = parameters(query.as_deref(), &["root"])?;
        let root = query.get("root").map(String::as_str);
        let roots = locked(&state.staff).chart(root).map_err(Problem::Staff)?;
        Ok(answer(StatusCode::OK, &json!({ "roots": roots })))
    };
    chart().unwrap_or_else(Problem::respond)
}

/// The query's parameters, each at most once and each one of `known`.
fn parameters(query: Option<&str>, known: &[&str]) -> Result<HashMap<String, String>, Problem> {
    let mut parameters = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if !known.contains(&name.as_ref()) {
            return Err(Problem::Request(format!(
                "unknown query parameter `{name}`; known: {}",
                known.join(", ")
            )));
        }
        if parameters.insert(name.to_string(), value.into_owned()).is_some() {
            return Err(Problem::Request(format!("query parameter `{name}` is there twice")));
        }
    }
    Ok(parameters)
}

fn number(
    query: &HashMap<String, String>,
    name: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<Option<usize>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| range.contains(number));
    let expected = || {
        let (start, end) = (range.start(), range.end());
        Problem::Request(format!("`{name}`: expected an integer from {start} to {end}; found `{text}`"))
    };
    number.map(Some).ok_or_else(expected)
}

fn json_body<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next().is_some_and(|kind| kind.trim() == "application/json"));
    if !is_json {
        return Err(Problem::Request("expected a body with content-type application/json".into()));
    }
    serde_json::from_slice(body).map_err(|error| Problem::Request(error.to_string()))
}

fn answer<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Problem {
    fn respond(self) -> Response {
        let (status, detail) = match &self {
            Self::Unauthenticated(refusal) => (refusal.status(), refusal.to_string()),
            Self::Scope => (StatusCode::FORBIDDEN, format!("this operation needs the scope `{WRITE_SCOPE}`")),
            Self::Request(detail) => (StatusCode::BAD_REQUEST, detail.clone()),
            Self::NotFound(path) => (StatusCode::NOT_FOUND, format!("there is nothing at {path}")),
            Self::Staff(error @ StaffError::Unknown(_)) => (StatusCode::NOT_FOUND, error.to_string()),
            Self::Staff(error @ StaffError::HasReports(_)) => (StatusCode::CONFLICT, error.to_string()),
            Self::Staff(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        };
        let title = status.canonical_reason().unwrap_or_default();
        let body = json!({ "title": title, "status": status.as_u16(), "detail": detail }).to_string();
        let mut response = (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response();
        let challenge = match &self {
            Self::Unauthenticated(refusal) if status == StatusCode::UNAUTHORIZED => Some(
                refusal
                    .challenge_error()
                    .map_or_else(|| "Bearer".into(), |error| format!("Bearer error=\"{error}\"")),
            ),
            Self::Scope => Some(format!("Bearer error=\"insufficient_scope\", scope=\"{WRITE_SCOPE}\"")),
            _ => None,
        };
        if let Some(challenge) = challenge.and_then(|challenge| challenge.parse().ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests;
