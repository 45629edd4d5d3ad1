//! `mcpProvider` and the apps behind it.

use std::time::Duration;

use gatehouse_identity::secret::Secret;
use serde_json::Value as Json;
use url::Url;

use super::policy::OpaPoint;
use super::resource_server::OauthProtection;
use super::scalar::UrlPath;
use super::scope::ScopeName;
use super::section::{choice, section};
use super::spot::Placed;

/// The path of the endpoint when none is written.
const PATH: &str = "/mcp";

section! {
    /// `mcpProvider`.
    McpProvider {
        enabled: bool = or("enabled", true),
        transports: Transports = nested("transports"),
        authorization: McpAuthorization = nested("authorization"),
        limits: McpLimits = nested("limits"),
    }
}

impl McpProvider {
    /// The path of the endpoint, as written or as usual.
    pub(crate) fn path(&self) -> String {
        let stream = &self.transports.stream;
        let written = stream.path.as_ref().or(stream.endpoint_path.as_ref());
        written.map_or_else(|| PATH.to_owned(), |path| path.0.clone())
    }
}

section! {
    /// `mcpProvider.limits`.
    McpLimits {
        body_bytes: Placed<u64> = or("bodyBytes", Placed::unwritten(4_194_304)),
        sessions: Placed<u64> = or("sessions", Placed::unwritten(100_000)),
        sessions_per_caller: Placed<u64> = or("sessionsPerCaller", Placed::unwritten(1_000)),
        tools: Placed<u64> = or("tools", Placed::unwritten(10_000)),
    }
}

section! {
    /// `mcpProvider.transports`.
    Transports {
        stream: Stream = nested("stream"),
    }
    also {
        checked::<Sse>("sse");
        refused("stdio", "clients use the Streamable HTTP transport");
    }
}

section! {
    /// The older HTTP+SSE transport, which can only be switched off.
    Sse {}
    also {
        only("enabled", &["false"], "clients use the Streamable HTTP transport");
        checked::<String>("baseURL");
        checked::<UrlPath>("basePath");
        checked::<UrlPath>("path");
        checked::<UrlPath>("messagePath");
        checked::<SseKeepAlive>("keepAlive");
    }
}

section! {
    /// `transports.sse.keepAlive`.
    SseKeepAlive {}
    also {
        checked::<bool>("enabled");
        checked::<Duration>("interval");
    }
}

section! {
    /// Streamable HTTP.
    Stream {
        enabled: Placed<bool> = or("enabled", Placed::unwritten(true)),
        path: Option<UrlPath> = optional("path"),
        endpoint_path: Option<UrlPath> = optional("endpointPath"),
        session: StreamSession = nested("session"),
    }
}

section! {
    /// Sessions of clients that ask for them (protocol versions before 2026-07-28).
    StreamSession {
        enabled: bool = or("enabled", true),
        allow_client_termination: bool = or("allowClientTermination", true),
        timeout: Duration = or("timeout", Duration::from_hours(1)),
    }
    also {
        only("headerName", &["Mcp-Session-Id", "mcp-session-id"], "the protocol fixes this header");
    }
}

section! {
    /// `mcpProvider.authorization`.
    McpAuthorization {
        oauth: OauthProtection = nested("oauth"),
    }
}

section! {
    /// A REST API as tools.
    BridgeApp {
        name: Placed<String> = required("name"),
        openapi: OpenApi = required("openapi"),
        output_schema: OutputSchema = or("outputSchema", OutputSchema::Strict),
        tls: Option<Placed<String>> = optional("tls"),
        namespace: ToolNamespace = nested("toolNamespace"),
        authorization: AppAuthorization = nested("authorization"),
        limits: BridgeLimits = nested("limits"),
    }
    also {
        known("type");
        checked::<BridgeMode>("mode");
    }
}

section! {
    /// `limits` of a REST API.
    BridgeLimits {
        tools: Placed<u64> = or("tools", Placed::unwritten(5_000)),
        response_bytes: Placed<u64> = or("responseBytes", Placed::unwritten(16_777_216)),
    }
}

choice! {
    /// What becomes of the schemas of answers.
    pub(crate) OutputSchema {
        /// Declared, and an answer that breaks its own is an error.
        Strict = "strict",
        /// Not declared; an answer that breaks its own is passed on and said to.
        Report = "report",
        /// Not looked at.
        Off = "off",
    }
}

choice! {
    /// How a bridge knows its tools.
    pub(crate) BridgeMode {
        /// From an OpenAPI description.
        OpenApi = "openapi",
    }
}

section! {
    /// `openapi`.
    OpenApi {
        spec: Spec = required("spec"),
        base_url: Option<Placed<Url>> = optional("baseURL"),
        sha256: Option<Placed<String>> = optional("sha256"),
    }
}

section! {
    /// `openapi.spec`: `uri` or `data`, never both.
    Spec {
        uri: Option<Placed<String>> = optional("uri"),
        data: Option<Placed<Json>> = optional("data"),
    }
}

