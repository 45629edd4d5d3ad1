use super::*;

const URL: &str = "https://gw.example/.well-known/oauth-protected-resource/mcp";

#[test]
fn the_document_names_the_exact_resource() {
    let metadata = ResourceMetadata {
        resource: "https://gw.example/mcp".to_owned(),
        authorization_servers: vec!["https://gw.example".to_owned()],
        scopes: vec!["tools:read".to_owned(), "offline_access".to_owned()],
        name: None,
    };
    insta::assert_snapshot!(metadata.document(), @r#"{"authorization_servers":["https://gw.example"],"bearer_methods_supported":["header"],"resource":"https://gw.example/mcp","scopes_supported":["tools:read"]}"#);
    let [inserted, root] = ResourceMetadata::paths("/mcp/ledger");
    assert_eq!(inserted, "/.well-known/oauth-protected-resource/mcp/ledger");
    assert_eq!(root, "/.well-known/oauth-protected-resource");
}

#[test]
fn challenges_point_to_it() {
    let scopes = ["crm:write".to_owned(), "offline_access".to_owned(), "tools:read".to_owned()];
    insta::assert_snapshot!(challenge(&ChallengeReason::Missing, URL, &scopes), @r#"Bearer scope="crm:write tools:read", resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp""#);
    insta::assert_snapshot!(challenge(&ChallengeReason::Missing, URL, &[]), @r#"Bearer resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp""#);
    insta::assert_snapshot!(challenge(&ChallengeReason::InsufficientScope("needs pii:read".to_owned()), URL, &scopes), @r#"Bearer error="insufficient_scope", error_description="needs pii:read", scope="crm:write tools:read", resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp""#);
    assert_eq!(challenge_status(&ChallengeReason::InsufficientScope(String::new())), 403);
    assert_eq!(challenge_status(&ChallengeReason::Invalid(String::new())), 401);
}

#[test]
fn nothing_breaks_out_of_the_quotes() {
    let reason = ChallengeReason::Invalid("a\", scope=\"x\\\r\nSet-Cookie: é".to_owned());
    insta::assert_snapshot!(challenge(&reason, URL, &[]), @r#"Bearer error="invalid_token", error_description="a', scope='x'??Set-Cookie: ?", resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp""#);
}
