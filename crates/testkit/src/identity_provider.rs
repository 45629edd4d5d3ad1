//! Identity providers as they are in the field: each brand's metadata, keys, answers and tokens in the shape that its
//! documentation gives them, oddities and all.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;

use crate::upstream::{Received, Reply, Upstream};

/// The tenant of the Entra ID ones.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// An access token that nobody but its issuer can read.
const OPAQUE: &str = "ya29.a0AfB_byC-opaque";

/// Whose provider it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brand {
    /// Auth0: a slash ends the issuer, groups stand under a name of the tenant's own.
    Auth0,
    /// authentik: a path with a slash at its end.
    Authentik,
    /// Entra ID, version 1: the document states an issuer at another host.
    EntraV1,
    /// Entra ID, version 2: keys without `alg`, no `email` in the ID token, groups that may be left out.
    EntraV2,
    /// Okta, the org server: access tokens are its own business.
    Okta,
    /// Keycloak: ID tokens say in their payload what they are.
    Keycloak,
    /// Google: opaque access tokens, no groups, much beside the code.
    Google,
}

impl Brand {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Auth0,
        Self::Authentik,
        Self::EntraV1,
        Self::EntraV2,
        Self::Okta,
        Self::Keycloak,
        Self::Google,
    ];

    /// What stands before `/.well-known/openid-configuration`.
    fn path(self) -> String {
        match self {
            Self::Auth0 | Self::Okta | Self::Google => String::new(),
            Self::Authentik => "/application/o/gatehouse".to_owned(),
            Self::EntraV1 => format!("/{TENANT}"),
            Self::EntraV2 => format!("/{TENANT}/v2.0"),
            Self::Keycloak => "/realms/main".to_owned(),
        }
    }

    fn issuer(self, origin: &str) -> String {
        match self {
            Self::Auth0 | Self::Authentik => format!("{origin}{}/", self.path()),
            Self::EntraV1 => format!("{origin}/sts/{TENANT}/"),
            Self::EntraV2 | Self::Okta | Self::Keycloak | Self::Google => format!("{origin}{}", self.path()),
        }
    }

    /// Whether its ID tokens carry `at_hash` when a code is redeemed.
    fn hashes(self) -> bool {
        matches!(self, Self::Authentik | Self::Okta | Self::Keycloak | Self::Google)
    }

    fn metadata(self, origin: &str) -> Value {
        let at = |path: &str| format!("{origin}{path}");
        let endpoints = match self {
            Self::Auth0 => {
                ["/authorize", "/oauth/token", "/userinfo", "/.well-known/jwks.json"].map(str::to_owned)
            }
            Self::Authentik => ["authorize/", "token/", "userinfo/", "gatehouse/jwks/"]
                .map(|name| format!("/application/o/{name}")),
            Self::EntraV1 => ["oauth2/authorize", "oauth2/token", "openid/userinfo", "discovery/keys"]
                .map(|name| format!("/{TENANT}/{name}")),
            Self::EntraV2 => {
                ["oauth2/v2.0/authorize", "oauth2/v2.0/token", "oidc/userinfo", "discovery/v2.0/keys"]
                    .map(|name| format!("/{TENANT}/{name}"))
            }
            Self::Okta => ["authorize", "token", "userinfo", "keys"].map(|name| format!("/oauth2/v1/{name}")),
            Self::Keycloak => ["auth", "token", "userinfo", "certs"]
                .map(|name| format!("/realms/main/protocol/openid-connect/{name}")),
            Self::Google => {
                ["/o/oauth2/v2/auth", "/token", "/v1/userinfo", "/oauth2/v3/certs"].map(str::to_owned)
            }
        };
        let [authorization, token, userinfo, keys] = endpoints.map(|path| at(&path));
        let mut metadata = json!({
            "issuer": self.issuer(origin), "authorization_endpoint": authorization, "token_endpoint": token,
            "userinfo_endpoint": userinfo, "jwks_uri": keys, "subject_types_supported": ["public"],
            "response_types_supported": ["code", "id_token"], "id_token_signing_alg_values_supported": ["RS256"],
        });
        let more = match self {
            Self::Auth0 => json!({
                "mfa_challenge_endpoint": at("/mfa/challenge"), "backchannel_logout_supported": true,
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
            }),
            Self::Authentik => json!({
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "acr_values_supported": ["goauthentik.io/providers/oauth2/default"],
            }),
            Self::EntraV1 | Self::EntraV2 => json!({
                "token_endpoint_auth_methods_supported":
                    ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
                "subject_types_supported": ["pairwise"], "tenant_region_scope": "EU", "cloud_graph_host_name": "graph.windows.net",
                "cloud_instance_name": "microsoftonline.com", "http_logout_supported": true, "rbac_url": "https://pas.windows.net",
            }),
            Self::Okta => json!({
                "token_endpoint_auth_methods_supported":
                    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"],
                "dpop_signing_alg_values_supported": ["RS256", "ES256"],
            }),
            Self::Keycloak => json!({
                "authorization_response_iss_parameter_supported": true, "claims_parameter_supported": true,
                "token_endpoint_auth_methods_supported":
                    ["private_key_jwt", "client_secret_basic", "client_secret_post", "tls_client_auth", "client_secret_jwt"],
            }),
            Self::Google => json!({
                "authorization_response_iss_parameter_supported": true,
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "revocation_endpoint": at("/revoke"), "device_authorization_endpoint": at("/device/code"),
            }),
        };
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        metadata
    }

    /// A public key as the brand publishes it.
    fn jwk(self, key: &SigningKey, issuer: &str) -> Value {
        let mut jwk = key.public_jwk();
        let members = jwk.as_object_mut().unwrap();
        members.insert("use".into(), "sig".into());
        if matches!(self, Self::EntraV1 | Self::EntraV2) {
            members.remove("alg");
            members.insert("x5t".into(), "sZ2-wu5fRTdJ9NZLhuU9CQ".into());
            members.insert("x5c".into(), json!(["MIIC/TCCAeWgAwIBAgII"]));
            members.insert("issuer".into(), issuer.into());
        }
        jwk
    }
}

