//! Connectors: where people sign in, and whom tokens are exchanged with.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_identity::id::{ConnectorName, Issuer};
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use serde_json::{Map, Value};
use url::Url;

use super::compiler::{Compiler, is_loopback};
use super::protection::issuer_of;
use super::tls::TlsProfile;
use crate::document::Root;
use crate::document::connector::{self as written, LocalUser as WrittenUser};

/// One connector.
pub enum Connector {
    /// Users in the configuration.
    Local(LocalConnector),
    /// An OpenID Connect provider.
    Oidc(Box<OidcConnector>),
}

/// Users in the configuration.
pub struct LocalConnector {
    /// Its name.
    pub name: ConnectorName,
    /// Its users, by username.
    pub users: BTreeMap<String, LocalUser>,
}

/// One user of a [`LocalConnector`].
pub struct LocalUser {
    /// The argon2id PHC string of the password.
    pub password_hash: Secret,
    /// Attributes for claims; `sub` is always there, and is the username unless written.
    pub claims: Map<String, Value>,
}

/// An OpenID Connect provider.
pub struct OidcConnector {
    /// Its name.
    pub name: ConnectorName,
    /// The discovery document.
    pub discovery: Url,
    /// The issuer that the discovery document and ID tokens must name.
    pub issuer: Issuer,
    /// Our client id there.
    pub client_id: String,
    /// Our client secret there.
    pub client_secret: Option<Secret>,
    /// The redirect URLs registered there; the one whose host matches the request is used, else the first.
    pub redirects: Vec<Url>,
    /// Whether PKCE is sent.
    pub pkce: bool,
    /// What is asked for at sign-in.
    pub scopes: ScopeSet,
    /// Further parameters of the authorization request.
    pub extra_params: Vec<(String, String)>,
    /// How its certificate is checked.
    pub tls: Option<Arc<TlsProfile>>,
}

impl Connector {
    /// Its name.
    pub fn name(&self) -> &ConnectorName {
        match self {
            Self::Local(connector) => &connector.name,
            Self::Oidc(connector) => &connector.name,
        }
    }
}

pub(crate) fn compile_all(
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> BTreeMap<ConnectorName, Arc<Connector>> {
    let mut connectors = BTreeMap::new();
    for connector in &root.connectors {
        let name = ConnectorName::new(connector.name().value.clone());
        let ready = match connector {
            written::Connector::Local(local) => Some(Connector::Local(compile_local(&name, local, compiler))),
            written::Connector::Oidc(oidc) => {
                compile_oidc(&name, oidc, compiler).map(|connector| Connector::Oidc(Box::new(connector)))
            }
        };
        if let Some(ready) = ready {
            connectors.insert(name, Arc::new(ready));
        }
    }
    connectors
}

fn compile_local(
    name: &ConnectorName,
    connector: &written::LocalConnector,
    compiler: &mut Compiler<'_>,
) -> LocalConnector {
    let mut users = BTreeMap::new();
    for user in &connector.users {
        if !is_phc(user.password_hash.expose()) {
            compiler.report.error_with(
                &user.password_hash.place,
                "expected an argon2id PHC string that starts with `$argon2id$v=19$`",
                "run `gatehouse hash-password`",
            );
        }
        if users.insert(user.username.value.clone(), local_user(user)).is_some() {
            let message = format!("another user is called `{}`", user.username.value);
            compiler.report.error(&user.username.place, message);
        }
    }
    LocalConnector { name: name.clone(), users }
}

fn local_user(user: &WrittenUser) -> LocalUser {
    let mut claims = user.claims.0.clone();
    claims.entry("sub").or_insert_with(|| user.username.value.clone().into());
    LocalUser { password_hash: user.password_hash.value.clone(), claims }
}

/// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
fn is_phc(text: &str) -> bool {
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", "v=19", parameters, salt, hash] = parts.as_slice() else { return false };
    let mut names = Vec::new();
    for parameter in parameters.split(',') {
        match parameter.split_once('=') {
            Some((name, value)) if value.parse::<u32>().is_ok_and(|value| value > 0) => names.push(name),
            _ => return false,
        }
    }
    let base64 =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    names == ["m", "t", "p"] && salt.len() >= 11 && hash.len() >= 22 && base64(salt) && base64(hash)
}

fn compile_oidc(
    name: &ConnectorName,
    connector: &written::OidcConnector,
    compiler: &mut Compiler<'_>,
) -> Option<OidcConnector> {
    let tls = compiler.tls_profile(connector.tls.as_ref());
    if connector.well_known.scheme() != "https" && !is_loopback(&connector.well_known) {
        compiler.report.error(&connector.well_known.place, "an identity provider is reached over https only");
    }
    if !connector.scopes.contains("openid") {
        let place = connector.place.child("scopes");
        compiler
            .report
            .error(&place, "`openid` must be among the scopes: people are known by their ID token");
    }
    if connector.disable_pkce && connector.client_secret.is_none() {
        let place = connector.place.child("disablePKCE");
        compiler.report.error(&place, "without a client secret PKCE cannot be turned off");
    }
    let issuer = issuer_of(&connector.well_known, None, compiler)?;
    let redirects = connector.login_redirect.urls.iter().chain(&connector.login_redirect_url);
    Some(OidcConnector {
        name: name.clone(),
        discovery: connector.well_known.value.clone(),
        issuer,
        client_id: connector.client_id.clone(),
        client_secret: connector.client_secret.as_ref().map(|secret| secret.value.clone()),
        redirects: redirects.map(|url| url.value.clone()).collect(),
        pkce: !connector.disable_pkce,
        scopes: connector.scopes.clone(),
        extra_params: connector
            .extra_params
            .iter()
            .map(|(key, value)| (key.value.clone(), value.clone()))
            .collect(),
        tls,
    })
}

#[cfg(test)]
mod tests;
