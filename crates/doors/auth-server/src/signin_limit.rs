//! Limits on beginning sign-ins: each is a row in the store before anybody has proven anything.
//!
//! There is a most that may be pending, and it never stops everybody: when it is reached, the newest sign-in of the
//! network that has most of them gives way, so that a flood only displaces itself.

mod pending;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_config::snapshot::authorization_server::SignInLimits;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::address::network;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;
use gatehouse_store::grant::GrantRepository;

use self::pending::Pending;
use crate::rate_window::{Full, RateWindows};
use crate::settings::{configured, store_failed};

/// How long a beginning counts for its network.
const WINDOW: Duration = Duration::from_mins(1);
/// Most networks that are watched at once.
const WATCHED: usize = 50_000;
/// How many may be at the store at the same time before networks are looked at one by one.
const AT_ONCE: usize = 128;
/// How many of them every network may have even then.
const SHARE: usize = 2;

/// The sign-ins that were begun at this process and are not over.
pub(crate) struct SignInLimit(Mutex<Counts>);

struct Counts {
    lately: RateWindows<IpAddr>,
    lately_limit: u32,
    pending: Pending,
    /// Those that are being stored.
    under_way: HashMap<IpAddr, usize>,
    under_way_in_all: usize,
}

/// A sign-in that is being stored, for as long as this is held.
pub(crate) struct UnderWay<'a> {
    signin_limit: &'a SignInLimit,
    network: IpAddr,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TooMany {
    /// This network began too many in the last minute.
    FromNetwork(Full),
    /// All places are taken, and no network has more of them than this one. When the next one is free.
    InAll(Duration),
    /// The store has enough to do, and this network has its share of it.
    AtOnce,
}

impl SignInLimit {
    /// Nothing was begun.
    pub(crate) fn none() -> Self {
        Self(Mutex::new(Counts {
            lately: RateWindows::new(WINDOW, 0, WATCHED),
            lately_limit: 0,
            pending: Pending::none(),
            under_way: HashMap::new(),
            under_way_in_all: 0,
        }))
    }

    /// Lets a sign-in begin beside others, or refuses it so that those of other networks need not wait behind it.
    pub(crate) fn enter(&self, context: &Context<Public>) -> Result<UnderWay<'_>, Rejection> {
        let limits = &configured(context)?.sign_in_limits;
        self.under_way(context.source.counted()).map_err(|limit| refused(limit, limits, context))
    }

    /// Takes a place for a sign-in that is about to begin and is over at `until`, or refuses it. What has to give way
    /// for it is removed from the store.
    pub(crate) async fn admit(
        &self,
        grants: &dyn GrantRepository,
        id: &GrantId,
        until: Timestamp,
        context: &Context<Public>,
    ) -> Result<(), Rejection> {
        let limits = &configured(context)?.sign_in_limits;
        let gave_way = self
            .place(id, (context.source.counted(), until), limits, context.now)
            .map_err(|limit| refused(limit, limits, context))?;
        if let Some((gave_way, limit)) = gave_way {
            context.limits.hit(limit);
            let removed = grants.abandon(&gave_way).await;
            // One that was consented to meanwhile is none of these any more.
            let _was_there = removed.map_err(store_failed)?;
        }
        Ok(())
    }

    /// Frees the place of a sign-in that led to a code, or to none.
    pub(crate) fn over(&self, id: &GrantId) {
        self.lock().pending.end(id);
    }

    fn under_way(&self, address: IpAddr) -> Result<UnderWay<'_>, TooMany> {
        let network = network(address);
        let mut counts = self.lock();
        let own = counts.under_way.get(&network).copied().unwrap_or(0);
        if counts.under_way_in_all >= AT_ONCE && own >= SHARE {
            return Err(TooMany::AtOnce);
        }
        counts.under_way.insert(network, own + 1);
        counts.under_way_in_all += 1;
        Ok(UnderWay { signin_limit: self, network })
    }

    fn place(
        &self,
        id: &GrantId,
        (address, until): (IpAddr, Timestamp),
        limits: &SignInLimits,
        now: Timestamp,
    ) -> Result<Option<(GrantId, Limit)>, TooMany> {
        let network = network(address);
        let mut counts = self.lock();
        if counts.lately_limit != limits.per_minute {
            counts.lately_limit = limits.per_minute;
            counts.lately = RateWindows::new(WINDOW, limits.per_minute, WATCHED);
        }
        counts.lately.count(&network, now).map_err(TooMany::FromNetwork)?;
        counts.pending.begin(id, (network, until), limits, now).map_err(TooMany::InAll)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut counts = self.signin_limit.lock();
        counts.under_way_in_all = counts.under_way_in_all.saturating_sub(1);
        match counts.under_way.get_mut(&self.network) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(counts.under_way.remove(&self.network)),
        }
    }
}

/// What one network is refused does not count for others.
fn refused(limit: TooMany, limits: &SignInLimits, context: &Context<Public>) -> Rejection {
    let (wait, key, most) = match limit {
        TooMany::FromNetwork(full) => (full.wait, Some(Limit::SignInsPerMinutePerNetwork), limits.per_minute),
        TooMany::InAll(wait) => (wait, Some(Limit::PendingSignIns), limits.pending),
        TooMany::AtOnce => (Duration::from_secs(1), None, u32::try_from(AT_ONCE).unwrap_or(u32::MAX)),
    };
    if let Some(limit) = key {
        context.limits.hit(limit);
    }
    let public = "Too many sign-ins were begun lately. Wait a minute and try again.";
    let mut rejection = Rejection::new(RejectionKind::RateLimited, "too_many_signins", public)
        .because(format!("{}: {most}", key.map_or("at once", Limit::key)));
    rejection.retry_after = Some(wait.max(Duration::from_secs(1)));
    rejection
}

#[cfg(test)]
mod tests;
