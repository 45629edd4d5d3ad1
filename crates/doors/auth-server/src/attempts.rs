//! Limits on password guessing: per user that exists, and per client address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::ConnectorName;

/// How long attempts count.
const WINDOW: Duration = Duration::from_mins(5);
/// Most failed attempts on one user.
const PER_USER: u32 = 10;
/// Most failed attempts from one address.
const PER_ADDRESS: u32 = 50;
/// Most addresses that are watched at once.
const WATCHED: usize = 50_000;

/// The attempts of this process that have not succeeded.
#[derive(Default)]
pub(crate) struct Attempts {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    users: HashMap<(ConnectorName, String), Window>,
    addresses: HashMap<IpAddr, Window>,
}

struct Window {
    began: Timestamp,
    attempts: u32,
}

/// Too many attempts; how long until there can be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locked(pub(crate) Duration);

/// One attempt on `user`, which is `None` for names that no user has.
pub(crate) struct Attempt<'a> {
    pub(crate) connector: &'a ConnectorName,
    pub(crate) user: Option<&'a str>,
    pub(crate) address: IpAddr,
}

impl Attempts {
    /// Counts an attempt before its outcome is known, so that guesses made at the same moment count as well.
    pub(crate) fn begin(&self, attempt: &Attempt<'_>, now: Timestamp) -> Result<(), Locked> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut counts.addresses, now);
        count(&mut counts.addresses, network(attempt.address), PER_ADDRESS, now)?;
        let Some(user) = attempt.user else { return Ok(()) };
        count(&mut counts.users, (attempt.connector.clone(), user.to_owned()), PER_USER, now)
    }

    /// Forgets the attempts on a user who has just proven to be one, and this one of the address.
    pub(crate) fn succeeded(&self, attempt: &Attempt<'_>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = counts.addresses.get_mut(&network(attempt.address)) {
            window.attempts = window.attempts.saturating_sub(1);
        }
        if let Some(user) = attempt.user {
            counts.users.remove(&(attempt.connector.clone(), user.to_owned()));
        }
    }
}

fn count<K: Eq + Hash>(
    windows: &mut HashMap<K, Window>,
    key: K,
    limit: u32,
    now: Timestamp,
) -> Result<(), Locked> {
    let window = windows.entry(key).or_insert(Window { began: now, attempts: 0 });
    let age = now.since(window.began);
    if age >= WINDOW {
        *window = Window { began: now, attempts: 0 };
    } else if window.attempts >= limit {
        return Err(Locked(WINDOW.saturating_sub(age)));
    }
    window.attempts += 1;
    Ok(())
}

fn make_room(windows: &mut HashMap<IpAddr, Window>, now: Timestamp) {
    if windows.len() < WATCHED {
        return;
    }
    windows.retain(|_, window| now.since(window.began) < WINDOW);
    if windows.len() >= WATCHED
        && let Some(oldest) =
            windows.iter().min_by_key(|(_, window)| window.began).map(|(address, _)| *address)
    {
        windows.remove(&oldest);
    }
}

/// Who has one IPv6 address has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests;
