use super::{RequestHeader, ResponseHeader, Strip, request, response};

#[test]
fn what_claude_code_sends_passes_except_its_credential() {
    for name in [
        "accept",
        "user-agent",
        "x-claude-code-session-id",
        "x-claude-1p-request-class",
        "x-stainless-retry-count",
        "anthropic-beta",
        "anthropic-dangerous-direct-browser-access",
        "anthropic-version",
        "x-app",
    ] {
        assert_eq!(request(name), RequestHeader::Forward, "{name}");
    }
    for (name, why) in [
        ("authorization", Strip::Credential),
        ("x-api-key", Strip::Credential),
        ("cookie", Strip::Credential),
        ("proxy-authorization", Strip::Credential),
        ("accept-encoding", Strip::Encoding),
        ("content-type", Strip::MediaType),
        ("content-length", Strip::Connection),
        ("host", Strip::Connection),
        ("transfer-encoding", Strip::Connection),
        ("x-forwarded-for", Strip::ClientAddress),
        ("forwarded", Strip::ClientAddress),
        ("anthropic-workspace-id", Strip::Account),
        ("x-org", Strip::Unlisted),
        ("x-auth-token", Strip::Unlisted),
    ] {
        assert_eq!(request(name), RequestHeader::Strip(why), "{name}");
    }
}

#[test]
fn of_a_reply_only_what_the_client_acts_on_passes() {
    for name in ["content-type", "retry-after", "x-should-retry", "anthropic-ratelimit-requests-remaining"] {
        assert_eq!(response(name), ResponseHeader::Forward, "{name}");
    }
    assert_eq!(response("request-id"), ResponseHeader::Rename("x-upstream-request-id"));
    for (name, why) in [
        ("set-cookie", Strip::Credential),
        ("www-authenticate", Strip::Credential),
        ("anthropic-organization-id", Strip::Account),
        ("content-length", Strip::Connection),
        ("transfer-encoding", Strip::Connection),
        ("strict-transport-security", Strip::Unlisted),
        ("alt-svc", Strip::Unlisted),
        ("access-control-allow-origin", Strip::Unlisted),
        ("location", Strip::Unlisted),
    ] {
        assert_eq!(response(name), ResponseHeader::Strip(why), "{name}");
    }
}
