//! Which headers pass between client and provider. Both directions are lists of whole names: what is not named here
//! stays on its side, and the reason can be shown. A family by its prefix would let through what nobody has thought
//! of, such as a credential of that family.

/// What happens to a request header on its way to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestHeader {
    /// Passes with its value unchanged.
    Forward,
    /// Stays here.
    Strip(Strip),
}

/// What happens to a response header on its way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseHeader {
    /// Passes with its value unchanged.
    Forward,
    /// Passes under another name.
    Rename(&'static str),
    /// Stays here.
    Strip(Strip),
}

/// Why a header does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strip {
    /// A credential of the client, of the gateway or of the provider: none may cross.
    Credential,
    /// Belongs to one connection (RFC 9110 §7.6.1) or to the framing of one message.
    Connection,
    /// Says where the client comes from; the provider gets no addresses from us.
    ClientAddress,
    /// Chooses an account or workspace of the gateway's, or names it.
    Account,
    /// Asks for an encoding: usage is read from the reply, so the gateway asks for `identity` itself.
    Encoding,
    /// Says what the body is: the gateway has read it as JSON, and says so itself.
    MediaType,
    /// Not on the list of headers known to be needed.
    Unlisted,
}

/// Where the provider's own request id goes; `request-id` is always the gateway's.
pub const UPSTREAM_REQUEST_ID: &str = "x-upstream-request-id";

/// What clients say of themselves and of the form of the API that they speak. The values of versions and betas pass as
/// they are: they must reach the provider together with the body members they belong to.
const FORWARDED: &[&str] = &[
    "accept",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "user-agent",
    "x-app",
    "x-claude-1p-request-class",
    "x-claude-code-agent-id",
    "x-claude-code-managed-settings-checksum",
    "x-claude-code-parent-agent-id",
    "x-claude-code-prompt-id",
    "x-claude-code-request-class",
    "x-claude-code-session-id",
    "x-claude-remote-container-id",
    "x-claude-remote-session-id",
    "x-stainless-arch",
    "x-stainless-async",
    "x-stainless-custom-poll-interval",
    "x-stainless-helper",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-poll-helper",
    "x-stainless-raw-response",
    "x-stainless-read-timeout",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-stream-helper",
    "x-stainless-timeout",
];

/// What a provider counts, and how it says where the count stands.
const COUNTED: [&str; 8] = [
    "fast-input-tokens",
    "fast-output-tokens",
    "priority-input-tokens",
    "priority-output-tokens",
    "ratelimit-input-tokens",
    "ratelimit-output-tokens",
    "ratelimit-requests",
    "ratelimit-tokens",
];
const COUNTS: [&str; 3] = ["limit", "remaining", "reset"];

/// The windows of a subscription's one limit, and what is said of each.
const WINDOWS: [&str; 6] = ["", "5h-", "7d-", "7d_opus-", "7d_sonnet-", "overage-"];
const OF_WINDOW: [&str; 4] = ["reset", "status", "surpassed-threshold", "utilization"];
/// What is said of the limit as a whole.
const OF_LIMIT: [&str; 6] = [
    "fallback",
    "fallback-percentage",
    "overage-disabled-reason",
    "overage-in-use",
    "representative-claim",
    "upgrade-paths",
];

/// The rule for a request header; `name` is lower case.
pub fn request(name: &str) -> RequestHeader {
    match name {
        _ if FORWARDED.contains(&name) => RequestHeader::Forward,
        "content-type" => RequestHeader::Strip(Strip::MediaType),
        "authorization" | "x-api-key" | "api-key" | "cookie" | "proxy-authorization" | "x-goog-api-key" => {
            RequestHeader::Strip(Strip::Credential)
        }
        "anthropic-workspace-id" | "anthropic-organization-id" => RequestHeader::Strip(Strip::Account),
        "accept-encoding" => RequestHeader::Strip(Strip::Encoding),
        "forwarded" | "via" | "x-real-ip" | "true-client-ip" | "cf-connecting-ip" => {
            RequestHeader::Strip(Strip::ClientAddress)
        }
        _ if is_connection(name) => RequestHeader::Strip(Strip::Connection),
        _ if name.starts_with("x-forwarded-") => RequestHeader::Strip(Strip::ClientAddress),
        _ => RequestHeader::Strip(Strip::Unlisted),
    }
}

/// The rule for a response header; `name` is lower case. `content-length` is the door's to set, because
/// only it knows whether the bytes pass unchanged.
pub fn response(name: &str) -> ResponseHeader {
    match name {
        "content-type" | "content-encoding" | "cache-control" | "retry-after" | "retry-after-ms"
        | "x-should-retry" => ResponseHeader::Forward,
        "request-id" => ResponseHeader::Rename(UPSTREAM_REQUEST_ID),
        "set-cookie" | "www-authenticate" | "proxy-authenticate" => ResponseHeader::Strip(Strip::Credential),
        "anthropic-organization-id" | "anthropic-workspace-id" => ResponseHeader::Strip(Strip::Account),
        _ if is_connection(name) => ResponseHeader::Strip(Strip::Connection),
        _ if is_limit(name) => ResponseHeader::Forward,
        _ => ResponseHeader::Strip(Strip::Unlisted),
    }
}

/// Where a rate limit stands: clients slow down by it, and show it to people.
fn is_limit(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("anthropic-") else { return false };
    if let Some(unified) = rest.strip_prefix("ratelimit-unified-") {
        let of_window =
            |window: &&str| unified.strip_prefix(*window).is_some_and(|said| OF_WINDOW.contains(&said));
        return OF_LIMIT.contains(&unified) || WINDOWS.iter().any(of_window);
    }
    rest.rsplit_once('-')
        .is_some_and(|(counted, count)| COUNTED.contains(&counted) && COUNTS.contains(&count))
}

fn is_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "expect"
            | "host"
            | "content-length"
    )
}

#[cfg(test)]
mod tests;
