//! OpenID Connect providers: we are the relying party (OpenID Connect Core §3.1).

pub(crate) mod answer;
pub(crate) mod expected;
mod id_token;
mod userinfo;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use gatehouse_config::snapshot::connector::OidcConnector;
use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::jwks::{IssuerKeys, Published};
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_identity::clock::Clock;
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::rng::Rng;
use gatehouse_oauth::authorization::{AuthorizationRequest, Prompt};
use gatehouse_oauth::grant::{StateHash, UpstreamLeg};
use gatehouse_oauth::pkce::Verifier;

/// How often keys and metadata are read again.
const REFRESH: Duration = Duration::from_hours(1);

/// What is known of upstream IdPs, kept over configurations.
pub(crate) struct Upstreams {
    outbound: Arc<Outbound>,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<Provider, Arc<IssuerKeys>>>,
}

/// Issuer, discovery and TLS profile.
type Provider = (ExpectedIssuer, Discovery, Option<String>);

impl Upstreams {
    pub(crate) fn new(outbound: Arc<Outbound>, clock: Arc<dyn Clock>) -> Self {
        Self { outbound, clock, known: Mutex::new(HashMap::new()) }
    }

    /// Metadata and keys of a connector's provider; keys in which `kid` can be looked up.
    pub(crate) async fn published(
        &self,
        connector: &OidcConnector,
        kid: Option<&str>,
    ) -> Result<Arc<Published>, Rejection> {
        let keys = self.keys(connector);
        let published = Box::pin(keys.published(kid)).await;
        published.map_err(|error| unreachable_provider(connector, &error.to_string()))
    }

    fn keys(&self, connector: &OidcConnector) -> Arc<IssuerKeys> {
        let profile = connector.tls.as_ref();
        let key = (
            connector.issuer.clone(),
            connector.discovery.clone(),
            profile.map(|profile| profile.name.clone()),
        );
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let made = known.entry(key).or_insert_with(|| {
            let fetcher = self.outbound.egress(profile).fetcher.clone();
            let clock = Arc::clone(&self.clock);
            let (issuer, discovery) = (connector.issuer.clone(), connector.discovery.clone());
            Arc::new(IssuerKeys::new(issuer, discovery, REFRESH, fetcher, clock))
        });
        Arc::clone(made)
    }
}

/// A fresh leg to `connector`, and the `state` that the answer must bring back. The state begins with
/// `transaction`, so that the answer finds its cookie.
pub(crate) fn new_leg(connector: &OidcConnector, transaction: &str, rng: &dyn Rng) -> (UpstreamLeg, String) {
    let state = format!("{transaction}.{}", rng.token(32));
    let leg = UpstreamLeg {
        connector: connector.name.clone(),
        state: StateHash::of(&state),
        nonce: rng.token(32),
        pkce_verifier: rng.token(32),
    };
    (leg, state)
}

/// Where the browser is sent (§3.1.2.1). What the client asked for stays here: neither `resource` nor `login_hint`
/// goes upstream, only the wish for a fresh sign-in.
pub(crate) fn authorization_url(
    connector: &OidcConnector,
    published: &Published,
    leg: &UpstreamLeg,
    state: &str,
    redirect_uri: &str,
    request: &AuthorizationRequest,
) -> Result<Url, Rejection> {
    let unusable = |why: &str| unreachable_provider(connector, why);
    let endpoint = published.metadata.authorization_endpoint.as_deref();
    let endpoint = endpoint.ok_or_else(|| unusable("its metadata has no authorization_endpoint"))?;
    let mut url = Url::parse(endpoint).map_err(|error| unusable(&error.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(unusable("its authorization_endpoint is no web page"));
    }
    let verifier = Verifier::parse(&leg.pkce_verifier).map_err(|error| unusable(&error.to_string()))?;
    let mut query = url.query_pairs_mut();
    for (name, value) in &connector.extra_params {
        query.append_pair(name, value);
    }
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &connector.client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", &connector.scopes.to_string())
        .append_pair("state", state)
        .append_pair("nonce", &leg.nonce);
    if connector.pkce {
        query
            .append_pair("code_challenge", verifier.challenge().as_str())
            .append_pair("code_challenge_method", "S256");
    }
    let extra = |name: &str| connector.extra_params.iter().any(|(key, _)| key == name);
    let fresh = [(Prompt::Login, "login"), (Prompt::SelectAccount, "select_account")];
    let wished = fresh.iter().find(|(prompt, _)| request.prompt.contains(prompt));
    if let Some((_, wished)) = wished.filter(|_| !extra("prompt")) {
        query.append_pair("prompt", wished);
    }
    if let Some(limit) = request.max_age.filter(|_| !extra("max_age")) {
        query.append_pair("max_age", &limit.to_string());
    }
    drop(query);
    Ok(url)
}

/// The provider failed us.
pub(crate) fn unreachable_provider(connector: &OidcConnector, why: &str) -> Rejection {
    let public =
        "The identity provider cannot be reached or gave an answer that cannot be used. Try again shortly.";
    Rejection::new(RejectionKind::UpstreamFailed, "upstream_idp_failed", public)
        .because(format!("connector {}: {why}", connector.name))
}