/// A running provider.
pub struct IdentityProvider {
    brand: Brand,
    server: Upstream,
    key: SigningKey,
    says: Arc<Mutex<Says>>,
}

#[derive(Default)]
struct Says {
    metadata: Map<String, Value>,
    tokens: Value,
    userinfo: Option<Value>,
}

impl IdentityProvider {
    /// A provider of some brand that signs with `key`.
    pub fn start(brand: Brand, key: SigningKey) -> Self {
        let says = Arc::<Mutex<Says>>::default();
        let script = Arc::clone(&says);
        let jwk = {
            let key =
                SigningKey::from_pkcs8_pem(key.algorithm(), key.to_pkcs8_pem().unwrap().expose()).unwrap();
            move |issuer: &str| brand.jwk(&key, issuer)
        };
        let server = Upstream::start(move |request| {
            let origin = format!("http://{}", request.header("host"));
            let mut metadata = brand.metadata(&origin);
            let says = script.lock().unwrap_or_else(PoisonError::into_inner);
            metadata.as_object_mut().unwrap().extend(says.metadata.clone());
            let is = |name: &str| metadata[name].as_str() == Some(&format!("{origin}{}", request.target));
            if request.target == format!("{}/.well-known/openid-configuration", brand.path()) {
                Reply::json(&metadata)
            } else if is("jwks_uri") {
                Reply::json(&json!({ "keys": [jwk(&brand.issuer(&origin))] }))
            } else if is("token_endpoint") {
                Reply::json(&says.tokens)
            } else if is("userinfo_endpoint") {
                says.userinfo.as_ref().map_or_else(|| Reply::status(500), Reply::json)
            } else {
                Reply::status(404)
            }
        });
        Self { brand, server, key, says }
    }

    /// Its metadata document.
    pub fn well_known(&self) -> String {
        format!("{}{}/.well-known/openid-configuration", self.server.url(), self.brand.path())
    }

    /// What it states as its issuer.
    pub fn issuer(&self) -> String {
        self.brand.issuer(&self.server.url())
    }

    /// What a connector must say besides the URL of the document.
    pub fn written_issuer(&self) -> Option<String> {
        (self.brand == Brand::EntraV1).then(|| self.issuer())
    }

    /// Changes its metadata.
    pub fn publish(&self, name: &str, value: Value) {
        self.says().metadata.insert(name.to_owned(), value);
    }

    /// What userinfo answers from now on; before that, and with nothing, it fails.
    pub fn answer_userinfo(&self, answer: Option<Value>) {
        self.says().userinfo = answer;
    }

