//! The credential that upstream requests carry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::ClientId;
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;

use super::compiler::Compiler;
use super::discovery::{self, Discovery};
use super::issuer::issuer_of;
use super::scopes::scopes;
use super::tls::TlsProfile;
use crate::document::Root;
use crate::document::app::App;
use crate::document::client::{ClientApp, Grant};
use crate::document::connector::{Connector, OidcConnector};
use crate::document::mcp::{AppAuthorization, Outbound as Written, OutboundKind, TokenExchange};
use crate::document::spot::Placed;

pub use crate::document::mcp::ExchangeKind;

/// The credential that upstream requests carry; an inbound credential never is.
pub enum Outbound {
    /// A token of its own for every call (RFC 8693).
    TokenExchange(Exchange),
    /// One configured header.
    Static {
        /// Its name, lower case.
        header: String,
        /// Its value.
        value: Secret,
    },
    /// The gateway's own token.
    ClientCredentials {
        /// Who issues it.
        authority: Authority,
        /// For whom.
        audience: Option<Audience>,
        /// With what.
        scopes: ScopeSet,
    },
    /// None.
    Unprotected,
}

/// Token exchange per call.
pub struct Exchange {
    /// Whether the token names the actors.
    pub kind: ExchangeKind,
    /// Who issues it.
    pub authority: Authority,
    /// For whom.
    pub audience: Option<Audience>,
    /// What is written for single tools, by bare name; others get the authority's defaults.
    pub tools: BTreeMap<String, ToolRule>,
}

/// What the tokens of one tool may do.
#[derive(Clone, Debug)]
pub struct ToolRule {
    /// Their life; `None` for the authority's choice.
    pub lifetime: Option<Duration>,
    /// Their scopes.
    pub scopes: ScopeSet,
}

/// The authorization server that issues an outbound token, and who we are there.
pub struct Authority {
    /// Its identifier.
    pub issuer: ExpectedIssuer,
    /// Our client id there.
    pub client_id: ClientId,
    /// How it is reached.
    pub reach: Reach,
}

/// How an [`Authority`] is reached.
pub enum Reach {
    /// It is this process: tokens are minted without a request.
    Local,
    /// Over HTTP.
    Remote {
        /// Its metadata document.
        discovery: Discovery,
        /// Our client secret there.
        client_secret: Secret,
        /// How its certificate is checked.
        tls: Option<Arc<TlsProfile>>,
    },
}

impl Outbound {
    /// Whether requests carry anything worth stealing.
    pub fn carries_credential(&self) -> bool {
        !matches!(self, Self::Unprotected)
    }
}

pub(crate) fn compile(
    authorization: &AppAuthorization,
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> Option<Outbound> {
    let Some(written) = &authorization.outbound else {
        let hint = "write `type: tokenExchange`, or `type: unprotected` if the upstream takes no credential";
        compiler.report.error_with(
            &authorization.place.child("outbound"),
            "this key is required and missing",
            hint,
        );
        return None;
    };
    check_sections(written, compiler);
    match (
        written.kind.value,
        &written.token_exchange,
        &written.static_credential,
        &written.client_credentials,
    ) {
        (OutboundKind::Unprotected, ..) => Some(Outbound::Unprotected),
        (OutboundKind::TokenExchange, Some(exchange), ..) => compile_exchange(exchange, root, compiler),
        (OutboundKind::Static, _, Some(credential), _) => {
            let header = credential.header.to_lowercase();
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if !header.chars().all(token)
                || matches!(header.as_str(), "host" | "connection" | "content-length" | "cookie")
            {
                compiler.report.error(&credential.header.place, "not a header that can carry a credential");
            }
            if !credential.value.expose().bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte)) {
                compiler.report.error(&credential.value.place, "a header value holds visible ASCII only");
            }
            Some(Outbound::Static { header, value: credential.value.value.clone() })
        }
        (OutboundKind::ClientCredentials, _, _, Some(credentials)) => {
            let authority = authority(&credentials.idp, Grant::ClientCredentials, root, compiler)?;
            let scopes = scopes(&credentials.scopes, compiler);
            check_registered(&authority, credentials.audience.as_ref(), root, compiler);
            Some(Outbound::ClientCredentials {
                authority,
                audience: audience(credentials.audience.as_ref()),
                scopes,
            })
        }
        _ => {
            let message = "the section that belongs to this type is missing";
            compiler.report.error(&written.kind.place, message);
            None
        }
    }
}

/// A section for another type than the written one is a mistake.
fn check_sections(written: &Written, compiler: &mut Compiler<'_>) {
    let kind = written.kind.value;
    let sections = [
        ("tokenExchange", written.token_exchange.is_some(), OutboundKind::TokenExchange),
        ("static", written.static_credential.is_some(), OutboundKind::Static),
        ("clientCredentials", written.client_credentials.is_some(), OutboundKind::ClientCredentials),
    ];
    for (key, present, needed) in sections {
        if present && kind != needed {
            compiler.report.error(&written.place.child(key), format!("used with `type: {key}` only"));
        }
    }
}

