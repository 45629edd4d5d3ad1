//! Limits on password guessing: per name, whether somebody has it or not, and per client address.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_edge::server::address::network;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::ConnectorName;
use gatehouse_store::fingerprint::Fingerprint;

use crate::windows::{Full, Windows};

/// How long attempts count.
const WINDOW: Duration = Duration::from_mins(5);
/// Most failed attempts on one name.
const PER_NAME: u32 = 10;
/// Most failed attempts from one address.
const PER_ADDRESS: u32 = 50;
/// Most addresses, and names that nobody has, that are watched at once.
const WATCHED: usize = 50_000;

/// The attempts of this process that have not succeeded.
pub(crate) struct Attempts(Mutex<Counts>);

struct Counts {
    /// As many as are configured, so that no flood of other names pushes one out.
    users: Windows<Fingerprint>,
    /// Names that nobody has: they are locked like users, or the lock would tell who is one.
    strangers: Windows<Fingerprint>,
    addresses: Windows<IpAddr>,
}

/// Too many attempts; how long until there can be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locked(pub(crate) Duration);

/// One attempt on a name.
pub(crate) struct Attempt<'a> {
    pub(crate) connector: &'a ConnectorName,
    pub(crate) username: &'a str,
    /// Whether a user of the connector has the name.
    pub(crate) known: bool,
    pub(crate) address: IpAddr,
}

impl Attempts {
    /// Nothing has been attempted.
    pub(crate) fn none() -> Self {
        Self(Mutex::new(Counts {
            users: Windows::new(WINDOW, PER_NAME, usize::MAX),
            strangers: Windows::new(WINDOW, PER_NAME, WATCHED),
            addresses: Windows::new(WINDOW, PER_ADDRESS, WATCHED),
        }))
    }

    /// Counts an attempt before its outcome is known, so that guesses made at the same moment count as well.
    pub(crate) fn begin(&self, attempt: &Attempt<'_>, now: Timestamp) -> Result<(), Locked> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = |full: Full| Locked(full.wait);
        counts.addresses.count(&network(attempt.address), now).map_err(locked)?;
        let names = if attempt.known { &mut counts.users } else { &mut counts.strangers };
        names.count(&attempt.name(), now).map_err(locked)
    }

    /// Forgets the attempts on a user who has just proven to be one, and this one of the address.
    pub(crate) fn succeeded(&self, attempt: &Attempt<'_>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.addresses.take_back(&network(attempt.address));
        counts.users.forget(&attempt.name());
    }
}

impl Attempt<'_> {
    /// What is kept of a name, however long it is.
    fn name(&self) -> Fingerprint {
        Fingerprint::of([self.connector.as_str(), self.username])
    }
}

#[cfg(test)]
mod tests;
