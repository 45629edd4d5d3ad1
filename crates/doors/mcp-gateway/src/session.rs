//! Sessions of clients that speak protocol versions before 2026-07-28.
//!
//! A session is no credential: every request of it is authenticated, and its id works for the principal that
//! opened it only. To everybody else it is as unknown as one that never was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_edge::limits::Limit;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::SessionId;
use gatehouse_identity::principal::Principal;
use gatehouse_mcp::version::Version;

use crate::client_info::ClientInfo;

/// Who a conversation belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Party {
    issuer: String,
    subject: String,
    client: Option<String>,
}

/// All open sessions.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

/// How many sessions may be open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Of all callers.
    pub(crate) in_all: usize,
    /// Of one caller.
    pub(crate) per_party: usize,
}

/// What is known of an open session.
#[derive(Clone)]
pub(crate) struct Opened {
    /// The negotiated revision.
    pub(crate) version: Version,
    /// What the client says about itself.
    pub(crate) client_info: Option<ClientInfo>,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<String, Entry>,
    /// Ids in the order of their last use.
    by_use: BTreeMap<u64, String>,
    by_party: HashMap<Party, BTreeSet<u64>>,
    uses: u64,
}

struct Entry {
    party: Party,
    opened: Opened,
    used: u64,
    last_used: Timestamp,
}

impl Party {
    pub(crate) fn of(principal: &Principal) -> Self {
        Self {
            issuer: principal.issuer().as_str().to_owned(),
            subject: principal.subject().as_str().to_owned(),
            client: principal.client().map(|client| client.as_str().to_owned()),
        }
    }

    /// What it takes in memory besides its own size.
    pub(crate) fn held_bytes(&self) -> usize {
        self.issuer.len() + self.subject.len() + self.client.as_ref().map_or(0, String::len)
    }
}

impl Sessions {
    /// Opens a session for `party`. When `party` has as many as one may have, its own least recently used one gives
    /// way; when there are as many as there may be, that of all. Says which of the limits was met.
    pub(crate) fn open(
        &self,
        id: &SessionId,
        party: Party,
        opened: Opened,
        most: Most,
        now: Timestamp,
    ) -> Option<Limit> {
        let mut table = self.table();
        let met = table.make_room(&party, most);
        let used = table.next_use();
        table.by_use.insert(used, id.as_str().to_owned());
        table.by_party.entry(party.clone()).or_default().insert(used);
        table.by_id.insert(id.as_str().to_owned(), Entry { party, opened, used, last_used: now });
        met
    }

    /// The session `id` if it is `party`'s and was used within `timeout`; this counts as a use.
    pub(crate) fn find(&self, id: &str, party: &Party, timeout: Duration, now: Timestamp) -> Option<Opened> {
        let mut table = self.table();
        let entry = table.by_id.get(id).filter(|entry| entry.party == *party)?;
        if now.since(entry.last_used) >= timeout {
            table.remove(id);
            return None;
        }
        let used = table.next_use();
        let entry = table.by_id.get_mut(id)?;
        let before = std::mem::replace(&mut entry.used, used);
        entry.last_used = now;
        let opened = entry.opened.clone();
        table.by_use.remove(&before);
        table.by_use.insert(used, id.to_owned());
        if let Some(uses) = table.by_party.get_mut(party) {
            uses.remove(&before);
            uses.insert(used);
        }
        Some(opened)
    }

    /// Ends the session `id` of `party`; says whether there was one.
    pub(crate) fn end(&self, id: &str, party: &Party) -> bool {
        let mut table = self.table();
        let own = table.by_id.get(id).is_some_and(|entry| entry.party == *party);
        if own {
            table.remove(id);
        }
        own
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    fn make_room(&mut self, party: &Party, most: Most) -> Option<Limit> {
        let mut met = None;
        // More than once, when a limit was lowered.
        loop {
            let own = self.by_party.get(party).filter(|uses| uses.len() >= most.per_party);
            let (limit, oldest) = match own {
                Some(uses) => (Limit::SessionsPerCaller, uses.first().and_then(|used| self.by_use.get(used))),
                None if self.by_id.len() >= most.in_all => (Limit::Sessions, self.by_use.values().next()),
                None => return met,
            };
            let Some(oldest) = oldest.cloned() else { return met };
            self.remove(&oldest);
            met = Some(limit);
        }
    }

    fn remove(&mut self, id: &str) {
        let Some(entry) = self.by_id.remove(id) else { return };
        self.by_use.remove(&entry.used);
        if let Some(uses) = self.by_party.get_mut(&entry.party) {
            uses.remove(&entry.used);
            if uses.is_empty() {
                self.by_party.remove(&entry.party);
            }
        }
    }
}

#[cfg(test)]
mod tests;
