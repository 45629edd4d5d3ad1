//! The authorization server: issuer, endpoints, keys, clients.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::{ClientId, ConnectorName, Issuer, SubjectId};
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::scope::ScopeSet;
use url::Url;

use super::client::{self, RegisteredClient};
use super::compiler::Compiler;
use super::connector::Connector;
use super::origin::{is_loopback, origin_of};
use super::pinned::{self, MetadataClients};
pub use super::scopes::STANDARD_SCOPES;
use crate::document::Root;
use crate::document::app::App;
use crate::document::oidc_provider::{
    Endpoints as WrittenEndpoints, OidcLimits as WrittenLimits, OidcProvider, SigningKeyPair,
};
use crate::document::spot::Placed;

/// The authorization server.
pub struct AuthorizationServer {
    /// Its identifier.
    pub issuer: Issuer,
    /// Where it answers.
    pub endpoints: Endpoints,
    /// The configured keys, the one to sign with first; empty when the server makes its own.
    pub signing_keys: Vec<SigningKey>,
    /// Registered clients, by client id.
    pub clients: BTreeMap<ClientId, Arc<RegisteredClient>>,
    /// Clients known by a metadata document; `None` while that is off.
    pub metadata_clients: Option<MetadataClients>,
    /// The subjects of the users of the configuration.
    pub user_subjects: HashSet<SubjectId>,
    /// Every scope that some client may be granted; safe to be asked for in full.
    pub scopes: ScopeSet,
    /// The resources that this process itself protects.
    pub resources: Vec<Audience>,
    /// The largest form, in bytes.
    pub form_limit: usize,
    /// How much is kept for whoever has proven nothing yet.
    pub sign_in_limits: SignInLimits,
}

/// Limits on sign-ins that were begun and led to nothing yet. A network is an IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInLimits {
    /// Most that are pending at one process.
    pub pending: u32,
    /// Most of them that one network began.
    pub pending_per_network: u32,
    /// Most that one network begins in a minute.
    pub per_minute: u32,
}

/// Paths of the endpoints, all at the issuer's origin.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Keys.
    pub jwks: String,
    /// RFC 6749 §3.1.
    pub authorization: String,
    /// RFC 6749 §3.2.
    pub token: String,
    /// OpenID Connect Core §5.3.
    pub userinfo: String,
    /// RFC 7662.
    pub introspection: String,
    /// RFC 7009.
    pub revocation: String,
    /// The sign-in page.
    pub login: String,
    /// The consent page.
    pub consent: String,
    /// The page where people sign out of their browser.
    pub signout: String,
}

pub(crate) fn compile(
    root: &Root,
    resources: &[Audience],
    connectors: &BTreeMap<ConnectorName, Arc<Connector>>,
    compiler: &mut Compiler<'_>,
) -> Option<AuthorizationServer> {
    let Some(provider) = root.oidc_provider.as_ref().filter(|provider| provider.enabled) else {
        for app in &root.apps {
            if let App::Client(client) = app {
                let hint = "write oidcProvider, or remove the app";
                compiler.report.error_with(
                    &client.place,
                    "an oidc app without an authorization server",
                    hint,
                );
            }
        }
        return None;
    };
    let issuer = issuer(&provider.discovery.issuer, compiler);
    let endpoints = endpoints(provider, issuer.as_ref(), compiler);
    let signing_keys = provider.jwks.iter().filter_map(|pair| signing_key(pair, compiler)).collect();
    let clients = client::compile_all(root, resources, compiler);
    let metadata_clients = pinned::compile(provider, root, compiler);
    let standard = ScopeSet::parse(STANDARD_SCOPES).unwrap_or(ScopeSet::none());
    let scopes = clients.values().fold(standard, |all, registered| all.union(&registered.client.scopes));
    let scopes =
        metadata_clients.as_ref().map_or(scopes.clone(), |clients| scopes.union(&clients.template.scopes));
    let limits = sign_in_limits(&provider.limits, compiler);
    let form_limit = compiler.within(&provider.limits.form_bytes, 1_024..=1024 * 1024)?;
    Some(AuthorizationServer {
        issuer: Issuer::new(provider.discovery.issuer.value.clone()),
        endpoints,
        signing_keys,
        clients,
        metadata_clients,
        user_subjects: user_subjects(connectors),
        scopes,
        resources: resources.to_vec(),
        form_limit: usize::try_from(form_limit).ok()?,
        sign_in_limits: limits?,
    })
}

fn sign_in_limits(written: &WrittenLimits, compiler: &mut Compiler<'_>) -> Option<SignInLimits> {
    let mut some = |limit: &Placed<u64>| compiler.within(limit, 1..=10_000_000);
    let all = (some(&written.pending), some(&written.pending_per_network), some(&written.per_minute));
    let (pending, pending_per_network, per_minute) = all;
    let number = |limit: Option<u64>| u32::try_from(limit?).ok();
    Some(SignInLimits {
        pending: number(pending)?,
        pending_per_network: number(pending_per_network)?,
        per_minute: number(per_minute)?,
    })
}

