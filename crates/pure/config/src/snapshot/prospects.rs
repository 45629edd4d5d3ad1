//! What a client will meet: a configuration that runs and serves nobody is told of before anybody tries.

use url::Url;

use super::compiler::{Compiler, origin_of};
use super::issuer::implied_issuer;
use crate::document::Root;
use crate::document::app::App;
use crate::document::client::{ClientApp, Grant};
use crate::document::resource_server::{OauthProtection, TrustedServer};

/// Whether the callers of a gateway may well have their tokens from somebody else than this file's issuer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Elsewhere {
    /// Model calls with tokens of the company's identity provider.
    Usual,
    /// MCP clients, which are sent to sign in.
    Odd,
}

pub(crate) fn check(root: &Root, compiler: &mut Compiler<'_>) {
    let mcp = root.mcp_provider.as_ref().filter(|provider| provider.enabled);
    let llm = root.llm_provider.as_ref().filter(|provider| provider.enabled);
    if let Some(mcp) = mcp {
        check_servers(&mcp.authorization.oauth, Elsewhere::Odd, compiler);
    }
    if let Some(oauth) = llm.and_then(|provider| provider.authorization.oauth.as_ref()) {
        check_servers(oauth, Elsewhere::Usual, compiler);
    }
    let issues = root.oidc_provider.as_ref().is_some_and(|provider| provider.enabled);
    if issues && mcp.is_none() && llm.is_none() {
        check_audiences(root, compiler);
    }
}

/// Clients are sent to the first server of a gateway. That it is another than the one in this file is rarely meant, and
/// hardly ever where it is the same under another host name or port.
fn check_servers(protection: &OauthProtection, elsewhere: Elsewhere, compiler: &mut Compiler<'_>) {
    let Some(issuer) = compiler.issuer.clone() else { return };
    let is_ours = |server: &TrustedServer| match &server.issuer {
        Some(stated) => stated.value == issuer.as_str(),
        None => implied_issuer(&server.well_known).is_some_and(|implied| implied.accepts(issuer.as_str())),
    };
    let Some(first) = protection.servers.first() else { return };
    if protection.servers.iter().any(is_ours) {
        return;
    }
    let ours = Url::parse(issuer.as_str()).ok();
    let mut urls = protection.servers.iter().map(|server| &server.well_known);
    let alike = urls.find(|url| ours.as_ref().is_some_and(|ours| is_alike(url, ours)));
    let (place, message) = match alike {
        Some(url) => {
            let message =
                format!("clients are sent to {}, but the issuer of this file is {issuer}", origin_of(url));
            (&url.place, message)
        }
        None if elsewhere == Elsewhere::Usual => return,
        None => {
            let message = format!("tokens of the issuer of this file, {issuer}, are not accepted here");
            (&first.well_known.place, message)
        }
    };
    let hint = "write the metadata URL of that issuer, or leave `servers` out";
    compiler.report.warning(place, message, hint);
}

/// Whether two addresses differ in scheme, port or the name of this computer only.
fn is_alike(one: &Url, other: &Url) -> bool {
    one.host_str() == other.host_str()
        || (super::compiler::is_loopback(one) && super::compiler::is_loopback(other))
}

/// An authorization server that protects nothing itself has no audience of its own to give.
fn check_audiences(root: &Root, compiler: &mut Compiler<'_>) {
    let clients = root.apps.iter().filter_map(|app| match app {
        App::Client(client) => Some(client.as_ref()),
        _ => None,
    });
    for client in
        clients.filter(|client| client.allowed_audiences.is_empty() && client.default_audience.is_none())
    {
        if asks_for_access(client) {
            let message = "this client can get no access token: there is no audience that it may ask for";
            let hint = "write the URL of what it calls to `allowedAudiences`";
            compiler.report.warning(&client.place, message, hint);
        }
    }
}

/// Whether its grants, as written or by default, end in access tokens for others.
fn asks_for_access(client: &ClientApp) -> bool {
    client.grant_types.as_ref().is_none_or(|grants| {
        grants.iter().any(|grant| {
            matches!(grant.value, Grant::AuthorizationCode | Grant::ClientCredentials | Grant::TokenExchange)
        })
    })
}
