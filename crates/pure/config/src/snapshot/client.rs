//! Registered clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::delegation::MAX_DEPTH;
use gatehouse_identity::id::ClientId;
use gatehouse_oauth::client::{Client, ClientKind, ClientOrigin, ConsentMode, GrantType, RotationProfile};
use gatehouse_oauth::exchange::{ExchangeMode, ExchangeRules, ScopeMode, SubjectAudience};
use gatehouse_oauth::redirect::{RedirectSet, RegisteredRedirect};
use gatehouse_policy::Policy;

use super::compiler::Compiler;
use super::preset::{Registration, registration};
use super::{minting, policy};
use crate::document::Root;
use crate::document::app::App;
use crate::document::client::{ClientApp, Consent, Exchange, ExchangeScopes, Grant};
use crate::document::mcp::ExchangeKind;

/// A client and the policies that its tokens must pass.
pub struct RegisteredClient {
    /// What the authorization server knows about it.
    pub client: Client,
    /// Policies of access tokens; the first denial counts.
    pub access_token_policies: Vec<Policy>,
    /// Policies of ID tokens; the first denial counts.
    pub id_token_policies: Vec<Policy>,
}

pub(crate) fn compile_all(
    root: &Root,
    resources: &[Audience],
    compiler: &mut Compiler<'_>,
) -> BTreeMap<ClientId, Arc<RegisteredClient>> {
    let apps: Vec<&ClientApp> = root
        .apps
        .iter()
        .filter_map(|app| match app {
            App::Client(client) => Some(client.as_ref()),
            _ => None,
        })
        .collect();
    let mut clients = BTreeMap::new();
    for app in &apps {
        let minting = &app.authorization.token_minting;
        let registered = RegisteredClient {
            client: compile_client(app, &apps, resources, root, compiler),
            access_token_policies: policy::compile_list(&minting.access_token, compiler),
            id_token_policies: policy::compile_list(&minting.id_token, compiler),
        };
        clients.insert(registered.client.id.clone(), Arc::new(registered));
    }
    clients
}

