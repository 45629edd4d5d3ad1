//! `authorization.oauth`: whose tokens a gateway accepts.

use std::time::Duration;

use url::Url;

use super::algorithm::KeyAlgorithm;
use super::scalar::UrlPath;
use super::section::{choice, section};
use super::spot::Placed;

section! {
    /// `authorization.oauth`, the same for the MCP and the LLM gateway.
    OauthProtection {
        enabled: Placed<bool> = or("enabled", Placed::unwritten(true)),
        metadata_path: UrlPath = or("metadataPath", UrlPath("/.well-known/oauth-protected-resource".into())),
        servers: Vec<TrustedServer> = list("servers"),
    }
}

section! {
    /// An authorization server whose tokens are accepted.
    TrustedServer {
        well_known: Placed<Url> = required("wellKnownEndpoint"),
        allowed_hosts: Vec<Placed<String>> = list("allowedHosts"),
        issuer: Option<Placed<String>> = optional("issuer"),
        refresh_interval: Duration = or("refreshInterval", Duration::from_hours(24)),
        token_validation: TokenValidation = nested("tokenValidation"),
        tls: Option<Placed<String>> = optional("tls"),
        user_claim: Option<String> = optional("userClaim"),
        groups_claim: Option<String> = optional("groupsClaim"),
        on_incomplete_groups: OnIncompleteGroups = or("onIncompleteGroups", OnIncompleteGroups::Deny),
        gatehouse: bool = or("gatehouse", false),
    }
}

section! {
    /// `tokenValidation`.
    TokenValidation {
        expected_audiences: Vec<Placed<String>> = list("expectedAudiences"),
        jwt: JwtValidation = nested("jwt"),
    }
    also { checked::<ValidationMethod>("method") }
}

choice! {
    /// How a token is checked.
    pub(crate) ValidationMethod {
        /// Its signature, here.
        Jwt = "jwt",
    }
    refused { "introspection" | "opaque" => "use `jwt`" }
}

section! {
    /// `tokenValidation.jwt`.
    JwtValidation {
        clock_skew: Placed<Duration> = or("clockSkew", Placed::unwritten(Duration::from_secs(15))),
        max_lifetime: Placed<Duration> = or("maxLifetime", Placed::unwritten(Duration::from_hours(24))),
        token_type: Option<Placed<AcceptedToken>> = optional("tokenType"),
        algorithms: Vec<KeyAlgorithm> = list("algorithms"),
    }
}

choice! {
    /// What becomes of people whose groups the provider left out.
    pub(crate) OnIncompleteGroups {
        /// They are refused.
        Deny = "deny",
        /// They come in, and policies see it.
        Allow = "allow",
    }
}

choice! {
    /// Which kind of token is accepted.
    pub(crate) AcceptedToken {
        /// Access tokens only.
        AccessToken = "accessToken",
        /// ID tokens only: legal for the LLM gateway alone.
        IdToken = "idToken",
        /// Either: legal for the LLM gateway alone.
        Either = "either",
    }
}
