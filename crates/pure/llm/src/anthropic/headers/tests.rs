use super::{RequestHeader, ResponseHeader, Strip, request, response};

#[test]
fn what_claude_code_sends_passes_except_its_credential() {
    for name in [
        "accept",
        "user-agent",
        "x-claude-code-session-id",
        "x-claude-1p-request-class",
        "x-claude-code-agent-id",
        "x-claude-code-parent-agent-id",
        "x-claude-code-prompt-id",
        "x-claude-code-request-class",
        "x-claude-code-managed-settings-checksum",
        "x-stainless-arch",
        "x-stainless-helper-method",
        "x-stainless-lang",
        "x-stainless-os",
        "x-stainless-package-version",
        "x-stainless-retry-count",
        "x-stainless-runtime",
        "x-stainless-runtime-version",
        "x-stainless-stream-helper",
        "x-stainless-timeout",
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

/// A name that begins like one that passes is another name.
#[test]
fn no_family_passes_as_a_whole() {
    for name in [
        "anthropic-api-key",
        "anthropic-admin-key",
        "anthropic-auth-token",
        "anthropic-version-override",
        "anthropic-beta-key",
        "x-claude-token",
        "x-claude-code-session-id-token",
        "x-claude-code-oauth-token",
        "x-stainless-api-key",
        "x-stainless-override-url",
        "x-app-token",
        "x-anthropic-api-key",
    ] {
        assert_eq!(request(name), RequestHeader::Strip(Strip::Unlisted), "{name}");
        assert_eq!(response(name), ResponseHeader::Strip(Strip::Unlisted), "{name}");
    }
    for name in [
        "anthropic-ratelimit-api-key",
        "anthropic-ratelimit-unified-token",
        "anthropic-ratelimit-requests-limit-account",
        "anthropic-billing-account",
        "anthropic-",
    ] {
        assert_eq!(response(name), ResponseHeader::Strip(Strip::Unlisted), "{name}");
    }
}

#[test]
fn of_a_reply_only_what_the_client_acts_on_passes() {
    for name in [
        "content-type",
        "retry-after",
        "x-should-retry",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-output-tokens-reset",
        "anthropic-priority-input-tokens-remaining",
        "anthropic-ratelimit-unified-status",
        "anthropic-ratelimit-unified-5h-utilization",
        "anthropic-ratelimit-unified-overage-status",
        "anthropic-ratelimit-unified-representative-claim",
    ] {
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
