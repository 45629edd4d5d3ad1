//! The places of pending sign-ins, and who gives way when they are taken.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use gatehouse_config::snapshot::authorization_server::SignInLimits;
use gatehouse_edge::limits::Limit;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;

/// Every pending sign-in, found by its id, by its network and by its age. Nothing is searched for.
pub(super) struct Pending {
    /// By their number, which is their age: all live equally long.
    all: BTreeMap<u64, SignIn>,
    numbers: HashMap<GrantId, u64>,
    networks: HashMap<IpAddr, BTreeSet<u64>>,
    busiest: BTreeSet<Load>,
    next: u64,
}

struct SignIn {
    id: GrantId,
    network: IpAddr,
    until: Timestamp,
}

/// How many a network has. Of several with equally many the one that was quiet longest counts as busiest, since those
/// who began just now are still there.
type Load = (usize, Reverse<u64>, IpAddr);

impl Pending {
    pub(super) fn none() -> Self {
        Self {
            all: BTreeMap::new(),
            numbers: HashMap::new(),
            networks: HashMap::new(),
            busiest: BTreeSet::new(),
            next: 0,
        }
    }

    /// Takes a place, and says which sign-in gives way for it: in a network that has all it may have, its oldest; where
    /// all places are taken, the newest of the busiest network. Errors, with the time until a place is free, when no
    /// other network has more of them.
    pub(super) fn begin(
        &mut self,
        id: &GrantId,
        (network, until): (IpAddr, Timestamp),
        limits: &SignInLimits,
        now: Timestamp,
    ) -> Result<Option<(GrantId, Limit)>, Duration> {
        self.forget_ended(now);
        let own = self.networks.get(&network);
        let held = own.map_or(0, BTreeSet::len);
        let gives_way = if held >= limit(limits.pending_per_network) {
            own.and_then(BTreeSet::first).map(|oldest| (*oldest, Limit::PendingSignInsPerNetwork))
        } else if self.all.len() >= limit(limits.pending) {
            let (most, _, busiest) = self.busiest.last().copied().unwrap_or((0, Reverse(0), network));
            // Between floods that have as many, give or take one, nothing is to be gained by turns.
            if held > 0 && held + 1 >= most {
                let next = self.all.first_key_value().map(|(_, oldest)| oldest.until.since(now));
                return Err(next.unwrap_or_default());
            }
            let newest = self.networks.get(&busiest).and_then(BTreeSet::last);
            newest.map(|newest| (*newest, Limit::PendingSignIns))
        } else {
            None
        };
        let gave_way = gives_way.and_then(|(number, limit)| Some((self.remove(number)?, limit)));
        self.insert(SignIn { id: id.clone(), network, until });
        Ok(gave_way)
    }

    /// Frees the place of a sign-in, if it still has one.
    pub(super) fn end(&mut self, id: &GrantId) {
        if let Some(number) = self.numbers.get(id).copied() {
            self.remove(number);
        }
    }

    fn forget_ended(&mut self, now: Timestamp) {
        while let Some((number, _)) = self.all.first_key_value().filter(|(_, one)| one.until <= now) {
            let number = *number;
            self.remove(number);
        }
    }

    fn insert(&mut self, sign_in: SignIn) {
        let number = self.next;
        self.next += 1;
        self.numbers.insert(sign_in.id.clone(), number);
        self.change(sign_in.network, |own| own.insert(number));
        self.all.insert(number, sign_in);
    }

    fn remove(&mut self, number: u64) -> Option<GrantId> {
        let sign_in = self.all.remove(&number)?;
        self.numbers.remove(&sign_in.id);
        self.change(sign_in.network, |own| own.remove(&number));
        Some(sign_in.id)
    }

    /// Changes what a network has, and its place among all.
    fn change(&mut self, network: IpAddr, act: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let own = self.networks.entry(network).or_default();
        if let Some(load) = load(network, own) {
            self.busiest.remove(&load);
        }
        act(own);
        match load(network, own) {
            Some(load) => drop(self.busiest.insert(load)),
            None => drop(self.networks.remove(&network)),
        }
    }
}

fn load(network: IpAddr, own: &BTreeSet<u64>) -> Option<Load> {
    own.last().map(|newest| (own.len(), Reverse(*newest), network))
}

fn limit(written: u32) -> usize {
    usize::try_from(written).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
