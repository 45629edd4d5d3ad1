use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::secret::Secret;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::super::bearer::tests::{ISSUER, Still, TestIssuer};
use super::{DirectoryState, OPENAPI, TrafficLog, router};

struct Fixture {
    router: Router,
    issuer: TestIssuer,
    seen: Arc<TrafficLog>,
}

impl Fixture {
    async fn start() -> Self {
        let issuer = TestIssuer::start().await;
        let seen = Arc::new(TrafficLog::default());
        let (audience, clock) = (Audience::new("urn:directory"), Arc::new(Still));
        let jwks_url = issuer.jwks_url.clone();
        let state = DirectoryState::new(Issuer::new(ISSUER), audience, jwks_url, clock, Arc::clone(&seen));
        Self { router: router(Arc::new(state)), issuer, seen }
    }

    async fn send(&self, scope: &str, method: &str, uri: &str, body: Option<Value>) -> (StatusCode, Value) {
        let token = self.issuer.token("urn:directory", scope, json!({}));
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .unwrap();
        let reply = self.router.clone().oneshot(request).await.unwrap();
        let status = reply.status();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

#[test]
fn the_document_describes_seven_operations() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut operations: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    operations.sort_unstable();
    let expected = [
        "createEmployee",
        "deleteEmployee",
        "getEmployee",
        "getOrgChart",
        "listDepartments",
        "listEmployees",
        "updateEmployee",
    ];
    assert_eq!(operations, expected);
}

#[tokio::test]
async fn readers_read() {
    let fixture = Fixture::start().await;
    let (status, page) =
        fixture.send("", "GET", "/employees?department=Finance&limit=1&offset=1", None).await;
    assert_eq!(
        (status, &page["total"], &page["employees"][0]["name"]),
        (StatusCode::OK, &json!(2), &json!("Luca Bianchi"))
    );
    let (_, found) = fixture.send("", "GET", "/employees?search=ENGINEER", None).await;
    assert_eq!(found["total"], 4, "three engineers and a vice president");
    let (_, one) = fixture.send("", "GET", "/employees/E102", None).await;
    assert_eq!(one["managerId"], "E101");
    let (_, departments) = fixture.send("", "GET", "/departments", None).await;
    assert_eq!(departments["departments"][0], json!({ "name": "Engineering", "employees": 4 }));
    let (_, chart) = fixture.send("", "GET", "/org-chart?root=E101", None).await;
    assert_eq!(chart["roots"][0]["reports"][0]["reports"][0]["id"], "E103");
    assert_eq!(fixture.seen.latest("GET /org-chart").unwrap().claims["sub"], "ada");
    for (uri, status) in [
        ("/employees/E999", StatusCode::NOT_FOUND),
        ("/employees?limit=0", StatusCode::BAD_REQUEST),
        ("/employees?limit=1&limit=2", StatusCode::BAD_REQUEST),
        ("/employees?sort=name", StatusCode::BAD_REQUEST),
        ("/org-chart?root=E999", StatusCode::NOT_FOUND),
        ("/nothing", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(fixture.send("", "GET", uri, None).await.0, status, "{uri}");
    }
}

#[tokio::test]
async fn only_writers_write_and_the_chart_stays_a_tree() {
    let fixture = Fixture::start().await;
    let new = json!({ "name": "Joan Petit", "title": "Engineer", "department": "Engineering", "email": "j@example.com", "managerId": "E103" });
    assert_eq!(fixture.send("", "POST", "/employees", Some(new.clone())).await.0, StatusCode::FORBIDDEN);
    let write = "directory:write";
    let (status, made) = fixture.send(write, "POST", "/employees", Some(new)).await;
    assert_eq!((status, &made["id"]), (StatusCode::CREATED, &json!("E110")));
    let (_, changed) =
        fixture.send(write, "PATCH", "/employees/E110", Some(json!({ "title": "Lead" }))).await;
    assert_eq!((&changed["title"], &changed["name"]), (&json!("Lead"), &json!("Joan Petit")));
    for (method, uri, body, status) in [
        ("PATCH", "/employees/E101", json!({ "managerId": "E110" }), StatusCode::UNPROCESSABLE_ENTITY),
        ("PATCH", "/employees/E101", json!({ "managerId": "E999" }), StatusCode::UNPROCESSABLE_ENTITY),
        ("PATCH", "/employees/E110", json!({ "email": "nowhere" }), StatusCode::UNPROCESSABLE_ENTITY),
        ("PATCH", "/employees/E110", json!({ "salary": 1 }), StatusCode::BAD_REQUEST),
        ("DELETE", "/employees/E103", json!({}), StatusCode::CONFLICT),
        ("DELETE", "/employees/E110", json!({}), StatusCode::NO_CONTENT),
        ("DELETE", "/employees/E110", json!({}), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(fixture.send(write, method, uri, Some(body)).await.0, status, "{method} {uri}");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_and_a_leaked_credential_is_noticed() {
    let fixture = Fixture::start().await;
    fixture.seen.watch(Secret::new("inbound-token".into()));
    let request =
        Request::get("/employees").header("x-old", "Bearer inbound-token").body(Body::empty()).unwrap();
    let reply = fixture.router.clone().oneshot(request).await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(reply.headers()["www-authenticate"], "Bearer");
    assert_eq!((fixture.seen.leaks(), fixture.seen.latest("GET /employees")), (1, None));
    fixture.send("", "GET", "/employees", None).await;
    assert_eq!(fixture.seen.leaks(), 1);
}
