//! Whose tokens a gateway accepts.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::groups::IncompleteGroups;
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::verify::TokenType;
use gatehouse_identity::principal::ClaimRules;
use url::Url;

use super::compiler::Compiler;
use super::discovery::{self, Discovery};
use super::issuer::{is_entra, issuer_of};
use super::origin::is_loopback;
use super::tls::TlsProfile;
use crate::document::Root;
use crate::document::algorithm::KeyAlgorithm;
use crate::document::app::App;
use crate::document::resource_server::{
    AcceptedToken, OauthProtection, OnIncompleteGroups, TrustedServer as WrittenServer,
};
use crate::document::spot::Placed;

/// How one gateway is protected.
#[derive(Clone)]
pub struct Protection {
    /// Where the metadata of the resource is (RFC 9728 §3).
    pub metadata_path: String,
    /// The authorization servers whose tokens are accepted, in the order they are advertised.
    pub servers: Vec<TrustedServer>,
}

/// An authorization server whose tokens are accepted.
#[derive(Clone)]
pub struct TrustedServer {
    /// Its identifier, as far as it is configured: what its metadata states is `iss` of its tokens.
    pub issuer: ExpectedIssuer,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The accepted `aud` values, at least one.
    pub audiences: Vec<Audience>,
    /// The algorithms that it may sign with.
    pub algorithms: Vec<Algorithm>,
    /// What its tokens must be.
    pub token_type: TokenType,
    /// How far its clock may be off.
    pub clock_skew: Duration,
    /// The longest life of a token that is accepted.
    pub max_lifetime: Duration,
    /// Which claims name the user and the groups.
    pub claims: ClaimRules,
    /// The clients whose ID tokens of this server are accepted besides.
    pub id_tokens_of: Vec<Audience>,
    /// What becomes of people whose groups it left out.
    pub incomplete_groups: IncompleteGroups,
}

/// Where the keys of an authorization server come from.
#[derive(Clone)]
pub enum KeySource {
    /// This process: nothing is fetched.
    Local,
    /// Its metadata document.
    Remote {
        /// The document.
        discovery: Discovery,
        /// How long it is good.
        refresh_interval: Duration,
        /// How its certificate is checked.
        tls: Option<Arc<TlsProfile>>,
    },
}

/// What a gateway is, as far as its protection goes.
pub(crate) struct Gateway<'a> {
    /// Its resource URL.
    pub(crate) resource: &'a str,
    /// Whether ID tokens may be accepted.
    pub(crate) id_tokens: bool,
    /// Our own clients, whose ID tokens of ours may be accepted, and the audiences that each may ask for by name.
    pub(crate) clients: Vec<(Audience, Vec<Audience>)>,
}

/// The longest leeway that makes sense.
const MAX_SKEW: Duration = Duration::from_mins(5);
/// How long a token may live at most, unless configured.
const USUAL_LIFETIME: Duration = Duration::from_hours(24);
/// A token that lives for longer is a key.
const MAX_LIFETIME: Duration = Duration::from_hours(24 * 366);

pub(crate) fn compile(
    written: &OauthProtection,
    gateway: &Gateway<'_>,
    compiler: &mut Compiler<'_>,
) -> Option<Protection> {
    if !written.enabled.value {
        compiler.report.error_with(
            &written.enabled.place,
            "callers are always authenticated",
            "set it to true and list the authorization server under `servers`",
        );
        return None;
    }
    let servers: Vec<TrustedServer> =
        written.servers.iter().filter_map(|server| compile_server(server, gateway, compiler)).collect();
    if !written.servers.is_empty() {
        return Some(Protection { metadata_path: written.metadata_path.0.clone(), servers });
    }
    let Some(issuer) = compiler.issuer.clone() else {
        let place = written.place.child("servers");
        compiler.report.error(&place, "list at least one authorization server: there is none in this file");
        return None;
    };
    let local = TrustedServer {
        issuer: ExpectedIssuer::Exactly(issuer),
        keys: KeySource::Local,
        audiences: vec![Audience::new(gateway.resource)],
        algorithms: Algorithm::ALL.to_vec(),
        token_type: TokenType::AccessTokenStrict,
        clock_skew: Duration::from_secs(15),
        max_lifetime: USUAL_LIFETIME,
        claims: ClaimRules { of_gatehouse: true, ..ClaimRules::default() },
        id_tokens_of: Vec::new(),
        incomplete_groups: IncompleteGroups::Allow,
    };
    Some(Protection { metadata_path: written.metadata_path.0.clone(), servers: vec![local] })
}

fn compile_server(
    server: &WrittenServer,
    gateway: &Gateway<'_>,
    compiler: &mut Compiler<'_>,
) -> Option<TrustedServer> {
    let issuer = issuer_of(&server.well_known, server.issuer.as_ref(), compiler)?;
    let local = compiler.issuer.as_ref() == Some(issuer.as_configured());
    let tls = compiler.tls_profile(server.tls.as_ref());
    if !local && server.well_known.scheme() != "https" && !is_loopback(&server.well_known) {
        compiler.report.error(&server.well_known.place, "keys are fetched over https only");
    }
    let jwt = &server.token_validation.jwt;
    if jwt.clock_skew.value > MAX_SKEW {
        compiler
            .report
            .error(&jwt.clock_skew.place, "expected at most 5m: a longer skew revives expired tokens");
    }
    let max_lifetime = lifetime(&jwt.max_lifetime, compiler);
    let mut audiences = vec![Audience::new(gateway.resource)];
    for audience in &server.token_validation.expected_audiences {
        let audience = Audience::new(audience.value.clone());
        if !audiences.contains(&audience) {
            audiences.push(audience);
        }
    }
    let algorithms = match jwt.algorithms.as_slice() {
        [] => Algorithm::ALL.to_vec(),
        named => named.iter().copied().map(KeyAlgorithm::jose).collect(),
    };
    let discovery = discovery::compile(&server.well_known, &server.allowed_hosts, compiler);
    let keys = if local {
        KeySource::Local
    } else {
        KeySource::Remote { discovery, refresh_interval: server.refresh_interval, tls }
    };
    let id_tokens_of = match keys {
        KeySource::Local => own_id_tokens(jwt.token_type.as_ref(), &audiences, gateway, compiler),
        KeySource::Remote { .. } => Vec::new(),
    };
    Some(TrustedServer {
        id_tokens_of,
        token_type: token_type(jwt.token_type.as_ref(), local, gateway, compiler)?,
        claims: claim_rules(server, &issuer, local),
        clock_skew: jwt.clock_skew.value,
        max_lifetime,
        // Whether such people may come in was decided when they signed in here.
        incomplete_groups: if local {
            IncompleteGroups::Allow
        } else {
            incomplete(server.on_incomplete_groups)
        },
        issuer,
        keys,
        audiences,
        algorithms,
    })
}

