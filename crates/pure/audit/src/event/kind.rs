//! What can happen. The codes are a public contract: SIEM rules are written against them.

use serde::{Serialize, Serializer};

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was allowed and done.
    Allow,
    /// It was refused.
    Deny,
    /// It was allowed and failed.
    Error,
}

impl Outcome {
    /// The value as it stands in a record.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// Groups of events that share a failure mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Signing in and out, refused credentials.
    Authentication,
    /// Tokens issued, refreshed, exchanged, revoked.
    Token,
    /// Consent.
    Consent,
    /// Client metadata documents.
    Client,
    /// Calls through the MCP gateway.
    Tool,
    /// Calls through the LLM gateway.
    Model,
    /// Configuration, keys, operators.
    Administration,
    /// The audit log itself.
    Audit,
}

impl Family {
    /// Whether these events are awaited ([`crate::sink::AuditSink::append`]) because what they describe gives
    /// lasting power. The others are spooled ([`crate::sink::AuditSink::submit`]).
    pub const fn is_awaited(self) -> bool {
        match self {
            Self::Token | Self::Consent | Self::Administration | Self::Audit => true,
            Self::Authentication | Self::Client | Self::Tool | Self::Model => false,
        }
    }
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal in $family:ident,)*) => {
        /// The closed list of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
        }

        impl EventKind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The family it belongs to.
            pub const fn family(self) -> Family {
                match self {
                    $(Self::$name => Family::$family,)*
                }
            }
        }
    };
}

event_kinds! {
    /// A user proved who they are.
    SigninSuccess = "signin.success" in Authentication,
    /// A sign-in attempt failed.
    SigninFailure = "signin.failure" in Authentication,
    /// A browser session was ended.
    Signout = "signout" in Authentication,
    /// A request came with a missing, bad or contradictory credential.
    CredentialRefused = "credential.refused" in Authentication,
    /// A request was refused before its route was looked for: malformed, or meant for another host.
    RequestRefused = "request.refused" in Authentication,
    /// An authorization request was accepted or refused before anybody signed in.
    AuthorizationRequest = "authorization.request" in Authentication,
    /// The user agreed, or an earlier consent covered the request.
    ConsentGranted = "consent.granted" in Consent,
    /// The user declined.
    ConsentDenied = "consent.denied" in Consent,
    /// An earlier consent was taken back.
    ConsentRevoked = "consent.revoked" in Consent,
    /// Tokens were issued for a code, or to a client for itself; or were refused.
    TokenIssue = "token.issue" in Token,
    /// Tokens were issued for a refresh token, or were refused.
    TokenRefresh = "token.refresh" in Token,
    /// Two networks or programs presented one refresh token within moments, and both were given its successor.
    TokenRefreshShared = "token.refresh_shared" in Token,
    /// A refresh token was used by somebody who should not have it: its family was revoked.
    TokenTheft = "token.theft" in Token,
    /// One token was exchanged for another (RFC 8693).
    TokenExchange = "token.exchange" in Token,
    /// A token, grant or session was revoked.
    TokenRevoke = "token.revoke" in Token,
    /// A client read the claims of a user.
    UserinfoRead = "userinfo.read" in Authentication,
    /// A token was introspected.
    TokenIntrospect = "token.introspect" in Authentication,
    /// A client metadata document was asked for: it was taken, or not.
    ClientMetadata = "client.metadata" in Client,
    /// A client registered itself.
    ClientRegistered = "client.registered" in Administration,
    /// An MCP client opened a session or asked what the server can do.
    McpDiscover = "mcp.discover" in Tool,
    /// Tools, prompts or resources were listed.
    ToolList = "tool.list" in Tool,
    /// A tool was called.
    ToolCall = "tool.call" in Tool,
    /// A resource was read.
    ResourceRead = "resource.read" in Tool,
    /// A prompt was fetched.
    PromptGet = "prompt.get" in Tool,
    /// Some other MCP message was handled.
    McpMessage = "mcp.message" in Tool,
    /// A model was called.
    ModelCall = "model.call" in Model,
    /// Tokens of a model request were counted.
    ModelCount = "model.count_tokens" in Model,
    /// Models were listed.
    ModelList = "model.list" in Model,
    /// A configuration was put into force.
    ConfigLoaded = "config.loaded" in Administration,
    /// A signing key was made, or is used from now on.
    KeyChanged = "key.changed" in Administration,
    /// The store was put back to an earlier state, and what was alive in it has ended.
    StoreRestored = "store.restored" in Administration,
    /// The process started.
    NodeStarted = "node.started" in Administration,
    /// The process is about to stop.
    NodeStopped = "node.stopped" in Administration,
    /// An operator did something in the console or its API.
    AdminAction = "admin.action" in Administration,
    /// The log was opened; says what had to be mended.
    AuditOpened = "audit.opened" in Audit,
    /// The log was compared with the record that the store remembers as its last.
    AuditCompared = "audit.compared" in Audit,
    /// The log up to here was signed.
    AuditCheckpoint = "audit.checkpoint" in Audit,
    /// The log was closed in good order: whatever stands behind it belongs to another run.
    AuditClosed = "audit.closed" in Audit,
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
