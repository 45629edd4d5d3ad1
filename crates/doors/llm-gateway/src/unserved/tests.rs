use super::sentence;

#[test]
fn what_clients_are_known_to_ask_for_has_a_sentence() {
    for (path, part) in [
        ("/v1/files", "base64"),
        ("/v1/files/file_1/content", "base64"),
        ("/llm/v1/files", "base64"),
        ("/v1/messages/batches/b_1/results", "one by one"),
        ("/v1/complete", "/v1/messages"),
        ("/managed/settings", "device management"),
        ("/user/bootstrap", "device management"),
        ("/bootstrap", "device management"),
        ("/oauth/device_authorization", "inferenceGatewayOidc"),
        ("/api/oauth/usage", "none to show"),
        ("/v1/metrics", "collector"),
    ] {
        assert!(sentence(path).is_some_and(|sentence| sentence.contains(part)), "{path}");
    }
    for path in [
        "/v1/filesystem",
        "/v1",
        "/v1/messages/",
        "/v1/models/files",
        "/",
        "/protocols",
        "/oauth2/token",
        "/oauth/token",
    ] {
        assert_eq!(sentence(path), None, "{path}");
    }
}
