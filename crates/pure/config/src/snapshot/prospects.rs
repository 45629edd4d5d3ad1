//! What a client will meet: a configuration that runs and serves nobody is told of before anybody tries.

use gatehouse_oauth::claims::ClaimExpression;
use url::Url;

use super::compiler::Compiler;
use super::issuer::implied_issuer;
use super::origin::origin_of;
use crate::document::Root;
use crate::document::app::App;
use crate::document::client::{ClientApp, Grant};
use crate::document::resource_server::{OauthProtection, TrustedServer};
use crate::document::spot::Placed;

pub(crate) fn check(root: &Root, compiler: &mut Compiler<'_>) {
    if let Some(mcp) = root.mcp_provider.as_ref().filter(|provider| provider.enabled) {
        check_servers(&mcp.authorization.oauth, compiler);
    }
    let llm = root.llm_provider.as_ref().filter(|provider| provider.enabled);
    if let Some(oauth) = llm.and_then(|provider| provider.authorization.oauth.as_ref()) {
        check_servers(oauth, compiler);
    }
    for app in &root.apps {
        if let App::Client(client) = app {
            check_claims(client, compiler);
        }
    }
}

/// Only tokens of a sign-in have claims about the person: whoever exchanges one gets the subject and nothing more of it, and
/// a client that acts for itself acts for nobody.
fn check_claims(client: &ClientApp, compiler: &mut Compiler<'_>) {
    let signs_in =
        |grants: &Vec<Placed<Grant>>| grants.iter().any(|grant| grant.value == Grant::AuthorizationCode);
    if client.grant_types.as_ref().is_none_or(signs_in) {
        return;
    }
    for (name, written) in client.access_token.claims.iter() {
        if ClaimExpression::parse(written).is_ok_and(|claim| claim.is_of_a_person()) {
            let message = format!(
                "no token of this client has the claim `{}`: nobody signs in to it, and exchanged tokens have no \
                 attributes of people",
                name.value
            );
            let hint = "read the claims of the presented token in a token minting policy: `input.subject_token.claims`";
            compiler.report.warning(&written.place, message, hint);
        }
    }
}

/// Clients are sent to the servers of a gateway. That one of them is the issuer of this file under another scheme, port
/// or name of this computer, and none is the issuer itself, is not meant.
fn check_servers(protection: &OauthProtection, compiler: &mut Compiler<'_>) {
    let Some(issuer) = compiler.issuer.clone() else { return };
    let is_ours = |server: &TrustedServer| match &server.issuer {
        Some(stated) => stated.value == issuer.as_str(),
        None => implied_issuer(&server.well_known).is_some_and(|implied| implied.accepts(issuer.as_str())),
    };
    let Some(ours) = Url::parse(issuer.as_str()).ok() else { return };
    if protection.servers.iter().any(is_ours) {
        return;
    }
    let mut urls = protection.servers.iter().map(|server| &server.well_known);
    if let Some(url) = urls.find(|url| is_alike(url, &ours)) {
        let message =
            format!("clients are sent to {}, but the issuer of this file is {issuer}", origin_of(url));
        let hint = "write the metadata URL of that issuer, or leave `servers` out";
        compiler.report.warning(&url.place, message, hint);
    }
}

/// Whether two addresses differ in scheme, port or the name of this computer only.
fn is_alike(one: &Url, other: &Url) -> bool {
    one.host_str() == other.host_str()
        || (super::origin::is_loopback(one) && super::origin::is_loopback(other))
}