section! {
    /// `toolNamespace`.
    ToolNamespace {
        disabled: bool = or("disabled", false),
        name: Option<Placed<String>> = optional("name"),
    }
}

section! {
    /// An MCP server.
    ProxyApp {
        name: Placed<String> = required("name"),
        upstream: Upstream = required("upstream"),
        namespace: ToolNamespace = nested("toolNamespace"),
        authorization: AppAuthorization = nested("authorization"),
        limits: ProxyLimits = nested("limits"),
    }
    also {
        known("type");
        only("pinning", &["off"], "tool definitions are passed through as the upstream lists them");
    }
}

section! {
    /// `limits` of an MCP server.
    ProxyLimits {
        tools: Placed<u64> = or("tools", Placed::unwritten(5_000)),
        list_bytes: Placed<u64> = or("listBytes", Placed::unwritten(16_777_216)),
        list_pages: Placed<u64> = or("listPages", Placed::unwritten(100)),
        response_bytes: Placed<u64> = or("responseBytes", Placed::unwritten(16_777_216)),
    }
}

section! {
    /// `upstream`.
    Upstream {
        stream: UpstreamStream = required("stream"),
    }
    also {
        checked::<UpstreamTransport>("transport");
        refused("sse", "use `transport: stream`");
        refused("stdio", "run the server with the Streamable HTTP transport and use `transport: stream`");
    }
}

choice! {
    /// How an upstream is reached.
    pub(crate) UpstreamTransport {
        /// Streamable HTTP.
        Stream = "stream",
    }
    refused {
        "sse" => "use `stream`; the older HTTP+SSE transport is not spoken",
        "stdio" => "run the server with the Streamable HTTP transport and use `stream`",
    }
}

section! {
    /// `upstream.stream`.
    UpstreamStream {
        url: Placed<Url> = required("url"),
        tls: Option<Placed<String>> = optional("tls"),
        connection: Connection = nested("connection"),
    }
}

section! {
    /// `connection`.
    Connection {
        dial_timeout: Duration = or("dialTimeout", Duration::from_secs(10)),
        keep_alive: KeepAlive = nested("keepAlive"),
        pool: Pool = nested("pool"),
    }
}

section! {
    /// `connection.keepAlive`: TCP keep-alive.
    KeepAlive {
        interval: Duration = or("interval", Duration::from_secs(15)),
    }
}

section! {
    /// `connection.pool`.
    Pool {
        max_idle: u32 = or("maxIdleConns", 100),
        max_idle_per_host: u32 = or("maxIdleConnsPerHost", 100),
    }
}

section! {
    /// `authorization` of an MCP app.
    AppAuthorization {
        inbound: OpaPoint = nested("inbound"),
        listing: OpaPoint = nested("listing"),
        outbound: Option<Outbound> = optional("outbound"),
    }
    also {
        refused("connection", "use `listing`, which hides what the caller may not see");
    }
}

section! {
    /// `outbound`: the credential that upstream calls carry.
    Outbound {
        kind: Placed<OutboundKind> = required("type"),
        token_exchange: Option<TokenExchange> = optional("tokenExchange"),
        static_credential: Option<StaticCredential> = optional("static"),
        client_credentials: Option<ClientCredentials> = optional("clientCredentials"),
    }
    also {
        refused("userConsent", "use `tokenExchange` or `static`");
    }
}

choice! {
    /// What kind of credential.
    pub(crate) OutboundKind {
        /// A token of its own for every call (RFC 8693).
        TokenExchange = "tokenExchange",
        /// One configured header.
        Static = "static",
        /// The gateway's own token.
        ClientCredentials = "clientCredentials",
        /// None at all.
        Unprotected = "unprotected",
    }
    refused { "userConsent" => "use `tokenExchange` or `static`" }
}

section! {
    /// `outbound.tokenExchange`.
    TokenExchange {
        kind: ExchangeKind = or("type", ExchangeKind::Delegation),
        idp: Placed<String> = required("idp"),
        audience: Option<Placed<String>> = optional("audience"),
        tools: Vec<ToolRule> = list("tools"),
    }
}

choice! {
    /// Whether the upstream can see who acts.
    pub ExchangeKind {
        /// The token names the user and the actors.
        Delegation = "delegation",
        /// The token names the user only.
        Impersonation = "impersonation",
    }
}

section! {
    /// What one tool's tokens may do.
    ToolRule {
        name: Placed<String> = required("name"),
        ttl: Option<Placed<Duration>> = optional("ttl"),
        scopes: Vec<ScopeName> = list("scopes"),
    }
}

section! {
    /// `outbound.static`.
    StaticCredential {
        header: Placed<String> = or("header", Placed::unwritten("Authorization".into())),
        value: Placed<Secret> = required("value"),
    }
}

section! {
    /// `outbound.clientCredentials`.
    ClientCredentials {
        idp: Placed<String> = required("idp"),
        audience: Option<Placed<String>> = optional("audience"),
        scopes: Vec<ScopeName> = list("scopes"),
    }
}
