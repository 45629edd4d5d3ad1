//! The resource servers of a snapshot: who may come in at which gateway.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_config::snapshot::protection::{KeySource as ConfiguredKeys, Protection, TrustedServer};
use gatehouse_edge::authn::resource::{KeySource, TrustedIssuer};
use gatehouse_edge::issuer::keys::LocalKeys;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::jwks::IssuerKeys;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::issuer::ExpectedIssuer;

/// Builds trusted issuers; gateways that trust the same one share its keys.
pub(super) struct Gatekeeper<'a> {
    pub(super) local: Option<Arc<LocalKeys>>,
    pub(super) outbound: &'a Outbound,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) remote: HashMap<Published, Arc<IssuerKeys>>,
}

/// Everything that an issuer's keys are accepted by: whose they must be, where they are, how long they are good, and
/// which certificates count.
type Published = (ExpectedIssuer, Discovery, Duration, Option<String>);

impl Gatekeeper<'_> {
    /// The issuers of `protection`, whose tokens may also name one of `more` as their audience.
    pub(super) fn issuers(&mut self, protection: &Protection, more: &[Audience]) -> Vec<TrustedIssuer> {
        protection.servers.iter().filter_map(|server| self.issuer(server, more)).collect()
    }

    fn issuer(&mut self, server: &TrustedServer, more: &[Audience]) -> Option<TrustedIssuer> {
        let keys = match &server.keys {
            ConfiguredKeys::Local => KeySource::Local(Arc::clone(self.local.as_ref()?)),
            ConfiguredKeys::Remote { discovery, refresh_interval, tls } => {
                let fetcher = &self.outbound.egress(tls.as_ref()).fetcher;
                let profile = tls.as_ref().map(|profile| profile.name.clone());
                let published = (server.issuer.clone(), discovery.clone(), *refresh_interval, profile);
                let keys = self.remote.entry(published).or_insert_with(|| {
                    Arc::new(IssuerKeys::new(
                        server.issuer.clone(),
                        discovery.clone(),
                        *refresh_interval,
                        fetcher.clone(),
                        Arc::clone(&self.clock),
                    ))
                });
                KeySource::Remote(Arc::clone(keys))
            }
        };
        Some(TrustedIssuer::of(server, keys, more))
    }
}