fn compile_client(
    app: &ClientApp,
    apps: &[&ClientApp],
    resources: &[Audience],
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> Client {
    let preset = app.preset.map(registration);
    let kind = kind(app);
    let grant_types = grant_types(app, preset.as_ref());
    let redirects = redirects(app, preset.as_ref(), compiler);
    check_grants(app, kind, &grant_types, &redirects, compiler);
    let interactive = grant_types.contains(&GrantType::AuthorizationCode);
    let rotation = match &preset {
        Some(preset) => preset.rotation,
        None if kind == ClientKind::Public && redirects.iter().any(RegisteredRedirect::is_loopback) => {
            RotationProfile::ClaudeNative
        }
        None => RotationProfile::Strict,
    };
    let connectors = minting::sign_in_connectors(&app.authentication.idps, root, compiler);
    if interactive && connectors.is_empty() {
        compiler.report.error_with(&app.place, "nobody can sign in to this client", "add a connector");
    }
    let allowed_audiences = minting::audiences(&app.allowed_audiences);
    let scopes = minting::client_scopes(&app.custom_scopes.scopes, compiler);
    Client {
        id: ClientId::new(app.client_id.value.clone()),
        name: app.name.value.clone(),
        kind,
        secrets: app.credentials.secrets.iter().map(|secret| secret.value.clone()).collect(),
        refresh: grant_types
            .contains(&GrantType::RefreshToken)
            .then(|| minting::refresh_token(app.refresh_token.as_ref(), rotation))
            .flatten(),
        exchange: grant_types.contains(&GrantType::TokenExchange).then(|| {
            let own = if resources.is_empty() { sole_audience(app, apps, root) } else { resources.to_vec() };
            exchange_rules(app, own, compiler)
        }),
        redirects: RedirectSet::new(redirects),
        grant_types,
        default_audience: minting::default_audience(
            app.default_audience.as_ref(),
            &allowed_audiences,
            root,
            compiler,
        ),
        allowed_audiences,
        default_scopes: minting::default_scopes(app.default_scopes.as_ref(), &scopes, compiler),
        scopes,
        access_token: minting::access_token(&app.access_token, root, compiler),
        connectors: if interactive { connectors } else { Vec::new() },
        claims_mapping: minting::claims(&app.claims_mapping, &["sub"], root, compiler),
        origin: ClientOrigin::Registered,
        consent: match app.consent {
            Some(Consent::Always) => ConsentMode::EveryTime,
            Some(Consent::Never) => ConsentMode::Preapproved,
            Some(Consent::Remember) | None => ConsentMode::Remembered,
        },
    }
}

/// As written, else public for a preset without secrets, else confidential.
fn kind(app: &ClientApp) -> ClientKind {
    let unwritten = app.preset.is_some() && app.credentials.secrets.is_empty();
    if app.public.as_ref().map_or(unwritten, |public| public.value) {
        ClientKind::Public
    } else {
        ClientKind::Confidential
    }
}

/// As written, else those of the preset, else what a person's client needs.
fn grant_types(app: &ClientApp, preset: Option<&Registration>) -> BTreeSet<GrantType> {
    match (&app.grant_types, preset) {
        (Some(written), _) => written.iter().map(|grant| grant_type(grant.value)).collect(),
        (None, Some(preset)) => preset.grants.iter().copied().collect(),
        (None, None) => [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
    }
}

const fn grant_type(written: Grant) -> GrantType {
    match written {
        Grant::AuthorizationCode => GrantType::AuthorizationCode,
        Grant::RefreshToken => GrantType::RefreshToken,
        Grant::ClientCredentials => GrantType::ClientCredentials,
        Grant::TokenExchange => GrantType::TokenExchange,
    }
}

fn redirects(
    app: &ClientApp,
    preset: Option<&Registration>,
    compiler: &mut Compiler<'_>,
) -> Vec<RegisteredRedirect> {
    let mut redirects = Vec::new();
    for uri in preset.iter().flat_map(|preset| preset.redirects) {
        redirects.extend(RegisteredRedirect::parse(uri));
    }
    for uri in &app.redirect_urls {
        match RegisteredRedirect::parse(uri) {
            Ok(redirect) => redirects.push(redirect),
            Err(error) => compiler.report.error(&uri.place, error.to_string()),
        }
    }
    redirects
}

/// Kind, secrets, grants and redirects must fit each other.
fn check_grants(
    app: &ClientApp,
    kind: ClientKind,
    grants: &BTreeSet<GrantType>,
    redirects: &[RegisteredRedirect],
    compiler: &mut Compiler<'_>,
) {
    let report = &mut compiler.report;
    let secrets = app.place.child("credentials").child("secrets");
    match (kind, app.credentials.secrets.first()) {
        (ClientKind::Confidential, None) => {
            report.error_with(
                &secrets,
                "a confidential client needs a secret",
                "write `public: true` if it cannot keep one",
            );
        }
        (ClientKind::Public, Some(secret)) => {
            report.error_with(
                &secret.place,
                "a public client has no secret",
                "remove the secret, or `public: true`",
            );
        }
        _ => {}
    }
    let place = app.place.child("grantTypes");
    if grants.is_empty() {
        report.error(&place, "a client without grants can do nothing");
    }
    for grant in [GrantType::ClientCredentials, GrantType::TokenExchange] {
        if kind == ClientKind::Public && grants.contains(&grant) {
            report.error_with(
                &place,
                format!("`{grant}` needs a client that can keep a secret"),
                "remove `public: true`",
            );
        }
    }
    if grants.contains(&GrantType::AuthorizationCode) {
        if redirects.is_empty() && app.redirect_urls.is_empty() {
            let place = app.place.child("redirectURLs");
            report.error_with(
                &place,
                "the authorization_code grant needs a redirect URL",
                "or use a `preset`",
            );
        }
        let offline = app.refresh_token.as_ref().is_none_or(|token| token.allow_offline_access);
        if !grants.contains(&GrantType::RefreshToken) || !offline {
            let hint = "add refresh_token to grantTypes and allowOfflineAccess";
            report.warning(&place, "users sign in again whenever an access token expires", hint);
        }
    } else if grants.contains(&GrantType::RefreshToken) {
        report.error(&place, "refresh tokens come with the authorization_code grant only");
    }
    if app.token_exchange.is_some() && !grants.contains(&GrantType::TokenExchange) {
        let hint = format!("add `{}` to grantTypes", GrantType::TokenExchange);
        report.error_with(&app.place.child("tokenExchange"), "the client may not exchange tokens", hint);
    }
}

/// The audience of all tokens of people, where there is one only: then an authorization server that serves nothing
/// itself has one resource that it works for.
fn sole_audience(app: &ClientApp, apps: &[&ClientApp], root: &Root) -> Vec<Audience> {
    let others = apps.iter().filter(|other| other.client_id.value != app.client_id.value);
    let theirs = others.flat_map(|other| other.allowed_audiences.iter().chain(&other.default_audience));
    let documents = root.oidc_provider.iter().filter_map(|provider| provider.client_metadata.as_ref());
    let unregistered =
        documents.flat_map(|rules| rules.allowed_audiences.iter().chain(&rules.default_audience));
    let all = theirs.chain(unregistered).map(|audience| Audience::new(audience.value.clone()));
    let all: BTreeSet<Audience> = all.collect();
    if all.len() == 1 { all.into_iter().collect() } else { Vec::new() }
}

/// Unless it is written otherwise, a client may exchange tokens that are meant for `own`, for scopes that the token
/// has. What is meant for others it has no part in until somebody says so.
fn exchange_rules(app: &ClientApp, own: Vec<Audience>, compiler: &mut Compiler<'_>) -> ExchangeRules {
    let written: Option<&Exchange> = app.token_exchange.as_ref();
    let named = written
        .map(|exchange| minting::audiences(&exchange.subject_audiences))
        .filter(|named| !named.is_empty());
    let subjects = named.unwrap_or(own);
    if subjects.is_empty() {
        let message = "this client can exchange no token: it is not clear which are meant for it";
        let hint = "name the audiences of the tokens that it gets in `tokenExchange.subjectAudiences`";
        compiler.report.warning(&app.place.child("tokenExchange"), message, hint);
    }
    let scopes = match written.map(|exchange| (exchange.scopes, exchange)) {
        None | Some((ExchangeScopes::Subset, _)) => ScopeMode::Subset,
        Some((ExchangeScopes::Explicit, _)) => ScopeMode::Explicit,
        Some((ExchangeScopes::Mapped, exchange)) => {
            if exchange.scope_map.0.is_empty() {
                compiler.report.error(&exchange.place.child("scopeMap"), "`scopes: mapped` needs a map");
            }
            let targets = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
            ScopeMode::Mapped(
                exchange.scope_map.iter().map(|(from, to)| (from.value.clone(), targets(to))).collect(),
            )
        }
    };
    if let Some(exchange) = written.filter(|exchange| exchange.scopes != ExchangeScopes::Mapped)
        && !exchange.scope_map.0.is_empty()
    {
        compiler.report.error(&exchange.place.child("scopeMap"), "a map is used with `scopes: mapped` only");
    }
    ExchangeRules {
        mode: match written.map_or(ExchangeKind::Delegation, |exchange| exchange.kind) {
            ExchangeKind::Delegation => ExchangeMode::Delegation,
            ExchangeKind::Impersonation => ExchangeMode::Impersonation,
        },
        subjects: SubjectAudience::Named(subjects),
        scopes,
        max_lifetime: app.access_token.lifetime.0,
        max_depth: MAX_DEPTH - 1,
    }
}
