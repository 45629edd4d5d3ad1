//! The connections of a listener: how many there may be, which gives way to a new one, and what their heads may hold.
//!
//! Whoever is full refuses honest clients, so a new connection is refused only when no other can be spared: the one
//! that has been without a request for longest gives way to it. And whoever is over its memory closes the connection
//! that holds most of it, which is never one of somebody who asks for little.

mod presence;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

pub(super) use self::presence::{Busy, Ending, Presence};
use super::address::network;
use crate::limits::{Limit, Limits};

/// What a connection may hold without being counted: as much as an ordinary request takes.
const FREE: usize = 32 * 1024;
/// The most that one connection may hold: a hundred heads, each as large as any that is served.
const PER_CONNECTION: usize = 4 * 1024 * 1024;

/// The share of all connections, one in so many, from which on each must do with less.
const MANY: usize = 32;

/// How much the connections of a listener may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections in all.
    pub in_all: usize,
    /// Connections of one address, or of one /64 of IPv6.
    pub per_address: usize,
    /// Connections of one trusted proxy.
    pub per_trusted_proxy: usize,
    /// Bytes of memory for heads of requests.
    pub header_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { header_bytes: 96 * 1024 * 1024, ..Self::of(10_000) }
    }
}

impl ConnectionLimits {
    /// So many connections in all, of which one address gets a quarter.
    pub fn of(in_all: usize) -> Self {
        let per_address = (in_all / 4).max(1);
        Self { in_all, per_address, per_trusted_proxy: in_all, header_bytes: usize::MAX }
    }
}

/// The connections of one listener.
pub(super) struct Connections {
    most: ConnectionLimits,
    limits: Arc<Limits>,
    began: Instant,
    memory: Arc<Memory>,
    open: Mutex<Open>,
}

/// What heads hold beyond what is free.
#[derive(Default)]
struct Memory {
    held: AtomicUsize,
    /// How much of that belongs to connections that were told to end for it, and have not yet.
    dying: AtomicUsize,
}

#[derive(Default)]
struct Open {
    seats: HashMap<u64, Seat>,
    /// Those that count, by address.
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
    /// How many were told to give way and are not gone yet.
    leaving: usize,
    next: u64,
}

struct Seat {
    presence: Arc<Presence>,
    peer: IpAddr,
    leaving: bool,
}

/// One admitted connection; dropping it makes room for another.
pub(super) struct Slot {
    connections: Arc<Connections>,
    number: u64,
    pub(super) presence: Arc<Presence>,
    /// There are so many that each must do with less.
    pub(super) is_one_of_many: bool,
}

/// A connection holds, or all of them hold, more than they may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// What the heads of one connection hold.
pub(super) struct Account {
    connections: Arc<Connections>,
    presence: Arc<Presence>,
    counted: usize,
}

impl Connections {
    pub(super) fn new(most: ConnectionLimits, limits: Arc<Limits>) -> Arc<Self> {
        let (began, memory, open) = (Instant::now(), Arc::default(), Mutex::default());
        Arc::new(Self { most, limits, began, memory, open })
    }

