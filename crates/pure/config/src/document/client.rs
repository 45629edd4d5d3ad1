//! `apps[]` of `type: oidc`: OAuth clients.

use std::time::Duration;

use gatehouse_identity::secret::Secret;

use super::algorithm::KeyAlgorithm;
use super::mcp::ExchangeKind;
use super::policy::TokenMinting;
use super::scalar::Seconds;
use super::scope::ScopeList;
use super::section::{choice, section};
use super::spot::{Entries, Placed};

section! {
    /// An OAuth client.
    ClientApp {
        name: Placed<String> = required("name"),
        client_id: Placed<String> = required("clientID"),
        preset: Option<Preset> = optional("preset"),
        public: Option<Placed<bool>> = optional("public"),
        credentials: Credentials = nested("credentials"),
        grant_types: Option<Vec<Placed<Grant>>> = optional("grantTypes"),
        redirect_urls: Vec<Placed<String>> = list("redirectURLs"),
        access_token: AccessToken = nested("accessToken"),
        refresh_token: Option<RefreshToken> = optional("refreshToken"),
        allowed_audiences: Vec<Placed<String>> = list("allowedAudiences"),
        default_audience: Option<Placed<String>> = optional("defaultAudience"),
        custom_scopes: ScopeList = nested("customScopes"),
        default_scopes: Option<Placed<Vec<Placed<String>>>> = optional("defaultScopes"),
        authentication: Authentication = nested("authentication"),
        claims_mapping: Entries<Placed<String>> = or("claimsMapping", Entries::none()),
        authorization: Authorization = nested("authorization"),
        consent: Option<Consent> = optional("consent"),
        token_exchange: Option<Exchange> = optional("tokenExchange"),
    }
    also {
        known("type");
        refused("buildAccessTokenClaimsSE", "use `accessToken.claims`");
        refused("buildIDTokenClaimsSE", "use `claimsMapping`");
        refused("loadAttrsSE", "name connector attributes in `claimsMapping` and `accessToken.claims`");
        refused("isAuthenticatedSE", "name connectors in `authentication.idps`");
        refused("authenticateSE", "name connectors in `authentication.idps`");
        refused("isAuthorizedSE", "write a Rego policy under `authorization.tokenMinting`");
        refused("tokenBrokering", "leave it out; tokens of identity providers are not handed on");
    }
}

choice! {
    /// A well-known client whose redirect URLs and grants need not be written out.
    pub(crate) Preset {
        /// Claude Code: a loopback redirect on any port.
        ClaudeCode = "claude-code",
        /// Claude Desktop and its web connectors.
        ClaudeDesktop = "claude-desktop",
        /// claude.ai connectors.
        ClaudeAi = "claude-ai",
        /// The mcp-remote bridge.
        McpRemote = "mcp-remote",
    }
}

section! {
    /// `credentials`.
    Credentials {
        secrets: Vec<Placed<Secret>> = list("secrets"),
    }
}

choice! {
    /// A grant type.
    pub(crate) Grant {
        /// RFC 6749 §4.1 with PKCE.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
        /// RFC 8693.
        TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange",
    }
    refused {
        "password" | "implicit_id" | "implicit_token" | "implicit" => "use `authorization_code`, which is as simple and safe",
        "urn:ietf:params:oauth:grant-type:device_code" => "leave it out until the device grant is built",
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => "leave it out until the jwt-bearer grant is built",
    }
}

section! {
    /// `accessToken`.
    AccessToken {
        lifetime: Seconds = or("lifetimeSeconds", Seconds::new(900)),
        algorithm: Option<KeyAlgorithm> = optional("algorithm"),
        claims: Entries<Placed<String>> = or("claims", Entries::none()),
    }
    also { checked::<AccessTokenKind>("type") }
}

choice! {
    /// What an access token looks like.
    pub(crate) AccessTokenKind {
        /// RFC 9068.
        Jwt = "jwt",
    }
    refused { "opaque" => "use `jwt`; it can be revoked too" }
}

section! {
    /// `refreshToken`.
    RefreshToken {
        allow_offline_access: bool = or("allowOfflineAccess", true),
        lifetime: Seconds = or("lifetimeSeconds", Seconds::new(2_592_000)),
        idle_timeout: Option<Placed<Duration>> = optional("idleTimeout"),
    }
}

section! {
    /// `authentication`.
    Authentication {
        idps: Vec<Placed<String>> = list("idps"),
    }
    also {
        refused("isAuthenticatedSE", "name connectors in `idps`");
        refused("authenticateSE", "name connectors in `idps`");
    }
}

section! {
    /// `authorization` of a client.
    Authorization {
        token_minting: TokenMinting = nested("tokenMinting"),
    }
    also {
        only("allowAll", &["true"], "deny with a Rego policy under `tokenMinting`");
        refused("rules", "write the rule as a Rego policy under `tokenMinting`");
        only("rulesAggregationMethod", &["and", "or"], "leave it out; there are no rules");
    }
}

section! {
    /// `tokenExchange` of a client: what it may obtain by RFC 8693.
    Exchange {
        kind: ExchangeKind = or("type", ExchangeKind::Delegation),
        scopes: ExchangeScopes = or("scopes", ExchangeScopes::Subset),
        scope_map: Entries<Vec<String>> = or("scopeMap", Entries::none()),
        subject_audiences: Vec<Placed<String>> = list("subjectAudiences"),
    }
}

choice! {
    /// How the scopes of an exchanged token follow from those of the subject token.
    pub(crate) ExchangeScopes {
        /// Only scopes that the subject token has.
        Subset = "subset",
        /// Those that `scopeMap` gives for the scopes of the subject token.
        Mapped = "mapped",
        /// Any scope of the client that it asks for.
        Explicit = "explicit",
    }
}

choice! {
    /// When a user is asked.
    pub(crate) Consent {
        /// On the first authorization, and again when more is asked for.
        Remember = "remember",
        /// On every authorization.
        Always = "always",
        /// Never: the operator has decided for the users.
        Never = "never",
    }
}
