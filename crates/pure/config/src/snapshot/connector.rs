//! Connectors: where people sign in, and whom tokens are exchanged with.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::groups::IncompleteGroups;
use gatehouse_identity::id::{ConnectorName, SubjectId};
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::sign_in::LoginReference;
use serde_json::{Map, Value};
use url::Url;

use super::compiler::Compiler;
use super::discovery::{self, Discovery};
use super::issuer::issuer_of;
use super::minting;
use super::origin::is_loopback;
use super::protection::{incomplete, lifetime};
use super::tls::TlsProfile;
use crate::document::Root;
use crate::document::connector::{self as written, LocalUser as WrittenUser};
use crate::problem::Place;

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
    /// What tokens call these users.
    pub logins: HashSet<LoginReference>,
    /// One hash of each cost that the users' hashes have, the dearest first. An attempt that costs one of each tells
    /// by its time neither whether a user exists nor whose password is cheap to check.
    pub stand_ins: Vec<StandIn>,
}

/// A hash that stands in for those of its cost.
pub struct StandIn {
    /// Its cost.
    pub cost: HashCost,
    /// The argon2id PHC string.
    pub password_hash: Secret,
}

/// What it costs to check a password (RFC 9106 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    memory: u32,
    /// Passes over it.
    passes: u32,
    /// Lanes.
    lanes: u32,
}

/// One user of a [`LocalConnector`].
pub struct LocalUser {
    /// The argon2id PHC string of the password.
    pub password_hash: Secret,
    /// What checking it costs.
    pub cost: HashCost,
    /// Who the user is at this server; no other user of any connector is the same.
    pub subject: SubjectId,
    /// Attributes for claims; `sub` is always there, and is the subject.
    pub claims: Map<String, Value>,
}

/// An OpenID Connect provider.
pub struct OidcConnector {
    /// Its name.
    pub name: ConnectorName,
    /// The discovery document.
    pub discovery: Discovery,
    /// The issuer that the discovery document states. ID tokens must name the one that it does.
    pub issuer: ExpectedIssuer,
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
    /// What tokens call everybody who comes from there.
    pub login: LoginReference,
    /// The longest life of an ID token that is believed.
    pub id_token_max_lifetime: Duration,
    /// What becomes of people whose groups it left out.
    pub incomplete_groups: IncompleteGroups,
    /// The attributes that claims of some client are made from.
    pub mapped: BTreeSet<String>,
}

impl Connector {
    /// Its name.
    pub fn name(&self) -> &ConnectorName {
        match self {
            Self::Local(connector) => &connector.name,
            Self::Oidc(connector) => &connector.name,
        }
    }

    /// Whether whoever came in as `reference` could still do so.
    pub fn knows(&self, reference: &str) -> bool {
        match self {
            Self::Local(connector) => connector.logins.contains(reference),
            Self::Oidc(connector) => connector.login.as_str() == reference,
        }
    }
}

