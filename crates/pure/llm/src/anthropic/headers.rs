//! Which headers pass between client and provider. Both directions are allow-lists: what is not named
//! here stays on its side, and the reason can be shown.

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

/// The rule for a request header; `name` is lower case.
pub fn request(name: &str) -> RequestHeader {
    match name {
        "accept" | "user-agent" | "x-app" => RequestHeader::Forward,
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
        // Protocol versions and betas must reach the provider together with the body members they belong to;
        // the x-claude and x-stainless families carry session and SDK facts and no credential.
        _ if ["anthropic-", "x-claude-", "x-stainless-"].iter().any(|family| name.starts_with(family)) => {
            RequestHeader::Forward
        }
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
        _ if name.starts_with("anthropic-") => ResponseHeader::Forward,
        _ => ResponseHeader::Strip(Strip::Unlisted),
    }
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
