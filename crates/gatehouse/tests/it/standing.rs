//! What the binary does with tokens of somebody who is not configured any more, after the restart that says so.

use gatehouse_testkit::browser::sign_in;
use gatehouse_testkit::fixture::World;
use gatehouse_testkit::mcp::Client;
use gatehouse_testkit::process::{Gateway, wait_for};
use gatehouse_testkit::raw_http::Request;
use serde_json::json;

use crate::binary;

/// A tool call with the token, and whether userinfo still knows it.
fn uses(gateway: &Gateway, access_token: &str) -> [u16; 2] {
    let with_token = |request: Request| request.bearer(access_token);
    let client = Client::modern(gateway, "/mcp", &with_token);
    let called = client.send("tools/call", json!({ "name": "ledger_whoami", "arguments": {} })).status;
    [called, gateway.send(&Request::get("/oauth2/userinfo").bearer(access_token)).status]
}

#[test]
fn a_token_ends_with_the_user_the_client_or_the_connector_behind_it() {
    let world = World::new(&binary(), "");
    let gateway = world.serve();
    let token = sign_in(&gateway, &world.public_application(), &world.ada(), &|request| request).access_token;
    assert_eq!(uses(&gateway, &token), [200, 200]);
    let seen = world.peers.ledger.requests().len();
    let mut folder = gateway.stop().folder;
    let configuration = std::fs::read_to_string(folder.path().join("gatehouse.yaml")).unwrap();
    for (there, taken, reason) in [
        ("username: ada", "username: adam", "token_user_removed"),
        ("clientID: claude-public", "clientID: claude-other", "token_client_removed"),
        ("staff", "people", "token_connector_removed"),
    ] {
        let changed = configuration.replace(there, taken);
        assert_ne!(changed, configuration);
        std::fs::write(folder.path().join("gatehouse.yaml"), changed).unwrap();
        let gateway = Gateway::serve_in(&binary(), folder, "gatehouse.yaml");
        assert_eq!(uses(&gateway, &token), [401, 401], "{reason}");
        let told = wait_for(|| gateway.audit().into_iter().find(|record| record["reason"] == reason));
        assert!(told.is_some(), "{reason}");
        assert!(gateway.audit().iter().all(|record| record["rev"] != json!(null)));
        folder = gateway.stop().folder;
    }
    assert_eq!(world.peers.ledger.requests().len(), seen, "nothing went upstream in their name");
    std::fs::write(folder.path().join("gatehouse.yaml"), &configuration).unwrap();
    let gateway = Gateway::serve_in(&binary(), folder, "gatehouse.yaml");
    assert_eq!(uses(&gateway, &token), [200, 200], "whoever is put back is somebody again");
}
