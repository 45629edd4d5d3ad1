use gatehouse_testkit::fixture::{ISSUER, RESOURCE, World};
use gatehouse_testkit::raw_http::{Request, Response};

use super::{Entry, assert_untouched, catalogue, in_dialect, send};

#[test]
fn public_routes_do_what_they_document_whatever_is_sent_along() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let token = world.own.token(RESOURCE, "ada");
    let mut public = 0;
    for entry in catalogue(&world).iter().filter(|entry| !entry.protected) {
        public += 1;
        let plain = send(&gateway, entry.side, &entry.request());
        assert_documented(entry, &plain);
        if matches!(entry.name, "oauth.userinfo" | "oauth.token" | "oauth.introspect" | "oauth.revoke") {
            continue; // They read credentials; see the tests of their own.
        }
        let garbage =
            [("authorization", "Bearer x"), ("authorization", ""), ("x-api-key", "x"), ("cookie", "a=b")];
        let mut requests: Vec<Request> =
            garbage.iter().map(|(name, value)| entry.request().header(name, value)).collect();
        requests.push(entry.request().bearer(&token));
        for request in requests {
            let response = send(&gateway, entry.side, &request);
            assert_eq!(response.status, plain.status, "{} {}", entry.method, entry.path);
            assert_documented(entry, &response);
        }
        if entry.method == "GET" {
            let head = send(&gateway, entry.side, &Request::new("HEAD", &entry.path));
            assert_eq!((head.status, head.body.len()), (plain.status, 0), "HEAD {}", entry.path);
        }
    }
    assert!(public > 20, "only {public} public routes");
    assert_untouched(&world);
}

/// What each public route answers to a request without parameters. A new one has to be written down here.
fn assert_documented(entry: &Entry, response: &Response) {
    let (body, what) = (response.json(), format!("{} {}: {}", entry.method, entry.path, response.text()));
    assert!(!response.header("request-id").is_empty(), "{what}");
    match entry.name {
        "oauth.metadata" => {
            assert_eq!((response.status, &body["issuer"]), (200, &ISSUER.into()), "{what}");
            assert_eq!(body["code_challenge_methods_supported"], serde_json::json!(["S256"]), "{what}");
        }
        "oauth.keys" | "oauth.jwks" => {
            let keys = body["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert!(response.status == 200 && keys.len() == 2, "{what}");
            assert!(keys.iter().all(|key| key["d"].is_null() && key["p"].is_null()), "a private key: {what}");
        }
        "mcp.resource_metadata" => {
            assert_eq!(response.status, 200, "{what}");
            let resource = body["resource"].as_str().unwrap_or_default();
            let below = entry.path.strip_prefix("/.well-known/oauth-protected-resource").unwrap_or_default();
            let expected = if below.is_empty() { RESOURCE.to_owned() } else { format!("{ISSUER}{below}") };
            assert_eq!(resource, expected, "{what}");
            assert_eq!(body["authorization_servers"], serde_json::json!([ISSUER]), "{what}");
        }
        "hello" => assert_eq!((response.status, &body["message"]), (200, &"hello".into()), "{what}"),
        "healthz" | "readyz" => assert_eq!(response.status, 200, "{what}"),
        "status" => assert_eq!((response.status, &body["status"]), (200, &"ok".into()), "{what}"),
        // What people see who land on an address that is meant for nobody, or for programs.
        "landing" => {
            assert_eq!(response.status, 200, "{what}");
            assert!(response.text().contains("This is a Gatehouse"), "{what}");
            assert!(response.header("content-security-policy").contains("default-src 'none'"), "{what}");
        }
        "signout.page" => {
            assert_eq!(response.status, 200, "{what}");
            assert!(response.text().contains("Nobody is signed in"), "{what}");
            assert!(response.header("content-security-policy").contains("default-src 'none'"), "{what}");
        }
        "landing.authorize" => {
            assert_eq!(response.status, 404, "{what}");
            assert!(response.text().contains("applications send people to /oauth2/auth"), "{what}");
            assert!(response.header("content-security-policy").contains("default-src 'none'"), "{what}");
        }
        // A page, never a redirect: nothing is known of whoever asks.
        "oauth.authorize" | "signin.page" | "signin.password" | "consent.page" | "consent.decision"
        | "signin.callback" | "signout" => {
            assert!((400..404).contains(&response.status), "{what}");
            assert_eq!(response.header("location"), "", "{what}");
            assert!(
                in_dialect(entry.side, &entry.path, response)
                    || response.header("content-type").starts_with("text/html"),
                "{what}"
            );
            let policy = response.header("content-security-policy");
            assert!(
                policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
                "{what}: {policy}"
            );
            assert!(!response.header("x-frame-options").is_empty(), "{what}");
        }
        "oauth.token" | "oauth.introspect" | "oauth.revoke" => {
            assert!(matches!(response.status, 400 | 401) && body["error"].is_string(), "{what}");
        }
        "oauth.userinfo" => {
            assert_eq!((response.status, response.header("www-authenticate")), (401, "Bearer"), "{what}");
        }
        name => panic!("nobody has written down what the public route `{name}` does: {what}"),
    }
}