pub(crate) fn compile_all(
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> BTreeMap<ConnectorName, Arc<Connector>> {
    let mut connectors = BTreeMap::new();
    let mut subjects = Subjects::new();
    for connector in &root.connectors {
        let name = ConnectorName::new(connector.name().value.clone());
        let ready = match connector {
            written::Connector::Local(local) => {
                Some(Connector::Local(compile_local(&name, local, &mut subjects, compiler)))
            }
            written::Connector::Oidc(oidc) => compile_oidc(&name, oidc, root, compiler)
                .map(|connector| Connector::Oidc(Box::new(connector))),
        };
        if let Some(ready) = ready {
            connectors.insert(name, Arc::new(ready));
        }
    }
    connectors
}

/// Where the user with each subject is written, over all `local` connectors.
type Subjects = HashMap<SubjectId, Place>;

fn compile_local(
    name: &ConnectorName,
    connector: &written::LocalConnector,
    subjects: &mut Subjects,
    compiler: &mut Compiler<'_>,
) -> LocalConnector {
    let mut users = BTreeMap::new();
    let mut costs = Vec::new();
    for user in &connector.users {
        let cost = HashCost::of_phc(user.password_hash.expose());
        match cost {
            Some(cost) => costs.push((cost, user)),
            None => compiler.report.error_with(
                &user.password_hash.place,
                "expected an argon2id PHC string that starts with `$argon2id$v=19$`",
                "run `gatehouse hash-password`",
            ),
        }
        if users.contains_key(&user.username.value) {
            let message = format!("another user is called `{}`", user.username.value);
            compiler.report.error(&user.username.place, message);
        } else if let (Some(subject), Some(cost)) = (subject_of(user, subjects, compiler), cost) {
            users.insert(user.username.value.clone(), local_user(user, subject, cost));
        }
    }
    // Stable, so that of equal costs the first in the file stands for all.
    costs.sort_by_key(|(cost, _)| std::cmp::Reverse(cost.work()));
    warn_of_costs(&costs, compiler);
    let logins = users.iter().map(|(username, user)| LoginReference::embedded(name, username, &user.subject));
    LocalConnector { name: name.clone(), logins: logins.collect(), users, stand_ins: stand_ins(&costs) }
}

/// Tells which hashes cost less than the dearest of their connector: every sign-in there pays for each cost once.
fn warn_of_costs(costs: &[(HashCost, &WrittenUser)], compiler: &mut Compiler<'_>) {
    let Some(((dearest, first), others)) = costs.split_first() else { return };
    for (cost, user) in others.iter().filter(|(cost, _)| cost != dearest) {
        let (line, column) = (first.password_hash.place.at.line, first.password_hash.place.at.column);
        let message = format!(
            "this hash costs {cost}, the one on line {line}, column {column} costs {dearest}; every attempt to sign \
             in pays for both, so that its time does not tell who exists"
        );
        let hint = "renew the cheaper one with `gatehouse hash-password`";
        compiler.report.warning(&user.password_hash.place, message, hint);
    }
}

fn stand_ins(costs: &[(HashCost, &WrittenUser)]) -> Vec<StandIn> {
    let mut stand_ins: Vec<StandIn> = Vec::new();
    for (cost, user) in costs {
        if stand_ins.iter().all(|known| known.cost != *cost) {
            stand_ins.push(StandIn { cost: *cost, password_hash: user.password_hash.value.clone() });
        }
    }
    stand_ins
}

/// The subject of a user: `claims.sub`, else the username.
///
/// Consent, sessions and records are kept under it, so two users with one subject would be one person. Users of
/// `oidc` connectors are `<issuer>|<sub>`, which is why nobody here has a `|`.
fn subject_of(user: &WrittenUser, subjects: &mut Subjects, compiler: &mut Compiler<'_>) -> Option<SubjectId> {
    let (text, place) = match user.claims.content.get("sub") {
        None => (user.username.value.as_str(), &user.username.place),
        Some(written) => {
            let place = user.claims.place_of("sub");
            let Some(text) = written.as_str() else {
                compiler.report.error_with(place, "a subject is text", "put it in quotes");
                return None;
            };
            (text, place)
        }
    };
    if text.trim().is_empty() {
        compiler.report.error(place, "a subject is not empty");
        return None;
    }
    if text.contains('|') {
        let message = format!("`{text}` could be the subject of a user of an identity provider");
        compiler.report.error_with(place, message, "choose a subject without `|`");
        return None;
    }
    let subject = SubjectId::new(text);
    if let Some(first) = subjects.get(&subject) {
        let (line, column) = (first.at.line, first.at.column);
        let message = format!("another user has the subject `{text}`, on line {line}, column {column}");
        compiler.report.error_with(place, message, "write another `sub` under claims");
        return None;
    }
    subjects.insert(subject.clone(), place.clone());
    Some(subject)
}

fn local_user(user: &WrittenUser, subject: SubjectId, cost: HashCost) -> LocalUser {
    let mut claims = user.claims.content.clone();
    claims.insert("sub".to_owned(), subject.as_str().into());
    LocalUser { password_hash: user.password_hash.value.clone(), cost, subject, claims }
}

impl HashCost {
    /// The cost of `$argon2id$v=19$m=…,t=…,p=…$salt$hash`; nothing for any other text.
    fn of_phc(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", "argon2id", "v=19", parameters, salt, hash] = parts.as_slice() else { return None };
        let number = |(name, value): (&str, &str)| {
            let value = value.parse::<u32>().ok().filter(|value| *value > 0)?;
            Some((name.to_owned(), value))
        };
        let read: Option<Vec<_>> =
            parameters.split(',').map(|parameter| parameter.split_once('=').and_then(number)).collect();
        let read = read?;
        let [(m, memory), (t, passes), (p, lanes)] = read.as_slice() else { return None };
        let base64 =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
        let named = (m.as_str(), t.as_str(), p.as_str()) == ("m", "t", "p");
        let is_whole = named && salt.len() >= 11 && hash.len() >= 22 && base64(salt) && base64(hash);
        is_whole.then_some(Self { memory: *memory, passes: *passes, lanes: *lanes })
    }

    /// In a measure that grows with the time.
    fn work(self) -> u64 {
        u64::from(self.memory).saturating_mul(u64::from(self.passes))
    }
}

/// As in a PHC string.
impl std::fmt::Display for HashCost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "m={},t={},p={}", self.memory, self.passes, self.lanes)
    }
}

fn compile_oidc(
    name: &ConnectorName,
    connector: &written::OidcConnector,
    root: &Root,
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
    let issuer = issuer_of(&connector.well_known, connector.issuer.as_ref(), compiler)?;
    if connector.issuer.is_none() && issuer.as_configured().as_str().contains('|') {
        let message = "an issuer has no `|`: it stands between issuer and subject";
        compiler.report.error(&connector.well_known.place, message);
    }
    let redirects = connector.login_redirect.urls.iter().chain(&connector.login_redirect_url);
    Some(OidcConnector {
        login: LoginReference::federated(name, issuer.as_configured()),
        id_token_max_lifetime: lifetime(&connector.id_token_max_lifetime, compiler),
        incomplete_groups: incomplete(connector.on_incomplete_groups),
        mapped: minting::attributes_of(name, root),
        name: name.clone(),
        discovery: discovery::compile(&connector.well_known, &connector.allowed_hosts, compiler),
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
