//! Limits on beginning sign-ins: each is a row in the store before anybody has proven anything.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::address::network;
use gatehouse_identity::clock::Timestamp;

use crate::windows::{Full, Windows};

/// How long a beginning counts.
const WINDOW: Duration = Duration::from_mins(1);
/// Most beginnings from one address: an office of hundreds behind one address signs in on a Monday morning.
const PER_ADDRESS: u32 = 600;
/// Most beginnings of everybody.
const IN_ALL: u32 = 20_000;
/// Most addresses that are watched at once.
const WATCHED: usize = 50_000;

/// The sign-ins that were begun at this process lately.
pub(crate) struct Beginnings(Mutex<Counts>);

struct Counts {
    addresses: Windows<IpAddr>,
    all: Windows<()>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TooMany {
    FromAddress(Full),
    InAll(Full),
}

impl Beginnings {
    /// Nothing was begun.
    pub(crate) fn none() -> Self {
        Self(Mutex::new(Counts {
            addresses: Windows::new(WINDOW, PER_ADDRESS, WATCHED),
            all: Windows::new(WINDOW, IN_ALL, 1),
        }))
    }

    /// Counts a sign-in that is about to begin, or refuses it. The first refusal of a window is logged.
    pub(crate) fn admit(&self, context: &Context<Public>) -> Result<(), Rejection> {
        let Err(limit) = self.count(context.source.counted(), context.now) else { return Ok(()) };
        let (full, scope, most) = match limit {
            TooMany::FromAddress(full) => (full, "address", PER_ADDRESS),
            TooMany::InAll(full) => (full, "all", IN_ALL),
        };
        if full.first {
            tracing::warn!(
                request.id = %context.request_id, source.ip = %context.source.ip, scope,
                limit.per_minute = most, "too many sign-ins are begun"
            );
        }
        let public = "Too many sign-ins were begun in the last minute. Wait a minute and try again.";
        let mut rejection = Rejection::new(RejectionKind::RateLimited, "too_many_signins", public)
            .because(format!("limit per minute ({scope}): {most}"));
        rejection.retry_after = Some(full.wait.max(Duration::from_secs(1)));
        Err(rejection)
    }

    /// What one address is refused does not count for everybody.
    fn count(&self, address: IpAddr, now: Timestamp) -> Result<(), TooMany> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.addresses.count(&network(address), now).map_err(TooMany::FromAddress)?;
        counts.all.count(&(), now).map_err(TooMany::InAll)
    }
}

#[cfg(test)]
mod tests;
