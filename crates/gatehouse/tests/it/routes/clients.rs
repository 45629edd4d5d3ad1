use gatehouse_testkit::browser::basic;
use gatehouse_testkit::fixture::World;
use gatehouse_testkit::raw_http::Request;

use super::{audited, catalogue};

/// Fields that would do, and everything that is no client beside them.
fn cases(world: &World) -> Vec<(String, Request, &'static [u16])> {
    let secret = world.secrets.client_secret.as_str();
    let id = "claude-confidential";
    let asked = [("grant_type", "client_credentials"), ("token", "x")];
    let with = |more: &[(&'static str, &str)]| {
        let fields: Vec<(&str, &str)> = asked.iter().copied().chain(more.iter().copied()).collect();
        Request::form("/", &fields)
    };
    let authorized = |value: &str| with(&[]).header("authorization", value);
    let mut cases: Vec<(String, Request, &'static [u16])> = Vec::new();
    let mut add = |name: &str, request: Request, statuses| cases.push((name.to_owned(), request, statuses));
    add("no client", with(&[]), &[400, 401]);
    add("a confidential client without secret", with(&[("client_id", id)]), &[401]);
    add("an empty secret", with(&[("client_id", id), ("client_secret", "")]), &[401]);
    add("a wrong secret", with(&[("client_id", id), ("client_secret", "wrong")]), &[401]);
    add("half a secret", with(&[("client_id", id), ("client_secret", &secret[..20])]), &[401]);
    add("an unknown client", with(&[("client_id", "nobody"), ("client_secret", secret)]), &[401]);
    add("another client's secret", with(&[("client_id", "mcp-gateway"), ("client_secret", secret)]), &[401]);
    add("a client id of a URL", with(&[("client_id", "https://evil.example.com/client")]), &[401]);
    for value in ["", "Basic", "Basic ", "Basic !!!", "Basic bm9jb2xvbg", "Bearer x", "Digest x"] {
        add(&format!("Authorization `{value}`"), authorized(value), &[400, 401]);
    }
    add("a wrong secret in the header", authorized(&basic(id, "wrong")), &[401]);
    add("an empty secret in the header", authorized(&basic(id, "")), &[401]);
    add("an empty client in the header", authorized(&basic("", secret)), &[401]);
    let right = basic(id, secret);
    add(
        "header and body",
        with(&[("client_id", id), ("client_secret", secret)]).header("authorization", &right),
        &[400, 401],
    );
    add(
        "header of one, body of another",
        with(&[("client_id", "claude-public")]).header("authorization", &right),
        &[400, 401],
    );
    add("the header twice", authorized(&right).header("authorization", &right), &[400, 401]);
    add(
        "the secret twice",
        with(&[("client_id", id), ("client_secret", secret), ("client_secret", secret)]),
        &[400],
    );
    add("the client twice", with(&[("client_id", id), ("client_id", id), ("client_secret", secret)]), &[400]);
    add(
        "an unsigned assertion",
        with(&[
            ("client_id", id),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", "e30.e30."),
        ]),
        &[400, 401],
    );
    cases
}

#[test]
fn no_endpoint_for_programs_takes_anybody_for_a_client() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let entries = catalogue(&world);
    let programs = ["oauth.token", "oauth.introspect", "oauth.revoke"];
    let programs: Vec<_> = entries.iter().filter(|entry| programs.contains(&entry.name)).collect();
    assert_eq!(programs.len(), 3);
    let mut refused = Vec::new();
    for entry in programs {
        let in_url = format!(
            "{}?client_id=claude-confidential&client_secret={}",
            entry.path, world.secrets.client_secret
        );
        let in_url = Request::form(&in_url, &[("grant_type", "client_credentials"), ("token", "x")]);
        let in_url = ("a secret in the URL".to_owned(), in_url, [400, 401].as_slice());
        let here = cases(&world)
            .into_iter()
            .map(|(name, request, statuses)| (name, request.target(&entry.path), statuses));
        for (name, request, statuses) in here.chain([in_url]) {
            let response = gateway.send(&request);
            let what = format!("{} with {name}", entry.path);
            let body = response.json();
            assert!(statuses.contains(&response.status), "{what}: {} {}", response.status, response.text());
            let error = body["error"].as_str().unwrap_or_default();
            let expected = if response.status == 401 {
                ["invalid_client"; 2]
            } else {
                ["invalid_request", "invalid_client"]
            };
            assert!(expected.contains(&error), "{what}: {error}");
            assert_eq!(response.status == 401, !response.header("www-authenticate").is_empty(), "{what}");
            assert!(response.header("cache-control").contains("no-store"), "{what}");
            refused.push((what, response.header("request-id").to_owned()));
        }
    }
    let records = audited(&gateway, refused.iter().map(|(_, id)| id.as_str()));
    for (what, id) in &refused {
        let record = &records[id];
        assert_eq!(record["outcome"], "deny", "{what}: {record}");
        assert!(record["reason"].is_string(), "{what}: {record}");
    }
    assert!(!gateway.audit_text().contains(&world.secrets.client_secret));
    assert!(!gateway.log().contains(&world.secrets.client_secret));
}