fn compile_exchange(written: &TokenExchange, root: &Root, compiler: &mut Compiler<'_>) -> Option<Outbound> {
    let authority = authority(&written.idp, Grant::TokenExchange, root, compiler);
    let mut tools = BTreeMap::new();
    for tool in &written.tools {
        if let Some(ttl) = tool.ttl.as_ref().filter(|ttl| ttl.is_zero()) {
            compiler.report.error(&ttl.place, "expected longer than zero");
        }
        let lifetime = tool.ttl.as_ref().map(|ttl| ttl.value);
        let rule = ToolRule { lifetime, scopes: scopes(&tool.scopes, compiler) };
        if tools.insert(tool.name.value.clone(), rule).is_some() {
            compiler.report.error(&tool.name.place, format!("another rule is for `{}`", tool.name.value));
        }
    }
    let authority = authority?;
    check_registered(&authority, written.audience.as_ref(), root, compiler);
    check_audience(&authority, written, root, compiler);
    let audience = audience(written.audience.as_ref());
    Some(Outbound::TokenExchange(Exchange { kind: written.kind, authority, audience, tools }))
}

fn audience(written: Option<&Placed<String>>) -> Option<Audience> {
    written.map(|audience| Audience::new(audience.value.clone()))
}

/// The authorization server behind the connector `name`.
fn authority(
    name: &Placed<String>,
    grant: Grant,
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> Option<Authority> {
    let connector = oidc_connector(name, root, compiler)?;
    let issuer = issuer_of(&connector.well_known, connector.issuer.as_ref(), compiler)?;
    let client_id = ClientId::new(connector.client_id.clone());
    if compiler.issuer.as_ref() == Some(issuer.as_configured()) {
        match registered(&client_id, root) {
            Some(client) if may_use(client, grant) => {}
            Some(client) => {
                let message = format!("the client `{client_id}` may not use the grant that this needs");
                compiler.report.error_with(&client.place.child("grantTypes"), message, "add the grant");
            }
            None => {
                let message = format!(
                    "no oidc app has the client id `{client_id}`, which connector `{}` uses",
                    name.value
                );
                compiler.report.error(&name.place, message);
            }
        }
        return Some(Authority { issuer, client_id, reach: Reach::Local });
    }
    let Some(secret) = &connector.client_secret else {
        let place = connector.place.child("oauthClientSecret");
        compiler.report.error(&place, "tokens are exchanged by a client with a secret; this key is missing");
        return None;
    };
    let reach = Reach::Remote {
        discovery: discovery::compile(&connector.well_known, &connector.allowed_hosts, compiler),
        client_secret: secret.value.clone(),
        tls: compiler.tls_profile(connector.tls.as_ref()),
    };
    Some(Authority { issuer, client_id, reach })
}

fn oidc_connector<'a>(
    name: &Placed<String>,
    root: &'a Root,
    compiler: &mut Compiler<'_>,
) -> Option<&'a OidcConnector> {
    let oidc: Vec<&OidcConnector> = root
        .connectors
        .iter()
        .filter_map(|connector| match connector {
            Connector::Oidc(oidc) => Some(oidc.as_ref()),
            Connector::Local(_) => None,
        })
        .collect();
    let found = oidc.iter().copied().find(|connector| connector.name.value == name.value);
    if found.is_none() {
        let known: Vec<&str> = oidc.iter().map(|connector| connector.name.as_str()).collect();
        compiler.dangling(name, "oidc connector", &known);
    }
    found
}

fn registered<'a>(client_id: &ClientId, root: &'a Root) -> Option<&'a ClientApp> {
    root.apps.iter().find_map(|app| match app {
        App::Client(client) if client.client_id.value == client_id.as_str() => Some(client.as_ref()),
        _ => None,
    })
}

fn may_use(client: &ClientApp, grant: Grant) -> bool {
    client.grant_types.iter().flatten().any(|written| written.value == grant)
}

/// With the authorization server in this file, an exchange for nobody in particular is refused at every call.
fn check_audience(authority: &Authority, written: &TokenExchange, root: &Root, compiler: &mut Compiler<'_>) {
    let (Reach::Local, None) = (&authority.reach, &written.audience) else { return };
    let Some(client) = registered(&authority.client_id, root) else { return };
    if client.default_audience.is_none() && client.allowed_audiences.len() != 1 {
        let message = format!(
            "it is not clear whom the token is for: the client `{}` has no default audience",
            authority.client_id
        );
        let hint = "write the URL of the upstream to `audience`";
        compiler.report.warning(&written.place.child("audience"), message, hint);
    }
}

/// With the authorization server in this file, an audience that it would refuse is refused now.
fn check_registered(
    authority: &Authority,
    audience: Option<&Placed<String>>,
    root: &Root,
    compiler: &mut Compiler<'_>,
) {
    let (Reach::Local, Some(audience)) = (&authority.reach, audience) else { return };
    let Some(client) = registered(&authority.client_id, root) else { return };
    if !client.allowed_audiences.is_empty()
        && !client.allowed_audiences.iter().any(|one| one.value == audience.value)
    {
        let message = format!("the client `{}` may not have this audience", authority.client_id);
        compiler.report.error_with(&audience.place, message, "add it to the app's allowedAudiences");
    }
}
