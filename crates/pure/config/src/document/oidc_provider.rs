//! `oidcProvider`: the authorization server.

use gatehouse_identity::secret::Secret;
use url::Url;

use super::algorithm::KeyAlgorithm;
use super::client::{AccessToken, Authentication, Authorization, RefreshToken};
use super::scope::ScopeList;
use super::section::section;
use super::spot::{Entries, Placed};

section! {
    /// `oidcProvider`.
    OidcProvider {
        enabled: bool = or("enabled", true),
        discovery: Discovery = required("discovery"),
        jwks: Vec<SigningKeyPair> = list("jwks"),
        client_metadata: Option<ClientMetadata> = optional("clientIDMetadata"),
        limits: OidcLimits = nested("limits"),
    }
    also {
        only("cache", &["local_default"], "codes and tokens live in `store:`; leave `cache` out");
        only("correlateSession", &["true"], "authorizations always belong to the browser session");
        refused("buildUserInfoClaimsSE", "use `claimsMapping` of the app");
        refused("dynamicClientRegistration", "register the client under `apps:`, or use Client ID Metadata Documents");
        refused("identityAssertions", "leave it out until the jwt-bearer grant is built");
        refused("deviceFlow", "set `enabled: false` until the device grant is built");
    }
}

section! {
    /// `oidcProvider.limits`.
    OidcLimits {
        form_bytes: Placed<u64> = or("formBytes", Placed::unwritten(65_536)),
        pending: Placed<u64> = or("pendingSignIns", Placed::unwritten(20_000)),
        pending_per_network: Placed<u64> = or("pendingSignInsPerNetwork", Placed::unwritten(2_000)),
        per_minute: Placed<u64> = or("signInsPerMinutePerNetwork", Placed::unwritten(600)),
    }
}

section! {
    /// `oidcProvider.discovery`.
    Discovery {
        issuer: Placed<String> = required("issuer"),
        endpoints: Endpoints = nested("endpoints"),
    }
}

section! {
    /// `oidcProvider.discovery.endpoints`: absolute URLs at the issuer's origin.
    Endpoints {
        well_known: Option<Placed<Url>> = optional("wellKnown"),
        jwks: Option<Placed<Url>> = optional("jwks"),
        auth: Option<Placed<Url>> = optional("auth"),
        token: Option<Placed<Url>> = optional("token"),
        userinfo: Option<Placed<Url>> = optional("userinfo"),
        introspect: Option<Placed<Url>> = optional("introspect"),
        revocation: Option<Placed<Url>> = optional("revocation"),
    }
    also {
        refused("endSession", "leave it out until logout is built");
        refused("deviceAuthorization", "leave it out until the device grant is built");
        refused("registration", "leave it out; clients are registered under `apps:`");
        refused("par", "leave it out until pushed authorization requests are built");
    }
}

section! {
    /// One signing key.
    SigningKeyPair {
        algorithm: KeyAlgorithm = required("algorithm"),
        public_key: Option<Placed<String>> = optional("publicKey"),
        private_key: Placed<Secret> = required("privateKey"),
    }
}

section! {
    /// `oidcProvider.clientIDMetadata`: clients that are known by the URL of a document about them.
    ClientMetadata {
        enabled: bool = or("enabled", true),
        allowed_hosts: Vec<Placed<String>> = list("allowedHosts"),
        pinned: Vec<PinnedDocument> = list("pinned"),
        allowed_audiences: Vec<Placed<String>> = list("allowedAudiences"),
        default_audience: Option<Placed<String>> = optional("defaultAudience"),
        authentication: Authentication = nested("authentication"),
        custom_scopes: ScopeList = nested("customScopes"),
        default_scopes: Option<Placed<Vec<Placed<String>>>> = optional("defaultScopes"),
        access_token: AccessToken = nested("accessToken"),
        refresh_token: Option<RefreshToken> = optional("refreshToken"),
        claims_mapping: Entries<Placed<String>> = or("claimsMapping", Entries::none()),
        authorization: Authorization = nested("authorization"),
    }
}

section! {
    /// A metadata document whose content the operator vouches for.
    PinnedDocument {
        url: Placed<String> = required("url"),
        document: Placed<String> = required("document"),
    }
}
