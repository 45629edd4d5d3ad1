//! `connectors[]`: where people sign in.

use std::time::Duration;

use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use url::Url;

use super::FreeMap;
use super::resource_server::OnIncompleteGroups;
use super::section::{choice, section};
use super::spot::{Entries, Placed, Spot, Value};
use crate::problem::Report;
use crate::source::node::NodeValue;

/// One connector.
pub(crate) enum Connector {
    Local(LocalConnector),
    Oidc(Box<OidcConnector>),
}

section! {
    /// `type: local`: users in the file.
    LocalConnector {
        name: Placed<String> = required("name"),
        users: Vec<LocalUser> = list("users"),
    }
    also { known("type") }
}

section! {
    /// One user of a `local` connector.
    LocalUser {
        username: Placed<String> = required("username"),
        password_hash: Placed<Secret> = required("passwordHash"),
        claims: FreeMap = nested("claims"),
    }
}

section! {
    /// `type: oidc`: an upstream identity provider, or the authorization server that a gateway exchanges tokens at.
    OidcConnector {
        name: Placed<String> = required("name"),
        tls: Option<Placed<String>> = optional("tls"),
        well_known: Placed<Url> = required("oidcWellKnownURL"),
        allowed_hosts: Vec<Placed<String>> = list("allowedHosts"),
        issuer: Option<Placed<String>> = optional("issuer"),
        client_id: String = required("oauthClientID"),
        client_secret: Option<Placed<Secret>> = optional("oauthClientSecret"),
        login_redirect: UrlList = nested("oauthLoginRedirect"),
        login_redirect_url: Option<Placed<Url>> = optional("oauthRedirectURL"),
        /// Accepted because gateway deployments must write it; nothing redirects there until logout is built.
        _logout_redirect: UrlList = nested("oauthLogoutRedirect"),
        disable_pkce: bool = or("disablePKCE", false),
        scopes: ScopeSet = or("scopes", default_scopes()),
        extra_params: Entries<String> = or("oauthExtraParams", Entries::none()),
        id_token_max_lifetime: Placed<Duration> =
            or("idTokenMaxLifetime", Placed::unwritten(Duration::from_hours(24))),
        on_incomplete_groups: OnIncompleteGroups = or("onIncompleteGroups", OnIncompleteGroups::Deny),
    }
    also {
        known("type");
        refused("offlineAccess", "set `enabled: false`; tokens of the identity provider are not kept");
        refused("healthCheck", "set `enabled: false`; a failing identity provider is reported when it is used");
        refused("oidcLogoutCallbackURL", "leave it out; upstream logout is not built");
        refused("attributes", "attributes are named where they are used, as `connector.attribute`");
    }
}

section! {
    /// `urls:`.
    UrlList {
        urls: Vec<Placed<Url>> = list("urls"),
    }
}

choice! {
    /// What a connector is.
    pub(crate) ConnectorKind {
        /// Users in the file.
        Local = "local",
        /// OpenID Connect.
        Oidc = "oidc",
    }
    refused {
        "azure" | "okta" | "google" | "keycloak" | "auth0" | "pingfederate" | "adfs" | "cognito" | "wso2" | "onekosmos"
            => "use `type: oidc` with its oidcWellKnownURL",
        "saml" | "ldap" | "activedirectory" | "hypr" | "continuity" | "windowsclientauthenticator"
            => "use `type: oidc` or `type: local`",
    }
}

impl Value for Connector {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        match kind(spot, report)? {
            ConnectorKind::Local => LocalConnector::read(spot, report).map(Self::Local),
            ConnectorKind::Oidc => {
                OidcConnector::read(spot, report).map(|connector| Self::Oidc(Box::new(connector)))
            }
        }
    }
}

impl Connector {
    pub(crate) fn name(&self) -> &Placed<String> {
        match self {
            Self::Local(connector) => &connector.name,
            Self::Oidc(connector) => &connector.name,
        }
    }
}

/// Reads the `type` that decides what the other keys are.
pub(crate) fn kind<T: Value>(spot: Spot<'_>, report: &mut Report) -> Option<T> {
    let NodeValue::Mapping(entries) = &spot.node.value else { return spot.mismatch(report, "a section") };
    let path = crate::problem::joined(spot.path, "type");
    let Some(entry) = entries.iter().find(|entry| entry.key == "type") else {
        report.error(&spot.place().child("type"), "this key is required and missing");
        return None;
    };
    T::read(Spot { node: &entry.value, path: &path }, report)
}

/// `openid profile email`.
fn default_scopes() -> ScopeSet {
    ScopeSet::parse("openid profile email").unwrap_or(ScopeSet::none())
}
