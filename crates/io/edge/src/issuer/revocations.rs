//! What became of tokens after they were issued, held in memory so that no request waits for the store: revoked, or
//! seen in use.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{GrantId, TokenId};
use gatehouse_oauth::lineage::tokens_behind;
use gatehouse_store::Store;
use gatehouse_store::error::StoreError;
use gatehouse_store::revocation::{FEED_PAGE, RevokedToken};

use super::sightings::Sightings;

/// The deny-list of tokens. Every node reads the store's feed, about once a second.
#[derive(Default)]
pub struct Revocations {
    sightings: Sightings,
    position: AtomicU64,
    revoked: ArcSwap<HashMap<String, Timestamp>>,
}

impl Revocations {
    /// The tokens that were seen in use.
    pub fn sightings(&self) -> &Sightings {
        &self.sightings
    }

    /// The deny-list entry that stands for every token of a grant.
    pub fn entry_of_grant(grant: &GrantId) -> TokenId {
        TokenId::new(format!("grant:{grant}"))
    }

    /// Revokes `token` until `expires_at`: durable first, then known here at once.
    pub async fn revoke(
        &self,
        store: &dyn Store,
        token: &TokenId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        store.revocations().revoke_token(token, expires_at).await?;
        self.revoked.rcu(|revoked| {
            let mut revoked = HashMap::clone(revoked);
            revoked.insert(token.as_str().to_owned(), expires_at);
            revoked
        });
        Ok(())
    }

    /// Reads what other nodes revoked since the last time, and forgets what has expired.
    pub async fn refresh(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let page = store.revocations().revoked_since(self.position.load(Ordering::Acquire), now).await?;
            let full = page.len() >= FEED_PAGE;
            self.take_over(&page, now);
            if !full {
                return Ok(());
            }
        }
    }

    fn take_over(&self, page: &[RevokedToken], now: Timestamp) {
        let held = self.revoked.load();
        if page.is_empty() && held.values().all(|expires_at| *expires_at > now) {
            return;
        }
        for entry in page {
            self.position.fetch_max(entry.seq, Ordering::AcqRel);
        }
        self.revoked.rcu(|revoked| {
            let mut revoked = HashMap::clone(revoked);
            revoked.retain(|_, expires_at| *expires_at > now);
            revoked.extend(page.iter().map(|entry| (entry.token.as_str().to_owned(), entry.expires_at)));
            revoked
        });
    }

    /// Whether a token with these claims, any token it was exchanged from, or its grant is revoked.
    pub fn covers(&self, claims: &Map<String, Value>) -> bool {
        let revoked = self.revoked.load();
        if revoked.is_empty() {
            return false;
        }
        let grant = claims.get("grant_id").and_then(Value::as_str);
        tokens_behind(claims).any(|id| revoked.contains_key(id))
            || grant.is_some_and(|id| revoked.contains_key(&format!("grant:{id}")))
    }
}
