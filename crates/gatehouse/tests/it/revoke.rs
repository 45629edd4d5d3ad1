//! `gatehouse revoke`: a person is ended while the gateway that serves them runs on.

use std::time::{Duration, Instant};

use gatehouse_testkit::browser::{SignIn, sign_in, token};
use gatehouse_testkit::fixture::World;
use gatehouse_testkit::mcp::Client;
use gatehouse_testkit::process::{Gateway, run, wait_for};
use gatehouse_testkit::raw_http::Request;
use serde_json::json;

use crate::binary;

/// What the tokens of a sign-in are good for: a tool call, userinfo, a refresh.
fn uses(gateway: &Gateway, world: &World, signed_in: &SignIn) -> [u16; 3] {
    let with_token = |request: Request| request.bearer(&signed_in.access_token);
    let client = Client::modern(gateway, "/mcp", &with_token);
    let called = client.send("tools/call", json!({ "name": "ledger_whoami", "arguments": {} })).status;
    let userinfo = gateway.send(&Request::get("/oauth2/userinfo").bearer(&signed_in.access_token)).status;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", signed_in.refresh_token.as_str())];
    let refreshed = token(gateway, &world.public_application(), &fields, &|request| request).status;
    [called, userinfo, refreshed]
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is promised")]
fn all_that_a_person_has_ends_within_a_second() {
    let world = World::new(&binary(), "");
    let gateway = world.serve();
    let public = || sign_in(&gateway, &world.public_application(), &world.ada(), &|request| request);
    let (first, second) = (public(), public());
    assert_eq!(uses(&gateway, &world, &first), [200, 200, 200]);
    let revoke = |user: &str| run(&binary(), gateway.folder(), &["revoke", "--user", user], "");
    let nobody = revoke("https://idp.example.com|nobody");
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.err.contains("the name is `actor.user` of the audit records"), "{nobody:?}");
    assert_eq!(uses(&gateway, &world, &second), [200, 200, 200], "that was somebody else");

    let done = revoke("ada");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.starts_with("ada: ended 2 sessions and 2 grants"), "{done:?}");
    let began = Instant::now();
    let refused = wait_for(|| (uses(&gateway, &world, &first)[..2] == [401, 401]).then_some(()));
    assert!(refused.is_some() && began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    for signed_in in [&first, &second] {
        assert_eq!(uses(&gateway, &world, signed_in), [401, 401, 400]);
    }
    let record = wait_for(|| gateway.audit().into_iter().find(|record| record["reason"] == "user_ended"));
    let record = record.unwrap();
    assert_eq!((&record["event"], &record["actor"]["user"]), (&json!("token.revoke"), &json!("ada")));
    assert!(gateway.log().contains("an operator ended the sign-ins of a user"), "{}", gateway.log());
    // Whoever may still sign in can come back, and with what they get then.
    assert_eq!(uses(&gateway, &world, &public()), [200, 200, 200]);
}

/// Without a gateway the record is the command's own, and the gateway that starts then takes nothing of the person's.
#[test]
fn a_person_can_be_ended_while_nothing_runs() {
    let world = World::new(&binary(), "");
    let gateway = world.serve();
    let signed_in = sign_in(&gateway, &world.public_application(), &world.ada(), &|request| request);
    let folder = gateway.stop().folder;
    let done = run(&binary(), folder.path(), &["revoke", "--user", "ada"], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    let gateway = Gateway::serve_in(&binary(), folder, "gatehouse.yaml");
    assert_eq!(uses(&gateway, &world, &signed_in), [401, 401, 400]);
    let told = gateway.audit().into_iter().filter(|record| record["reason"] == "user_ended").count();
    assert_eq!(told, 1);
    // What ends twice was ended.
    let stopped = gateway.stop();
    let again = run(&binary(), stopped.folder.path(), &["revoke", "--user", "ada"], "");
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn only_an_authorization_server_has_sign_ins_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "http: { address: \"127.0.0.1:9420\" }\nstore: { type: sqlite, sqlite: { path: gatehouse.db } }\n";
    std::fs::write(folder.path().join("gatehouse.yaml"), text).unwrap();
    let ran = run(&binary(), folder.path(), &["revoke", "--user", "ada"], "");
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(!folder.path().join("gatehouse.db").exists());
}
