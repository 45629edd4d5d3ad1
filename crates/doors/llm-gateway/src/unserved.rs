//! What clients ask a gateway for that this one does not serve, and what it says instead of nothing.

/// Where clients of the Messages API ask for something besides it, below the gateway's path.
pub const PLACES: [&str; 7] =
    ["/v1", "/api", "/managed", "/user", "/bootstrap", "/oauth/device_authorization", "/protocol"];

/// By the end of the path or one of its middle parts: the sentence for the caller.
const SENTENCES: [(&str, &str); 13] = [
    (
        "/v1/messages/batches",
        "Message batches are not built yet: send the requests one by one to /v1/messages.",
    ),
    ("/v1/files", "The Files API is not built yet: put the content into the message, as base64 or as text."),
    ("/v1/skills", "The Skills API is not built yet."),
    ("/v1/complete", "Text completions are not served: use /v1/messages."),
    ("/v1/organizations", "The Admin API is not served here: it belongs to the provider's account."),
    ("/v1/metrics", "Telemetry is not taken here: point the client's OTLP exporter at your collector."),
    ("/v1/logs", "Telemetry is not taken here: point the client's OTLP exporter at your collector."),
    ("/v1/traces", "Telemetry is not taken here: point the client's OTLP exporter at your collector."),
    (
        "/managed/settings",
        "Managed settings are not built yet: distribute them with your device management. There is no policy here.",
    ),
    (
        "/bootstrap",
        "The bootstrap of Claude Desktop is not built yet: distribute its configuration with your device management.",
    ),
    ("/api/oauth/usage", "Usage limits are not built yet: there are none to show."),
    (
        "/oauth/device_authorization",
        "Signing in with a device code is not built yet: configure inferenceGatewayOidc with this server as its \
         issuer, or use a static key.",
    ),
    ("/protocol", "The sign-in protocol of the Claude apps gateway is not built yet; its Messages API is."),
];

/// What to say about `path`, if clients are known to ask for it.
pub(crate) fn sentence(path: &str) -> Option<&'static str> {
    let at = |place: &str| {
        let after = path.split_once(place).map(|(_, after)| after);
        after.is_some_and(|after| after.is_empty() || after.starts_with('/'))
    };
    SENTENCES.iter().find(|(place, _)| at(place)).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests;
