//! Claims, scopes and token lifetimes of clients.

use std::collections::BTreeSet;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::ConnectorName;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::claims::{ClaimExpression, is_protected};
use gatehouse_oauth::client::{AccessTokenProfile, RefreshCondition, RefreshProfile, RotationProfile};

use super::compiler::Compiler;
use super::issuer::is_own;
use super::scopes::{STANDARD_SCOPES, scopes};
use crate::document::Root;
use crate::document::algorithm::KeyAlgorithm;
use crate::document::app::App;
use crate::document::client::{AccessToken, RefreshToken};
use crate::document::connector::Connector;
use crate::document::scalar::Seconds;
use crate::document::scope::ScopeName;
use crate::document::spot::{Entries, Placed};

/// The life of a refresh family when none is written.
const REFRESH_LIFETIME: Seconds = Seconds::new(2_592_000);

pub(crate) fn access_token(
    written: &AccessToken,
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> AccessTokenProfile {
    AccessTokenProfile {
        lifetime: written.lifetime.0,
        algorithm: written.algorithm.map(KeyAlgorithm::jose),
        claims: claims(&written.claims, &[], root, compiler),
    }
}

/// `None` when no refresh token is ever issued.
pub(crate) fn refresh_token(
    written: Option<&RefreshToken>,
    rotation: RotationProfile,
) -> Option<RefreshProfile> {
    if written.is_some_and(|token| !token.allow_offline_access) {
        return None;
    }
    Some(RefreshProfile {
        lifetime: written.map_or(REFRESH_LIFETIME, |token| token.lifetime).0,
        idle_lifetime: written.and_then(|token| token.idle_timeout.as_ref()).map(|timeout| timeout.value),
        rotation,
        condition: RefreshCondition::Always,
    })
}

/// Audiences as written.
pub(crate) fn audiences(written: &[Placed<String>]) -> Vec<Audience> {
    written.iter().map(|audience| Audience::new(audience.value.clone())).collect()
}

/// The audience of requests that name none: as written, else the MCP gateway of this process where the client may
/// call it.
pub(crate) fn default_audience(
    written: Option<&Placed<String>>,
    allowed: &[Audience],
    root: &Root,
    compiler: &Compiler<'_>,
) -> Option<Audience> {
    if let Some(written) = written {
        return Some(Audience::new(written.value.clone()));
    }
    let provider = root.mcp_provider.as_ref().filter(|provider| provider.enabled)?;
    let gateway = Audience::new(format!("{}{}", compiler.origin, provider.path()));
    (allowed.is_empty() || allowed.contains(&gateway)).then_some(gateway)
}

/// Claims by name. Those that only the issuer writes are refused, except the ones in `allowed`.
pub(crate) fn claims(
    written: &Entries<Placed<String>>,
    allowed: &[&str],
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> Vec<(String, ClaimExpression)> {
    let connectors: Vec<&str> = root.connectors.iter().map(|connector| connector.name().as_str()).collect();
    let mut claims = Vec::new();
    for (name, source) in written.iter() {
        if is_protected(name) && !allowed.contains(&name.as_str()) {
            let message = format!("the claim `{}` is written by the issuer alone", name.value);
            compiler.report.error_with(&name.place, message, "choose another name");
        }
        match ClaimExpression::parse(source) {
            Ok(expression) => {
                if let Some(connector) = expression.connector()
                    && !connectors.contains(&connector)
                {
                    let named = Placed { value: connector.to_owned(), place: source.place.clone() };
                    compiler.dangling(&named, "connector", &connectors);
                }
                claims.push((name.value.clone(), expression));
            }
            Err(error) => compiler.report.error(&source.place, error.to_string()),
        }
    }
    claims
}

/// The attributes of people of `connector` that the claims of any client are made from.
pub(crate) fn attributes_of(connector: &ConnectorName, root: &Root) -> BTreeSet<String> {
    let clients = root.apps.iter().filter_map(|app| match app {
        App::Client(client) => Some([&client.claims_mapping, &client.access_token.claims]),
        _ => None,
    });
    let documents = root.oidc_provider.iter().filter_map(|provider| provider.client_metadata.as_ref());
    let documents = documents.map(|rules| [&rules.claims_mapping, &rules.access_token.claims]);
    let written = clients.chain(documents).flatten().flat_map(Entries::iter);
    let attribute = |source: &Placed<String>| {
        let expression = ClaimExpression::parse(source).ok()?;
        expression.attribute_of(connector.as_str()).map(str::to_owned)
    };
    written.filter_map(|(_, source)| attribute(source)).collect()
}

/// The standard scopes and the written ones.
pub(crate) fn client_scopes(written: &[ScopeName], compiler: &mut Compiler<'_>) -> ScopeSet {
    let standard = ScopeSet::parse(STANDARD_SCOPES).unwrap_or(ScopeSet::none());
    standard.union(&scopes(written, compiler))
}

/// The scopes of a request that names none, each of which the client may have; `None` for all of them.
pub(crate) fn default_scopes(
    written: Option<&Placed<Vec<Placed<String>>>>,
    possible: &ScopeSet,
    compiler: &mut Compiler<'_>,
) -> Option<ScopeSet> {
    let written = written?;
    if written.is_empty() {
        let hint = "name one, or leave the key out";
        compiler.report.error_with(&written.place, "a request without scope would get none", hint);
    }
    let mut defaults = ScopeSet::none();
    for scope in written.iter() {
        match ScopeSet::parse(scope) {
            Ok(one) if one.iter().count() == 1 && one.is_subset(possible) => defaults = defaults.union(&one),
            Ok(one) if one.iter().count() == 1 => {
                let message = format!("clients here may not have the scope `{}`", scope.value);
                compiler.report.error_with(&scope.place, message, "add it to `customScopes`");
            }
            Ok(_) => compiler.report.error(&scope.place, "one scope name, without spaces"),
            Err(error) => compiler.report.error(&scope.place, error.to_string()),
        }
    }
    Some(defaults)
}

/// Names of connectors that can sign people in: the listed ones, else all there are.
pub(crate) fn sign_in_connectors(
    listed: &[Placed<String>],
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> Vec<ConnectorName> {
    let own = compiler.issuer.clone();
    let usable = |connector: &&Connector| match connector {
        Connector::Local(_) => true,
        // A connector to ourselves only exchanges tokens.
        Connector::Oidc(oidc) => !is_own(oidc, own.as_ref()),
    };
    let known: Vec<&str> =
        root.connectors.iter().filter(usable).map(|connector| connector.name().as_str()).collect();
    if listed.is_empty() {
        return known.into_iter().map(ConnectorName::new).collect();
    }
    let mut names = Vec::new();
    for name in listed {
        if known.contains(&name.as_str()) {
            names.push(ConnectorName::new(name.value.clone()));
        } else {
            compiler.dangling(name, "connector", &known);
        }
    }
    names
}
