//! How many connections a listener holds, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::address::network;

/// Most connections of one listener.
const PER_LISTENER: usize = 10_000;
/// Most connections from one client address, or from one /64 of IPv6.
const PER_ADDRESS: usize = 256;

#[derive(Default)]
pub(super) struct ConnectionLimits {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One admitted connection; dropping it makes room for another.
pub(super) struct Slot {
    limits: Arc<ConnectionLimits>,
    peer: IpAddr,
}

impl ConnectionLimits {
    /// Room for a connection from `peer`, or `None` when a limit is reached.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, carries_many: bool) -> Option<Slot> {
        let peer = network(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let from_peer = open.by_address.get(&peer).copied().unwrap_or(0);
        if open.total >= PER_LISTENER || (!carries_many && from_peer >= PER_ADDRESS) {
            return None;
        }
        open.total += 1;
        open.by_address.insert(peer, from_peer + 1);
        Some(Slot { limits: Arc::clone(self), peer })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.limits.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests;