/// The clients whose ID tokens of ours count beside our access tokens: those that may ask for an access token of one of
/// `audiences` by name. An ID token is for its client, so it opens nothing that the client could not open anyway.
fn own_id_tokens(
    written: Option<&Placed<AcceptedToken>>,
    audiences: &[Audience],
    gateway: &Gateway<'_>,
    compiler: &mut Compiler<'_>,
) -> Vec<Audience> {
    let Some(wanted) = written.filter(|word| word.value == AcceptedToken::Either && gateway.id_tokens) else {
        return Vec::new();
    };
    let may = |allowed: &[Audience]| allowed.iter().any(|audience| audiences.contains(audience));
    let clients = gateway.clients.iter().filter(|(_, allowed)| may(allowed));
    let clients: Vec<Audience> = clients.map(|(client, _)| client.clone()).collect();
    if clients.is_empty() {
        let message =
            "an ID token of ours is accepted from clients that may use this gateway, and there is none";
        let hint = format!("add {} to the client's `allowedAudiences`", gateway.resource);
        compiler.report.error_with(&wanted.place, message, hint);
    }
    clients
}

/// ID tokens open the LLM gateway only. Our own are a matter of their own: see [`own_id_tokens`].
fn token_type(
    written: Option<&Placed<AcceptedToken>>,
    local: bool,
    gateway: &Gateway<'_>,
    compiler: &mut Compiler<'_>,
) -> Option<TokenType> {
    match written {
        Some(word) if word.value != AcceptedToken::AccessToken && !gateway.id_tokens => {
            let message = "an ID token is accepted by the LLM gateway only";
            compiler.report.error_with(&word.place, message, "use `accessToken`");
            None
        }
        Some(word) if local && word.value == AcceptedToken::IdToken => {
            let message = "access tokens of ours are accepted wherever our ID tokens are";
            compiler.report.error_with(&word.place, message, "use `either`");
            None
        }
        _ if local => Some(TokenType::AccessTokenStrict),
        Some(word) => Some(match word.value {
            AcceptedToken::AccessToken => TokenType::AccessToken,
            AcceptedToken::IdToken => TokenType::IdToken,
            AcceptedToken::Either => TokenType::Either,
        }),
        None if gateway.id_tokens => Some(TokenType::Either),
        None => Some(TokenType::AccessToken),
    }
}

/// `oid` for Entra ID, whose `sub` differs from app to app; `sub` elsewhere. It is known by its issuer, wherever its
/// document is read.
fn claim_rules(server: &WrittenServer, issuer: &ExpectedIssuer, local: bool) -> ClaimRules {
    let defaults = ClaimRules::default();
    let issuer = Url::parse(issuer.as_configured().as_str()).ok();
    let entra =
        [server.well_known.host_str(), issuer.as_ref().and_then(Url::host_str)].into_iter().any(is_entra);
    let user = server.user_claim.clone().unwrap_or(if entra { "oid".into() } else { defaults.user });
    let groups = server.groups_claim.clone().unwrap_or(defaults.groups);
    ClaimRules { user, groups, of_gatehouse: local || server.gatehouse }
}

/// The longest life of a token, within reason.
pub(crate) fn lifetime(written: &Placed<Duration>, compiler: &mut Compiler<'_>) -> Duration {
    if written.is_zero() || written.value > MAX_LIFETIME {
        compiler.report.error(&written.place, "expected more than zero and at most 366 days (`8784h`)");
    }
    written.value
}

/// What is written as what it means.
pub(crate) fn incomplete(written: OnIncompleteGroups) -> IncompleteGroups {
    match written {
        OnIncompleteGroups::Deny => IncompleteGroups::Deny,
        OnIncompleteGroups::Allow => IncompleteGroups::Allow,
    }
}

/// The URLs of the resources that this process itself protects.
pub(crate) fn own_resources(root: &Root, origin: &str) -> Vec<Audience> {
    let mut resources = Vec::new();
    if let Some(provider) = root.mcp_provider.as_ref().filter(|provider| provider.enabled) {
        let endpoint = format!("{origin}{}", provider.path());
        let apps = root.apps.iter().filter(|app| matches!(app, App::Bridge(_) | App::Proxy(_)));
        let apps = apps.map(|app| Audience::new(format!("{endpoint}/{}", app.name().value)));
        resources.extend(apps.collect::<Vec<_>>());
        resources.insert(0, Audience::new(endpoint));
    }
    if let Some(provider) = root.llm_provider.as_ref().filter(|provider| provider.enabled) {
        resources.push(Audience::new(format!("{origin}{}", provider.path.0)));
    }
    resources
}