fn user_subjects(connectors: &BTreeMap<ConnectorName, Arc<Connector>>) -> HashSet<SubjectId> {
    let users = connectors.values().flat_map(|connector| match connector.as_ref() {
        Connector::Local(local) => local.users.values().collect::<Vec<_>>(),
        Connector::Oidc(_) => Vec::new(),
    });
    users.map(|user| user.subject.clone()).collect()
}

/// RFC 8414 §2: https, no query, no fragment.
fn issuer(written: &Placed<String>, compiler: &mut Compiler<'_>) -> Option<Url> {
    let url =
        Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        compiler
            .report
            .error(&written.place, format!("expected an issuer URL, found the text `{}`", written.value));
        return None;
    };
    let mut refuse = |message: &str, hint: &str| compiler.report.error_with(&written.place, message, hint);
    if url.scheme() == "http" && !is_loopback(&url) {
        refuse("the issuer must be https, except on a loopback host", "RFC 8414 section 2");
    }
    if url.query().is_some()
        || written.contains(['?', '#'])
        || !url.username().is_empty()
        || url.password().is_some()
    {
        refuse("the issuer must have no query, fragment or credentials", "RFC 8414 section 2");
    }
    if written.ends_with('/') {
        refuse("the issuer must not end with `/`", "clients compare it byte for byte; leave the slash out");
    } else if url.as_str().trim_end_matches('/') != written.value {
        let hint = format!("write `{}`", url.as_str().trim_end_matches('/'));
        refuse("the issuer is not in its normal form, and clients compare it byte for byte", &hint);
    }
    Some(url)
}

fn endpoints(provider: &OidcProvider, issuer: Option<&Url>, compiler: &mut Compiler<'_>) -> Endpoints {
    let written: &WrittenEndpoints = &provider.discovery.endpoints;
    let origin = issuer.map(origin_of);
    let mut path = |url: Option<&Placed<Url>>, default: &str| match url {
        None => default.to_owned(),
        Some(url) => {
            if origin.as_ref().is_some_and(|origin| *origin != origin_of(url)) || url.query().is_some() {
                compiler
                    .report
                    .error(&url.place, "an endpoint stands at the issuer's origin and has no query");
            }
            url.path().to_owned()
        }
    };
    let endpoints = Endpoints {
        jwks: path(written.jwks.as_ref(), "/oauth2/jwks"),
        authorization: path(written.auth.as_ref(), "/oauth2/auth"),
        token: path(written.token.as_ref(), "/oauth2/token"),
        userinfo: path(written.userinfo.as_ref(), "/oauth2/userinfo"),
        introspection: path(written.introspect.as_ref(), "/oauth2/introspect"),
        revocation: path(written.revocation.as_ref(), "/oauth2/revoke"),
        login: "/login".into(),
        consent: "/consent".into(),
        signout: "/signout".into(),
    };
    if let Some(well_known) = &written.well_known {
        path(Some(well_known), "");
        if !well_known.path().contains("/.well-known/o") {
            let hint = "leave it out: the metadata is served at every location that clients look for";
            compiler.report.error_with(&well_known.place, "not a metadata location", hint);
        }
    }
    let mut paths = endpoints.all();
    paths.sort_unstable();
    for pair in paths.windows(2) {
        if let [first, second] = pair
            && first == second
        {
            let message = format!("two endpoints share the path `{first}`");
            compiler.report.error(&provider.discovery.place.child("endpoints"), message);
        }
    }
    endpoints
}

impl AuthorizationServer {
    /// The connectors through which the users of client `id` sign in; `None` when there is no such client.
    pub fn connectors_of(&self, id: &str) -> Option<&[ConnectorName]> {
        match self.clients.get(id) {
            Some(registered) => Some(registered.client.connectors.as_slice()),
            None => self.metadata_clients.as_ref()?.connectors_of(id),
        }
    }
}

impl Endpoints {
    /// Every path.
    pub fn all(&self) -> Vec<&str> {
        [
            &self.jwks,
            &self.authorization,
            &self.token,
            &self.userinfo,
            &self.introspection,
            &self.revocation,
            &self.login,
            &self.consent,
        ]
        .map(String::as_str)
        .to_vec()
    }
}

fn signing_key(pair: &SigningKeyPair, compiler: &mut Compiler<'_>) -> Option<SigningKey> {
    let key = match SigningKey::from_pkcs8_pem(pair.algorithm.jose(), pair.private_key.expose()) {
        Ok(key) => key,
        Err(error) => {
            compiler.report.error(&pair.private_key.place, error.to_string());
            return None;
        }
    };
    if let Some(public) = &pair.public_key
        && !public.contains("-----BEGIN ")
    {
        compiler.report.error_with(
            &public.place,
            "expected PEM",
            "leave publicKey out: it is derived from the private key",
        );
    }
    Some(key)
}
