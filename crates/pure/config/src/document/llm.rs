//! `llmProvider` and the provider accounts behind it.

use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::secret::Secret;
use url::Url;

use super::policy::OpaPoint;
use super::resource_server::OauthProtection;
use super::scalar::Written;
use super::section::{choice, section};
use super::spot::Placed;

section! {
    /// `llmProvider`.
    LlmProvider {
        enabled: bool = or("enabled", true),
        path: BasePath = or("path", BasePath(String::new())),
        authorization: LlmAuthorization = nested("authorization"),
        models: Vec<ModelEntry> = list("models"),
        limits: LlmLimits = nested("limits"),
        timeouts: LlmTimeouts = nested("timeouts"),
    }
    also {
        refused("budgets", "leave it empty until budgets are built");
        refused("rateLimits", "leave it empty until rate limits are built");
        refused("managedSettings", "leave it empty until managed settings are served");
    }
}

section! {
    /// `llmProvider.limits`.
    LlmLimits {
        body_bytes: Placed<u64> = or("bodyBytes", Placed::unwritten(33_554_432)),
    }
}

section! {
    /// `llmProvider.timeouts`.
    LlmTimeouts {
        first_event: Placed<Duration> = or("firstEvent", Placed::unwritten(Duration::from_mins(2))),
        // As long as the SDKs wait for a whole reply.
        whole_reply: Placed<Duration> = or("wholeReply", Placed::unwritten(Duration::from_mins(10))),
        token_count: Placed<Duration> = or("tokenCount", Placed::unwritten(Duration::from_mins(1))),
        // Well before anything between the client and us takes the stream for dead.
        ping: Placed<Duration> = or("ping", Placed::unwritten(Duration::from_secs(15))),
        idle: Placed<Duration> = or("idle", Placed::unwritten(Duration::from_mins(1))),
        total: Placed<Duration> = or("total", Placed::unwritten(Duration::from_hours(1))),
        retries: Placed<Duration> = or("retries", Placed::unwritten(Duration::from_secs(15))),
        rate_limited_retries: Placed<Duration> = or("rateLimitedRetries", Placed::unwritten(Duration::from_mins(1))),
    }
}

/// The path before `/v1`: empty, or such as `/anthropic`.
#[derive(Clone, Debug)]
pub(crate) struct BasePath(pub(crate) String);

impl super::spot::Value for BasePath {
    fn read(spot: super::spot::Spot<'_>, report: &mut crate::problem::Report) -> Option<Self> {
        match spot.text("a path such as `/llm`, or \"\"", report)? {
            "" | "/" => Some(Self(String::new())),
            _ => super::scalar::UrlPath::read(spot, report)
                .map(|path| Self(path.0.trim_end_matches('/').to_owned())),
        }
    }
}

section! {
    /// `llmProvider.authorization`.
    LlmAuthorization {
        oauth: Option<OauthProtection> = optional("oauth"),
        keys: Vec<ApiKey> = list("keys"),
        inbound: OpaPoint = nested("inbound"),
    }
}

section! {
    /// A static API key, by hash.
    ApiKey {
        name: Placed<String> = required("name"),
        hash: Placed<String> = required("hash"),
        groups: Vec<String> = list("groups"),
        expires: Option<Placed<Timestamp>> = optional("expires"),
    }
}

section! {
    /// One model as clients see it.
    ModelEntry {
        id: Placed<String> = required("id"),
        display_name: Option<String> = optional("displayName"),
        family: Option<String> = optional("family"),
        family_default: bool = or("familyDefault", false),
        created_at: Option<Timestamp> = optional("createdAt"),
        max_input_tokens: Option<u64> = optional("maxInputTokens"),
        supports_1m: bool = or("supports1m", false),
        routes: Placed<Vec<RouteEntry>> = required("routes"),
        price: Option<Price> = optional("price"),
    }
}

section! {
    /// One attempt: an account and the model's name there.
    RouteEntry {
        app: Placed<String> = required("app"),
        model: Option<Placed<String>> = optional("model"),
    }
}

section! {
    /// Decimal USD per million tokens.
    Price {
        input: Placed<Written> = required("input"),
        output: Placed<Written> = required("output"),
        cache_write: Option<Placed<Written>> = optional("cacheWrite"),
        cache_write_1h: Option<Placed<Written>> = optional("cacheWrite1h"),
        cache_read: Option<Placed<Written>> = optional("cacheRead"),
    }
}

section! {
    /// An account at a model provider.
    LlmApp {
        name: Placed<String> = required("name"),
        provider: Provider = or("provider", Provider::Anthropic),
        base_url: Option<Placed<Url>> = optional("baseURL"),
        region: Option<String> = optional("region"),
        residency: Option<String> = optional("residency"),
        credentials: Placed<ProviderCredentials> = required("credentials"),
        tls: Option<Placed<String>> = optional("tls"),
    }
    also { known("type") }
}

choice! {
    /// Who runs the model.
    pub Provider {
        /// The Anthropic API, or anything that speaks it byte for byte.
        Anthropic = "anthropic",
    }
    refused {
        "bedrock" | "vertex" | "foundry" | "openai" | "compatible" =>
            "use `anthropic` with a baseURL that speaks the Messages API",
    }
}

impl Provider {
    /// The word that stands for it in configuration, policies and audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
        }
    }
}

section! {
    /// `credentials`: exactly one of the two.
    ProviderCredentials {
        api_key: Option<Secret> = optional("apiKey"),
        bearer_token: Option<Secret> = optional("bearerToken"),
    }
}
