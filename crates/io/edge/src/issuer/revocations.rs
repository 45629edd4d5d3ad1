//! What became of tokens after they were issued, held in memory so that no request waits for the store: revoked, void
//! since a restore, or seen in use.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{GrantId, SubjectId, TokenId};
use gatehouse_oauth::lineage::tokens_behind;
use gatehouse_store::Store;
use gatehouse_store::epoch::Epoch;
use gatehouse_store::error::StoreError;
use gatehouse_store::revocation::{FEED_PAGE, RevokedToken};

use super::token_use::TokenUse;

/// No token of ours lives longer.
pub const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// No gate takes a token for longer after it has expired (`clockSkew`); only then can its denial be forgotten.
pub const LONGEST_SKEW: Duration = Duration::from_mins(5);
/// What entries of the feed begin with that say whom an operator has ended. They deny nothing: no token has such an id.
const USER_NOTICE: &str = "user-ended:";

/// What [`Revocations::end_user`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedUser {
    /// Browser sessions.
    pub sessions: u64,
    /// Grants, those that were revoked before included.
    pub grants: usize,
}

/// The deny-list of tokens. Every node reads the store's feed, about once a second.
#[derive(Default)]
pub struct Revocations {
    token_use: TokenUse,
    position: AtomicU64,
    /// Whether the feed was read to its end once: what stands before that is old news.
    caught_up: AtomicBool,
    revoked: ArcSwap<HashMap<String, Timestamp>>,
    epochs: ArcSwap<Vec<Epoch>>,
}

impl Revocations {
    /// The tokens that were seen in use.
    pub fn token_use(&self) -> &TokenUse {
        &self.token_use
    }

    /// Until when something has to be denied all tokens of which were issued before `now`.
    pub fn until(now: Timestamp) -> Timestamp {
        now.plus(LONGEST_LIFE).plus(LONGEST_SKEW)
    }

    /// The deny-list entry that stands for every token of a grant.
    pub fn entry_of_grant(grant: &GrantId) -> TokenId {
        TokenId::new(format!("grant:{grant}"))
    }

    /// Ends everything that a person has: browser sessions first, that nothing new begins; then all grants with their
    /// refresh families, and every access token that came from them. Each node reads of it from the feed. Doing it
    /// again does no harm, and is what a failure on the way asks for.
    pub async fn end_user(
        store: &dyn Store,
        user: &SubjectId,
        now: Timestamp,
    ) -> Result<EndedUser, StoreError> {
        let until = Self::until(now);
        let sessions = store.sessions().end_all_of_user(user).await?;
        store.grants().revoke_all_of_user(user, now).await?;
        let grants = store.grants().all_of(user, now).await?;
        for grant in &grants {
            store.revocations().revoke_token(&Self::entry_of_grant(grant), until).await?;
        }
        if sessions > 0 || !grants.is_empty() {
            let notice = format!("{USER_NOTICE}{}:{user}", now.unix_nanos());
            store.revocations().revoke_token(&TokenId::new(notice), until).await?;
        }
        Ok(EndedUser { sessions, grants: grants.len() })
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

    /// Reads what other nodes revoked since the last time and whether the store was put back, and forgets what has
    /// expired. Returns the people whom operators have ended meanwhile, which is told once by every node that runs then.
    pub async fn refresh(&self, store: &dyn Store, now: Timestamp) -> Result<Vec<SubjectId>, StoreError> {
        self.enter_epochs(store, now).await?;
        let mut ended = Vec::new();
        loop {
            let page = store.revocations().revoked_since(self.position.load(Ordering::Acquire), now).await;
            let page = match page {
                // The position has moved past them, so they are told now or never; the failure shows again soon enough.
                Err(_) if !ended.is_empty() => return Ok(ended),
                page => page?,
            };
            let full = page.len() >= FEED_PAGE;
            if self.caught_up.load(Ordering::Acquire) {
                ended.extend(page.iter().filter_map(|entry| ended_user(&entry.token)));
            }
            self.take_over(&page, now);
            if !full {
                self.caught_up.store(true, Ordering::Release);
                return Ok(ended);
            }
        }
    }

    /// The feed of a store that was put back has begun anew somewhere before our position.
    async fn enter_epochs(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let epochs = store.epochs().current().await?;
        let held = self.epochs.load();
        if **held != epochs {
            let entered = epochs.iter().filter(|epoch| !held.contains(epoch));
            for Epoch { issuer, began_at } in entered.filter(|epoch| epoch.is_far_ahead_of(now)) {
                tracing::error!(epoch.issuer = %issuer, epoch.began_at = %began_at, "an epoch begins in the future; until then all tokens of its issuer are refused");
            }
            self.epochs.store(Arc::new(epochs));
            self.position.store(0, Ordering::Release);
            self.caught_up.store(false, Ordering::Release);
        }
        Ok(())
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

    /// Whether the token with this id is revoked itself.
    pub fn is_revoked(&self, token: &TokenId) -> bool {
        self.revoked.load().contains_key(token.as_str())
    }

    /// Whether a token with these claims, any token it was exchanged from, or its grant is revoked, or it is older than
    /// the epoch of its issuer.
    pub fn covers(&self, claims: &Map<String, Value>) -> bool {
        if self.epochs.load().iter().any(|epoch| epoch.voids(claims)) {
            return true;
        }
        let revoked = self.revoked.load();
        if revoked.is_empty() {
            return false;
        }
        let grant = claims.get("grant_id").and_then(Value::as_str);
        tokens_behind(claims).any(|id| revoked.contains_key(id))
            || grant.is_some_and(|id| revoked.contains_key(&format!("grant:{id}")))
    }
}

/// The person whom an entry of the feed is about, if it is about one.
fn ended_user(entry: &TokenId) -> Option<SubjectId> {
    let (_, user) = entry.as_str().strip_prefix(USER_NOTICE)?.split_once(':')?;
    Some(SubjectId::new(user))
}
