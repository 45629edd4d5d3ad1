use std::collections::BTreeMap;

use gatehouse_testkit::browser::{SignIn, sign_in};
use gatehouse_testkit::fixture::{ISSUER, World};
use gatehouse_testkit::process::Gateway;
use gatehouse_testkit::raw_http::{Request, Response};
use serde_json::json;

use super::credentials::{Case, Door, bad};
use super::{Entry, assert_untouched, audited, catalogue, in_dialect, send};

/// A refusal that is to be found in the audit log.
struct Refusal {
    what: String,
    id: String,
    status: u16,
    secrets: Vec<String>,
    /// Whether a header that is read once was sent twice.
    repeated: bool,
    /// Whose doing it is; nobody's who has proven nothing.
    whose: Option<&'static str>,
}

impl Refusal {
    fn of(what: String, id: String, case: &Case) -> Self {
        let (repeated, whose) = (case.repeats_a_header(), case.whose);
        Self { what, id, status: case.status, secrets: case.secrets().collect(), repeated, whose }
    }
}

#[test]
fn nothing_but_a_good_credential_opens_a_protected_route() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let guest = sign_in(&gateway, &world.public_application(), &world.ada(), &|request| request);
    let entries = catalogue(&world);
    let protected: Vec<&Entry> = entries.iter().filter(|entry| entry.protected).collect();
    assert!(protected.len() >= 19, "only {} protected routes", protected.len());
    let mut refusals = Vec::new();
    for entry in protected {
        let door = door_of(entry);
        let mut bodies: BTreeMap<u16, String> = BTreeMap::new();
        for case in bad(&world, &guest, door) {
            let response = send(&gateway, entry.side, &case.apply(entry.request(), &entry.path));
            let what = format!("{} {} with {}", entry.method, entry.path, case.name);
            assert_refused(&what, entry, &case, &response);
            let id = response.header("request-id").to_owned();
            // Nobody learns from an answer which check it was that failed.
            let body = response.text().replace(&id, "ID");
            let known = bodies.entry(case.status).or_insert_with(|| body.clone());
            assert!(case.status != 401 || *known == body, "{what}: {body} instead of {known}");
            refusals.push(Refusal::of(what, id, &case));
        }
    }
    assert!(refusals.len() > 1_000, "only {} refusals", refusals.len());
    assert_untouched(&world);
    assert_recorded(&gateway, &refusals);
    // The same routes open for the right ones, so that it was the credential that kept the others out.
    for entry in entries.iter().filter(|entry| entry.protected) {
        for token in good(&world, &guest, door_of(entry)) {
            let response = send(&gateway, entry.side, &entry.request().bearer(&token));
            assert_ne!(response.status, 401, "{} {}", entry.method, entry.path);
        }
    }
    let call = json!({ "model": "claude-opus-4-7", "max_tokens": 9, "messages": [{ "role": "user", "content": "?" }] });
    let response =
        gateway.send(&Request::json("/v1/messages", &call).header("x-api-key", &world.secrets.api_key));
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(world.peers.provider.requests().len(), 1, "a fake upstream counts what reaches it");
}

#[test]
fn userinfo_is_for_tokens_of_people() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let guest = sign_in(&gateway, &world.public_application(), &world.ada(), &|request| request);
    let entries = catalogue(&world);
    let userinfo: Vec<&Entry> = entries.iter().filter(|entry| entry.name == "oauth.userinfo").collect();
    assert_eq!(userinfo.len(), 2);
    let mut refusals = Vec::new();
    for entry in &userinfo {
        for case in bad(&world, &guest, Door::Userinfo) {
            let response = gateway.send(&case.apply(entry.request(), &entry.path));
            let what = format!("{} {} with {}", entry.method, entry.path, case.name);
            assert_eq!(response.status, case.status, "{what}: {}", response.text());
            let challenge = response.header("www-authenticate");
            if case.status == 401 {
                assert!(challenge.starts_with("Bearer"), "{what}: {challenge}");
            }
            let id = response.header("request-id").to_owned();
            refusals.push(Refusal::of(what, id, &case));
        }
    }
    assert_recorded(&gateway, &refusals);
    for entry in userinfo {
        let response = gateway.send(&entry.request().bearer(&guest.access_token));
        assert_eq!(
            (response.status, &response.json()["name"]),
            (200, &json!("Ada Byron")),
            "{}",
            response.text()
        );
    }
}

pub(super) fn door_of(entry: &Entry) -> Door {
    if entry.path.starts_with("/mcp") {
        Door::Mcp
    } else if entry.path.starts_with("/v1") {
        Door::Llm
    } else {
        panic!("{} {} is behind a door that this test does not know", entry.method, entry.path)
    }
}

fn good(world: &World, guest: &SignIn, door: Door) -> Vec<String> {
    match door {
        Door::Mcp | Door::Userinfo => vec![guest.access_token.clone()],
        Door::Llm => vec![
            guest.access_token.clone(),
            world.secrets.api_key.clone(),
            world.partner.token(gatehouse_testkit::fixture::LLM_AUDIENCE, "eve"),
        ],
    }
}

pub(super) fn assert_refused(what: &str, entry: &Entry, case: &Case, response: &Response) {
    assert_eq!(response.status, case.status, "{what}: {}", response.text());
    assert!(!response.header("request-id").is_empty(), "{what}: no request id");
    assert!(in_dialect(entry.side, &entry.path, response), "{what}: {}", response.text());
    let challenge = response.header("www-authenticate");
    if case.status != 401 {
        assert_eq!(challenge, "", "{what}");
        return;
    }
    match door_of(entry) {
        Door::Mcp => {
            let metadata = format!("{ISSUER}/.well-known/oauth-protected-resource{}", entry.path);
            assert!(challenge.starts_with("Bearer "), "{what}: {challenge}");
            assert!(challenge.contains(&format!("resource_metadata=\"{metadata}\"")), "{what}: {challenge}");
            assert_eq!(challenge.contains("error=\"invalid_token\""), case.sent, "{what}: {challenge}");
        }
        Door::Llm => {
            assert_eq!(challenge, "Bearer", "{what}");
            assert_eq!(response.json()["error"]["type"], "authentication_error", "{what}");
            assert_eq!(response.json()["request_id"], response.header("request-id"), "{what}");
        }
        Door::Userinfo => {}
    }
}

/// Asserts that each refusal left one record with a reason, and none of them a secret.
fn assert_recorded(gateway: &Gateway, refusals: &[Refusal]) {
    let records = audited(gateway, refusals.iter().map(|refusal| refusal.id.as_str()));
    for Refusal { what, id, status, repeated, whose, .. } in refusals {
        let record = &records[id];
        // A head that says twice what is read once is refused before anybody looks at credentials.
        let event = if *repeated { "request.refused" } else { "credential.refused" };
        assert_eq!(record["event"], event, "{what}: {record}");
        assert_eq!(record["outcome"], "deny", "{what}: {record}");
        assert!(record["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{what}: {record}");
        assert_eq!(record["result"]["status"], *status, "{what}: {record}");
        assert_eq!(record["actor"]["sub"].as_str(), *whose, "{what}: {record}");
        assert_eq!(record["actor"].is_null(), whose.is_none(), "{what}: {record}");
    }
    let (audit, log) = (gateway.audit_text(), gateway.log());
    for Refusal { what, secrets, .. } in refusals {
        for secret in secrets {
            assert!(!audit.contains(secret), "{what}: the audit log holds what was sent");
            assert!(!log.contains(secret), "{what}: the log holds what was sent");
        }
    }
}
