//! What stands in several places of a file must fit together: addresses, and the secrets of this server's own clients.

use std::collections::BTreeSet;

use gatehouse_identity::secret::Secret;
use url::Url;

use super::compiler::Compiler;
use super::issuer::{implied_issuer, is_own};
use super::origin::{is_loopback, origin_of};
use crate::document::Root;
use crate::document::app::App;
use crate::document::client::ClientApp;
use crate::document::connector::{Connector, OidcConnector};
use crate::document::spot::Placed;

/// The shortest secret of a client, in bytes: what a person makes up is shorter, what a generator makes is not.
const SHORTEST_SECRET: usize = 16;
/// What a secret that a generator made has at the least: sixteen hexadecimal digits.
const LEAST_BITS: u32 = 64;
const MAKE_ONE: &str = "make one, for example with `openssl rand -base64 32`";

pub(crate) fn check(root: &Root, compiler: &mut Compiler<'_>) {
    if let Some(url) = &root.http.public_url {
        check_port(url, root, compiler);
        check_proxy(url, root, compiler);
        check_issuer(url, root, compiler);
    }
    for client in clients(root) {
        check_secrets(client, compiler);
    }
    for connector in &root.connectors {
        if let Connector::Oidc(oidc) = connector {
            check_own_client(oidc, root, compiler);
        }
    }
    check_groups(root, compiler);
}

/// Clients of a plain loopback URL connect to the listener itself.
fn check_port(url: &Placed<Url>, root: &Root, compiler: &mut Compiler<'_>) {
    let (named, listening) = (url.port_or_known_default(), root.http.address.port());
    // What a trusted proxy listens on is its own affair.
    if !root.http.trusted_proxies.is_empty() {
        return;
    }
    if url.scheme() == "http" && is_loopback(url) && listening != 0 && named != Some(listening) {
        let origin = origin_of(url);
        let message = format!("clients connect to {origin}, but http.address is {}", root.http.address);
        compiler.report.warning(&url.place, message, "write the same port in both");
    }
}

/// Behind a proxy that is not trusted, all clients have its address.
fn check_proxy(url: &Placed<Url>, root: &Root, compiler: &mut Compiler<'_>) {
    let plain = root.http.tls.is_none() && root.http.hosts.is_empty();
    if url.scheme() == "https" && plain && root.http.trusted_proxies.is_empty() {
        let message = "a proxy must end TLS, and all clients would share its address";
        compiler.report.warning(
            &url.place,
            message,
            "write its address to http.trustedProxies, or set http.tls",
        );
    }
}

/// An authorization server may have a host name of its own; beside a gateway in one process that is rarely meant.
fn check_issuer(url: &Placed<Url>, root: &Root, compiler: &mut Compiler<'_>) {
    let Some(provider) = root.oidc_provider.as_ref().filter(|provider| provider.enabled) else { return };
    let gateway = root.mcp_provider.as_ref().is_some_and(|provider| provider.enabled)
        || root.llm_provider.as_ref().is_some_and(|provider| provider.enabled);
    let issuer = &provider.discovery.issuer;
    let Ok(named) = Url::parse(issuer) else { return };
    let (issuer_origin, origin) = (origin_of(&named), origin_of(url));
    if gateway && issuer_origin != origin {
        let message = format!("people sign in at {issuer_origin}, but http.publicURL is {origin}");
        compiler.report.warning(
            &issuer.place,
            message,
            "unless both lead to this process, write the same origin",
        );
    }
}

fn check_secrets(client: &ClientApp, compiler: &mut Compiler<'_>) {
    for secret in &client.credentials.secrets {
        let length = secret.expose().len();
        if length < SHORTEST_SECRET {
            let message = format!("expected a secret of at least {SHORTEST_SECRET} bytes, found {length}");
            compiler.report.error_with(&secret.place, message, MAKE_ONE);
        } else if guessable_bits(secret.expose()) < LEAST_BITS {
            let message = "this secret is easy to guess: few different characters, or a pattern";
            compiler.report.warning(&secret.place, message, MAKE_ONE);
        }
    }
}

/// An upper bound for what a guesser has to try, in bits: what is repeated is guessed once, and each character counts
/// as one of those that are there.
fn guessable_bits(secret: &str) -> u32 {
    let bytes = secret.as_bytes();
    let repeats =
        |period: &usize| bytes.iter().zip(bytes.iter().skip(*period)).all(|(one, next)| one == next);
    let period = (1..=bytes.len()).find(repeats).unwrap_or(bytes.len());
    let kinds = bytes.iter().collect::<BTreeSet<_>>().len();
    u32::try_from(period * (usize::BITS - kinds.leading_zeros()) as usize).unwrap_or(u32::MAX)
}

/// A connector to this very server names one of its clients. Nothing is sent, so a wrong secret would not be noticed
/// before the two are taken apart.
fn check_own_client(connector: &OidcConnector, root: &Root, compiler: &mut Compiler<'_>) {
    if !is_own(connector, compiler.issuer.as_ref()) {
        return;
    }
    let Some(secret) = &connector.client_secret else { return };
    let Some(client) = clients(root).find(|client| client.client_id.value == connector.client_id) else {
        return;
    };
    let same = |known: &Placed<Secret>| known.expose() == secret.expose();
    if !client.credentials.secrets.iter().any(same) {
        let message = format!("the client `{}` of this file has another secret", connector.client_id);
        compiler.report.error_with(&secret.place, message, "write the same in both places");
    }
}

/// Policies about the groups of a token deny everybody when no token has any. Told only where every token is one of
/// ours; policies in files of their own are not looked at.
fn check_groups(root: &Root, compiler: &mut Compiler<'_>) {
    let Some(provider) = root.oidc_provider.as_ref().filter(|provider| provider.enabled) else { return };
    let servers = root.mcp_provider.iter().flat_map(|mcp| &mcp.authorization.oauth.servers);
    let own = compiler.issuer.as_ref();
    let ours = |well_known: &Url| {
        own.zip(implied_issuer(well_known)).is_some_and(|(own, implied)| implied.accepts(own.as_str()))
    };
    if !servers.into_iter().all(|server| server.issuer.is_none() && ours(&server.well_known)) {
        return;
    }
    let documents = provider.client_metadata.iter().map(|rules| &rules.access_token);
    let mut tokens = clients(root).map(|client| &client.access_token).chain(documents);
    if tokens.any(|token| token.claims.iter().any(|(name, _)| name.value == "groups")) {
        return;
    }
    let authorizations = root.apps.iter().filter_map(|app| match app {
        App::Bridge(app) => Some(&app.authorization),
        App::Proxy(app) => Some(&app.authorization),
        App::Client(_) | App::Llm(_) => None,
    });
    let points = authorizations.flat_map(|authorization| [&authorization.inbound, &authorization.listing]);
    for rego in points.filter_map(|point| point.opa.as_ref()?.rego.as_ref()) {
        if reads_groups(&rego.text) {
            let message =
                "the policy reads input.token.claims.groups, but no client's tokens have that claim";
            let hint = "write `accessToken: { claims: { groups: CONNECTOR.groups } }` for the client";
            compiler.report.warning(&rego.place, message, hint);
        }
    }
}

fn reads_groups(rego: &str) -> bool {
    let code = rego.lines().filter_map(|line| line.split('#').next());
    code.into_iter().any(|code| code.contains("input.token.claims.groups"))
}

fn clients(root: &Root) -> impl Iterator<Item = &ClientApp> {
    root.apps.iter().filter_map(|app| match app {
        App::Client(client) => Some(client.as_ref()),
        _ => None,
    })
}
