//! Limits on password guessing: per person and network, per network, per person in all, and per browser that the
//! person has signed in with.
//!
//! A stranger who guesses must not lock out the person who is guessed at. So guesses count against the network they
//! come from, and a browser that the person has signed in with before (OWASP calls what it shows a device cookie) has
//! a count of its own and is not asked about any other. What is left for guesses from very many networks is bounded
//! for the person, and closes only the way of browsers that nobody knows.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_edge::server::address::network;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ConnectorName, SubjectId};
use gatehouse_store::fingerprint::Fingerprint;

use crate::rate_window::{Full, RateWindows};

/// How long attempts count.
const WINDOW: Duration = Duration::from_mins(5);
/// Most failed attempts on one name from one network, and from one known browser.
const PER_NAME: u32 = 10;
/// Most failed attempts from one network.
const PER_NETWORK: u32 = 50;
/// How long attempts on one name count wherever they come from.
const LONG_WINDOW: Duration = Duration::from_hours(1);
/// Most failed attempts on one name from all browsers that are not known (NIST SP 800-63B §3.2.2 has 100 as well).
const PER_NAME_IN_ALL: u32 = 100;
/// Most networks, and names that nobody has, that are watched at once.
const WATCHED: usize = 50_000;

/// The attempts of this process that have not succeeded.
pub(crate) struct PasswordLimit(Mutex<Counts>);

struct Counts {
    /// As many as are configured, so that no flood of other names pushes one out.
    users: RateWindows<Fingerprint>,
    /// Names that nobody has: they are locked like users, or the lock would tell who is one.
    strangers: RateWindows<Fingerprint>,
    pairs: RateWindows<(Fingerprint, IpAddr)>,
    networks: RateWindows<IpAddr>,
    /// Only browsers with a cookie that we made get here.
    devices: RateWindows<Fingerprint>,
}

/// Too many attempts; how long until there can be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locked(pub(crate) Duration);

/// One attempt on a name.
pub(crate) struct Attempt<'a> {
    pub(crate) connector: &'a ConnectorName,
    pub(crate) username: &'a str,
    /// Who has the name.
    pub(crate) subject: Option<&'a SubjectId>,
    pub(crate) address: IpAddr,
    /// The browser, when the person has signed in with it before.
    pub(crate) device: Option<Fingerprint>,
}

impl PasswordLimit {
    /// Nothing has been attempted.
    pub(crate) fn none() -> Self {
        Self(Mutex::new(Counts {
            users: RateWindows::new(LONG_WINDOW, PER_NAME_IN_ALL, usize::MAX),
            strangers: RateWindows::new(LONG_WINDOW, PER_NAME_IN_ALL, WATCHED),
            pairs: RateWindows::new(WINDOW, PER_NAME, WATCHED),
            networks: RateWindows::new(WINDOW, PER_NETWORK, WATCHED),
            devices: RateWindows::new(WINDOW, PER_NAME, WATCHED),
        }))
    }

    /// Counts an attempt before its outcome is known, so that guesses made at the same moment count as well. What is
    /// refused for its network does not count for the person.
    pub(crate) fn begin(&self, attempt: &Attempt<'_>, now: Timestamp) -> Result<(), Locked> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = |full: Full| Locked(full.wait);
        if let Some(device) = &attempt.device {
            return counts.devices.count(device, now).map_err(locked);
        }
        let (name, network) = (attempt.name(), network(attempt.address));
        counts.networks.count(&network, now).map_err(locked)?;
        counts.pairs.count(&(name, network), now).map_err(locked)?;
        counts.names(attempt).count(&name, now).map_err(locked)
    }

    /// Takes back an attempt that was not looked at.
    pub(crate) fn withdraw(&self, attempt: &Attempt<'_>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = &attempt.device {
            return counts.devices.take_back(device);
        }
        let (name, network) = (attempt.name(), network(attempt.address));
        counts.networks.take_back(&network);
        counts.pairs.take_back(&(name, network));
        counts.names(attempt).take_back(&name);
    }

    /// Forgets the attempts from here on a person who has just proven to be that one. What others try goes on to count.
    pub(crate) fn succeeded(&self, attempt: &Attempt<'_>) {
        self.withdraw(attempt);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &attempt.device {
            Some(device) => counts.devices.forget(device),
            None => counts.pairs.forget(&(attempt.name(), network(attempt.address))),
        }
    }
}

impl Counts {
    fn names(&mut self, attempt: &Attempt<'_>) -> &mut RateWindows<Fingerprint> {
        if attempt.subject.is_some() { &mut self.users } else { &mut self.strangers }
    }
}

impl Attempt<'_> {
    /// What is kept of a name, however long it is: of a user the subject, so that no second way to write or to reach
    /// it has a count of its own.
    fn name(&self) -> Fingerprint {
        match self.subject {
            Some(subject) => Fingerprint::of(["subject", subject.as_str()]),
            None => Fingerprint::of(["name", self.connector.as_str(), self.username]),
        }
    }
}

#[cfg(test)]
mod tests;