    /// The ID token claims of Grace, who signs in at `client` at the time `now`.
    pub fn claims(&self, client: &str, nonce: &str, now: i64) -> Map<String, Value> {
        let mut claims = json!({
            "iss": self.issuer(), "aud": client, "nonce": nonce, "iat": now, "exp": now + 3600, "name": "Grace Hopper",
        });
        let more = match self.brand {
            Brand::Auth0 => json!({
                "sub": "auth0|64a1", "email": "grace@corp.example", "nickname": "grace", "sid": "s-1",
                "updated_at": "2026-11-30T10:00:00.000Z", "https://corp.example/groups": ["navy"],
            }),
            Brand::Authentik => json!({
                "sub": "0d6f1b", "email": "grace@corp.example", "groups": ["navy"], "acr": "goauthentik.io/providers/oauth2/default",
                "amr": ["pwd", "mfa"], "auth_time": now - 40, "azp": client, "uid": "u1", "sid": "s1",
            }),
            Brand::EntraV1 => json!({
                "sub": "pairwise", "oid": "0000-oid", "tid": TENANT, "ver": "1.0", "upn": "grace@corp.example",
                "unique_name": "grace@corp.example", "amr": ["pwd"], "ipaddr": "203.0.113.7", "groups": ["0-navy"],
                "nbf": now, "rh": "0.AX", "uti": "x", "email": "grace@corp.example",
            }),
            Brand::EntraV2 => json!({
                "sub": "pairwise", "oid": "0000-oid", "tid": TENANT, "ver": "2.0", "preferred_username": "grace@corp.example",
                "nbf": now, "rh": "0.AX", "uti": "x", "aio": "y", "groups": ["0-navy"],
            }),
            Brand::Okta => json!({
                "sub": "00u1", "ver": 1, "jti": "ID.x", "amr": ["pwd"], "idp": "00o1", "auth_time": now - 40,
                "preferred_username": "grace@corp.example", "email": "grace@corp.example", "groups": ["navy"],
            }),
            Brand::Keycloak => json!({
                "sub": "f3b1", "typ": "ID", "azp": client, "auth_time": now - 40, "sid": "s1", "acr": "1", "jti": "x",
                "email": "grace@corp.example", "email_verified": true, "groups": ["/navy"], "preferred_username": "grace",
            }),
            Brand::Google => json!({
                "sub": "110169484474386276334", "azp": client, "hd": "corp.example", "email": "grace@corp.example",
                "email_verified": true, "picture": "https://lh3.example/a", "given_name": "Grace",
            }),
        };
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims.as_object().unwrap().clone()
    }

    /// The access token beside an ID token.
    pub fn access_token(&self) -> &'static str {
        OPAQUE
    }

    /// The token endpoint answers with these claims from now on, bound to the access token where the brand does that.
    pub fn give(&self, mut claims: Map<String, Value>) {
        if self.brand.hashes() && !claims.contains_key("at_hash") {
            claims.insert("at_hash".into(), Algorithm::Rs256.half_hash(OPAQUE).into());
        }
        let id_token = self.key.sign("JWT", &claims).unwrap();
        self.says().tokens = json!({
            "id_token": id_token, "access_token": OPAQUE, "token_type": "Bearer", "expires_in": 3599,
            "ext_expires_in": 3599, "refresh_expires_in": 0, "not-before-policy": 0, "refresh_token": null,
            "scope": "openid profile email",
        });
    }

    /// What the browser brings back beside `state`.
    pub fn answer(&self) -> Vec<(String, String)> {
        let more: Vec<(&str, String)> = match self.brand {
            Brand::Auth0 | Brand::Authentik | Brand::Okta => Vec::new(),
            Brand::EntraV1 | Brand::EntraV2 => vec![("session_state", "0-session".to_owned())],
            Brand::Keycloak => vec![("session_state", "s1".to_owned()), ("iss", self.issuer())],
            Brand::Google => vec![
                ("iss", self.issuer()),
                ("scope", "email profile openid https://www.googleapis.com/auth/userinfo.email".to_owned()),
                ("authuser", "0".to_owned()),
                ("hd", "corp.example".to_owned()),
                ("prompt", "none".to_owned()),
            ],
        };
        let code = ("code", "0.AX-code".to_owned());
        std::iter::once(code).chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What it was asked.
    pub fn requests(&self) -> Vec<Received> {
        self.server.requests()
    }

    fn says(&self) -> std::sync::MutexGuard<'_, Says> {
        self.says.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
