//! The one `issue()`: what must stand before anything is signed, whatever the grant.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Map, Value, json};

use gatehouse_audit::event::EventKind;
use gatehouse_edge::issuer::{Issuance, IssueError, TokenSubject};
use gatehouse_edge::server::routes::{Outcome, Route};
use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock as _;
use gatehouse_identity::id::{ClientId, ConnectorName, SubjectId};
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::grant::AuthenticatedUser;

use crate::house::{House, Public, Site, plain, text};
use crate::peer::get;

/// What the user of a test is like.
#[derive(Clone, Copy)]
struct Person {
    subject: &'static str,
    connector: &'static str,
    upstream: &'static str,
    scopes: &'static str,
}

const ADA: Person = Person { subject: "ada", connector: "staff", upstream: "ada", scopes: "openid email" };

/// `/issue` issues tokens of `cli` for `person`: the OAuth error code, or the tokens.
fn issuing(site: &Site, person: Option<Person>) -> Vec<Route> {
    let issuer = Arc::new(site.token_issuer());
    let route = Route::public("issue", Method::GET, "/issue", plain, move |_body, context: Public| {
        let issuer = Arc::clone(&issuer);
        async move {
            let server = context.snapshot.authorization_server.as_ref().unwrap();
            let client = Arc::clone(&server.clients[&ClientId::new("cli")]);
            let user = person.map(|person| user(person, &context));
            let scopes = ScopeSet::parse(person.map_or("", |person| person.scopes)).unwrap();
            let audiences = [Audience::new("https://api.example/")];
            let issuance = Issuance {
                client: &client,
                assurance: Assurance::SelfAsserted,
                grant_type: GrantType::AuthorizationCode,
                subject: user.as_ref().map_or(TokenSubject::Client, TokenSubject::User),
                scopes: &scopes,
                audiences: &audiences,
                resources: &[],
                lifetime: Duration::from_secs(60),
                grant: None,
                generation: Some(1),
                refresh_shared_with: None,
                nonce: Some("n-1"),
            };
            answer(issuer.issue(&issuance, &context).await)
        }
    });
    vec![route.with_audit(EventKind::TokenIssue)]
}

fn user(person: Person, context: &Public) -> AuthenticatedUser {
    AuthenticatedUser {
        subject: SubjectId::new(person.subject),
        connector: ConnectorName::new(person.connector),
        upstream_issuer: None,
        upstream_subject: person.upstream.to_owned(),
        attributes: Map::from_iter([("email".to_owned(), json!("ada@example.com"))]),
        groups_complete: Some(true),
        groups: Vec::new(),
        auth_time: context.now,
        amr: vec!["pwd".to_owned()],
        session: None,
    }
}

fn answer(issued: Result<gatehouse_edge::issuer::Issued, IssueError>) -> Outcome {
    match issued {
        Ok(issued) => text(json!({"access": issued.access_token, "id": issued.id_token}).to_string()),
        Err(IssueError::Refused(error, rejection)) => {
            text(format!("{} {}", error.code().as_str(), rejection.reason))
        }
        Err(IssueError::Failed(rejection)) => Err(*rejection),
    }
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_user_gets_both_tokens_and_the_record_names_them() {
    let house = House::open(|site| issuing(site, Some(ADA))).await;
    let answer = get(house.address(), "/issue", &[]).await;
    let tokens: Value = serde_json::from_str(&answer.text).unwrap();
    let (access, id) = (claims(&tokens["access"]), claims(&tokens["id"]));
    let now = house.site.clock.now().unix_seconds();
    assert_eq!((&access["sub"], &access["aud"]), (&json!("ada"), &json!("https://api.example/")));
    assert_eq!((&access["client_id"], &access["exp"]), (&json!("cli"), &json!(now + 60)));
    assert_eq!((&id["aud"], &id["nonce"]), (&json!("cli"), &json!("n-1")));
    let record = house.records.only().await;
    assert_eq!(record["exchange"]["jti"], access["jti"]);
    assert_eq!(record["policy"]["verdict"], "allow");
    assert!(!record.to_string().contains(tokens["access"].as_str().unwrap()));
}

#[tokio::test]
async fn no_id_token_without_openid_or_without_a_user() {
    for person in [Some(Person { scopes: "email", ..ADA }), None] {
        let house = House::open(|site| issuing(site, person)).await;
        let answer = get(house.address(), "/issue", &[]).await;
        let tokens: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(tokens["id"], Value::Null, "{answer:?}");
    }
}

#[tokio::test]
async fn the_policy_has_the_last_word_on_the_finished_claims() {
    let house = House::open(|site| issuing(site, Some(ADA))).await;
    let answer = get(house.address(), "/issue", &[("x-denied", "yes")]).await;
    assert_eq!(answer.text, "access_denied policy_denied");
    let record = house.records.only().await;
    assert_eq!(record["policy"]["internal_message"], "source");
    assert_eq!(record["exchange"], Value::Null, "nothing was issued");
}

#[tokio::test]
async fn a_user_whose_way_in_is_closed_gets_nothing_more() {
    for (person, expected) in [
        (Person { upstream: "removed", ..ADA }, "invalid_grant user_not_active"),
        (Person { connector: "gone", ..ADA }, "invalid_grant user_not_active"),
        (Person { subject: "gateway", upstream: "gateway", ..ADA }, "access_denied subject_unusable"),
    ] {
        let house = House::open(|site| issuing(site, Some(person))).await;
        assert_eq!(get(house.address(), "/issue", &[]).await.text, expected, "{}", person.subject);
        assert_eq!(house.records.only().await["exchange"], Value::Null);
    }
}