    /// Room for a connection from `peer`; `None` when a limit is reached and nobody can give way.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, carries_many: bool) -> Option<Slot> {
        let peer = network(peer);
        let (own_limit, own_most) = if carries_many {
            (Limit::PerTrustedProxy, self.most.per_trusted_proxy)
        } else {
            (Limit::PerAddress, self.most.per_address)
        };
        let mut open = self.open();
        if open.by_address.get(&peer).is_some_and(|own| own.len() >= own_most) {
            self.limits.hit(own_limit);
            self.spare(&mut open, Some(peer))?;
        }
        if open.seats.len() - open.leaving >= self.most.in_all {
            self.limits.hit(Limit::Connections);
            self.spare(&mut open, None)?;
        }
        let is_one_of_many = open.seats.len() >= self.most.in_all / MANY;
        let number = open.next;
        open.next += 1;
        let presence = Arc::new(Presence::new(self.began, Arc::clone(&self.memory)));
        open.by_address.entry(peer).or_default().insert(number);
        open.seats.insert(number, Seat { presence: Arc::clone(&presence), peer, leaving: false });
        Some(Slot { connections: Arc::clone(self), number, presence, is_one_of_many })
    }

    /// Makes the connection give way that has been idle for longest, for want of something else than connections.
    pub(super) fn spare_one(&self) {
        let _ = self.spare(&mut self.open(), None);
    }

    /// Ends connections that have been without any request for `longest`, in microseconds.
    pub(super) fn end_idle(&self, longest: std::time::Duration) {
        let now = self.began.elapsed();
        let mut open = self.open();
        let idle = open.seats.iter().filter(|(_, seat)| !seat.leaving).filter_map(|(number, seat)| {
            let since = seat.presence.idle_since()?;
            (now.saturating_sub(since) >= longest).then_some(*number)
        });
        for number in idle.collect::<Vec<_>>() {
            open.dismiss(number);
        }
    }

    /// Tells the connection that has been idle for longest to give way, among those of `peer` or all.
    fn spare(&self, open: &mut Open, peer: Option<IpAddr>) -> Option<()> {
        // Each may take a moment to go, and holds a descriptor until then.
        if open.leaving > self.most.in_all / 16 + 16 {
            return None;
        }
        let idle = |number: &u64| {
            let seat = open.seats.get(number).filter(|seat| !seat.leaving)?;
            Some((seat.presence.idle_since()?, *number))
        };
        let longest = match peer {
            Some(peer) => open.by_address.get(&peer)?.iter().filter_map(idle).min(),
            None => open.seats.keys().filter_map(idle).min(),
        };
        let (_, number) = longest?;
        open.dismiss(number);
        Some(())
    }

    /// Closes the connections that hold most until the others hold no more than they may; says whether `own` is among
    /// them.
    fn make_room(&self, own: &Arc<Presence>) -> bool {
        let open = self.open();
        while self.memory.living() > self.most.header_bytes {
            self.limits.hit(Limit::HeaderBytes);
            let living = open.seats.values().map(|seat| &seat.presence).filter(|one| !one.has_forfeited());
            let Some(most) = living.max_by_key(|one| one.held()).filter(|one| one.held() > 0) else { break };
            most.forfeit();
        }
        own.has_forfeited()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Tells a connection to go; it counts no more.
    fn dismiss(&mut self, number: u64) {
        let Some(seat) = self.seats.get_mut(&number) else { return };
        seat.leaving = true;
        seat.presence.end(Ending::Leave);
        self.leaving += 1;
        let peer = seat.peer;
        self.forget(peer, number);
    }

    fn forget(&mut self, peer: IpAddr, number: u64) {
        if let Some(own) = self.by_address.get_mut(&peer) {
            own.remove(&number);
            if own.is_empty() {
                self.by_address.remove(&peer);
            }
        }
    }
}

impl Slot {
    /// The account of what the heads of this connection hold.
    pub(super) fn account(&self) -> Account {
        let (connections, presence) = (Arc::clone(&self.connections), Arc::clone(&self.presence));
        Account { connections, presence, counted: 0 }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        match open.seats.remove(&self.number) {
            Some(seat) if seat.leaving => open.leaving -= 1,
            Some(seat) => open.forget(seat.peer, self.number),
            None => {}
        }
    }
}

impl Account {
    /// Takes note that the heads of this connection now hold so many bytes. The connection is to be closed when that
    /// is too much, or when all hold too much and it holds most.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), TooMuch> {
        let counted = bytes.saturating_sub(FREE);
        if counted == self.counted {
            return Ok(());
        }
        if counted > PER_CONNECTION || self.presence.has_forfeited() {
            return Err(TooMuch);
        }
        let grows = counted > self.counted;
        self.counted = counted;
        self.presence.hold(counted);
        let over = grows && self.connections.memory.living() > self.connections.most.header_bytes;
        if over && self.connections.make_room(&self.presence) { Err(TooMuch) } else { Ok(()) }
    }

    /// Whether it should read no more for now: connections that hold too much were told to end and have not yet.
    /// Whoever holds nothing that counts need not wait.
    pub(super) fn should_wait(&self) -> bool {
        self.counted > 0
            && self.connections.memory.held.load(Ordering::Relaxed) > self.connections.most.header_bytes
    }
}

impl Memory {
    /// What connections hold that go on.
    fn living(&self) -> usize {
        self.held.load(Ordering::Relaxed).saturating_sub(self.dying.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
