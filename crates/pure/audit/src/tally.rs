//! Counting what strangers are refused, so that their number stays known and does not fill a disk.
//!
//! Of one kind from one network a handful is told whole in each span of time, which is a second wherever this is used;
//! the others are counted. Whoever tells them ends the span with [`Tally::take`].

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use gatehouse_identity::clock::Timestamp;

/// How many pairs of kind and network have a count of their own in one span; the others share one for each kind.
pub const OWN_COUNTS: usize = 128;

/// How far the networks behind a shared count are told apart.
pub const MOST_NETWORKS: usize = 1_000;

/// How many are told whole in one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handful {
    /// Of one kind from one network.
    pub per_network: u32,
    /// Of all.
    pub in_all: u32,
}

/// Where somebody comes from, as coarse as it costs to have many of: an address of IPv4, a /64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

/// How often each kind of thing happened to each network. Evidence has the time of the clock, log lines have enough of a
/// time that only measures.
#[derive(Debug)]
pub struct Tally<Kind, Time = Timestamp> {
    handful: Handful,
    own: HashMap<(Kind, Network), Own<Time>>,
    shared: HashMap<Kind, Shared<Time>>,
    whole: u32,
}

/// What becomes of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be told whole.
    Whole,
    /// It is in the count.
    Counted,
}

/// Whether there is room to tell one whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Ample,
    /// What there is belongs to others.
    Scarce,
}

/// How many of one kind were not told whole in one span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<Kind, Time = Timestamp> {
    /// What happened.
    pub kind: Kind,
    /// To whom.
    pub origin: Origin,
    /// How often, and when.
    pub times: Times<Time>,
}

/// How often something happened, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times<Time = Timestamp> {
    /// How often.
    pub count: u64,
    /// When it happened first.
    pub first: Time,
    /// When it happened last.
    pub last: Time,
}

/// Where what was counted came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From one network.
    One(Network),
    /// From so many that did not get a count of their own; [`MOST_NETWORKS`] means that many or more.
    Many(usize),
}

#[derive(Debug)]
struct Own<Time> {
    whole: u32,
    counted: Option<Times<Time>>,
}

#[derive(Debug)]
struct Shared<Time> {
    networks: HashSet<Network>,
    times: Times<Time>,
}

impl Network {
    /// The network of an address.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into()),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

impl<Kind: Clone + Eq + Hash, Time: Copy + Ord> Tally<Kind, Time> {
    /// Counts all but a handful.
    pub fn new(handful: Handful) -> Self {
        Self { handful, own: HashMap::new(), shared: HashMap::new(), whole: 0 }
    }

    /// Something of `kind` happened to somebody in `network`.
    pub fn note(&mut self, kind: &Kind, network: Network, at: Time, room: Room) -> Verdict {
        let key = (kind.clone(), network);
        let is_full = self.own.len() >= OWN_COUNTS;
        if is_full && !self.own.contains_key(&key) {
            self.share(key, at);
            return Verdict::Counted;
        }
        let own = self.own.entry(key).or_insert(Own { whole: 0, counted: None });
        if room == Room::Ample && own.whole < self.handful.per_network && self.whole < self.handful.in_all {
            own.whole += 1;
            self.whole += 1;
            return Verdict::Whole;
        }
        own.counted.get_or_insert(Times::none(at)).add(at);
        Verdict::Counted
    }

    /// Ends the span: what was counted in it, in the order in which it began.
    pub fn take(&mut self) -> Vec<Counted<Kind, Time>> {
        self.whole = 0;
        let own = self.own.drain().filter_map(|((kind, network), own)| {
            Some(Counted { kind, origin: Origin::One(network), times: own.counted? })
        });
        let shared = self.shared.drain().map(|(kind, shared)| Counted {
            kind,
            origin: Origin::Many(shared.networks.len()),
            times: shared.times,
        });
        let mut all: Vec<_> = own.chain(shared).collect();
        all.sort_by_key(|counted| counted.times.first);
        all
    }

    fn share(&mut self, (kind, network): (Kind, Network), at: Time) {
        let shared = self
            .shared
            .entry(kind)
            .or_insert_with(|| Shared { networks: HashSet::new(), times: Times::none(at) });
        if shared.networks.len() < MOST_NETWORKS {
            shared.networks.insert(network);
        }
        shared.times.add(at);
    }
}

impl<Time: Copy + Ord> Times<Time> {
    fn none(at: Time) -> Self {
        Self { count: 0, first: at, last: at }
    }

    /// Requests that run at the same time are not noted in the order of their times.
    fn add(&mut self, at: Time) {
        self.count += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}

#[cfg(test)]
mod tests;
