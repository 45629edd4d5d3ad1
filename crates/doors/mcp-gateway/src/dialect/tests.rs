use http::header::WWW_AUTHENTICATE;

use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::routes::Refused;
use gatehouse_identity::scope::ScopeSet;

use super::render;

const METADATA: &str = "https://gw.example/.well-known/oauth-protected-resource/mcp";

fn challenge(rejection: &Rejection, credential_sent: bool) -> (u16, Option<String>) {
    let refused = Refused {
        request_id: "req_1",
        path: "/mcp",
        resource_metadata: Some(METADATA),
        scopes: Some("tools:read offline_access"),
        credential_sent,
    };
    let response = render(rejection, &refused);
    let header = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), header)
}

#[test]
fn a_challenge_says_what_is_missing_and_where_to_get_it() {
    let missing = Rejection::unauthenticated("credential_missing", "nothing");
    let bare = format!("Bearer scope=\"tools:read\", resource_metadata=\"{METADATA}\"");
    assert_eq!(challenge(&missing, false), (401, Some(bare)));
    let (status, header) = challenge(&missing, true);
    assert_eq!(status, 401);
    assert!(header.unwrap().starts_with("Bearer error=\"invalid_token\", "));

    let scopes = ScopeSet::parse("crm:write tools:read").unwrap();
    let lacking =
        Rejection::new(RejectionKind::InsufficientScope(scopes), "scope", "More \"scope\"\r\nis needed.");
    let (status, header) = challenge(&lacking, true);
    let header = header.unwrap();
    assert_eq!(status, 403);
    assert!(header.starts_with("Bearer error=\"insufficient_scope\", "), "{header}");
    assert!(header.contains("scope=\"crm:write tools:read\"") && header.contains(METADATA), "{header}");
    assert!(header.contains("error_description=\"More 'scope'??is needed.\""), "{header}");
}

#[test]
fn what_no_token_would_change_is_no_challenge() {
    for kind in
        [RejectionKind::Forbidden, RejectionKind::NotFound, RejectionKind::Internal, RejectionKind::TooLarge]
    {
        let status = kind.status().as_u16();
        assert_eq!(challenge(&Rejection::new(kind, "reason", "No."), true), (status, None));
    }
}
