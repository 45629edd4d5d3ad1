use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::advance;

use super::{Account, Busy, ConnectionLimits, Connections, Ending, FREE, PER_CONNECTION, Slot, TooMuch};
use crate::limits::{Limit, Limits};

/// Connections of a listener, which are all busy unless a test says otherwise.
struct Listener {
    connections: Arc<Connections>,
    limits: Arc<Limits>,
}

fn listener(in_all: usize, per_address: usize) -> Listener {
    let limits = Arc::<Limits>::default();
    let most = ConnectionLimits { per_address, header_bytes: 1_000_000, ..ConnectionLimits::of(in_all) };
    for limit in Limit::ALL {
        limits.set(*limit, 1);
    }
    Listener { connections: Connections::new(most, Arc::clone(&limits)), limits }
}

impl Listener {
    fn busy(&self, peer: IpAddr, carries_many: bool) -> Option<Slot> {
        let slot = self.connections.admit(peer, carries_many)?;
        std::mem::forget(slot.presence.busy());
        Some(slot)
    }

    fn hits(&self, limit: Limit) -> u64 {
        self.limits.standing().find(|one| one.limit == limit).unwrap().hits
    }

    fn is_empty(&self) -> bool {
        let open = self.connections.open();
        open.seats.is_empty() && open.by_address.is_empty() && open.leaving == 0
    }
}

fn address(number: usize) -> IpAddr {
    IpAddr::from(u32::try_from(number).unwrap().to_be_bytes())
}

#[test]
fn one_address_holds_so_many_busy_connections_and_no_more() {
    let listener = listener(100, 4);
    let mut held: Vec<_> = (0..4).map(|_| listener.busy(address(1), false).unwrap()).collect();
    assert!(listener.busy(address(1), false).is_none());
    assert!(listener.busy(address(1), true).is_some(), "a proxy carries many clients");
    assert!(listener.busy(address(2), false).is_some());
    held.pop();
    assert!(listener.busy(address(1), false).is_some(), "one that ends makes room");
    assert_eq!((listener.hits(Limit::PerAddress), listener.hits(Limit::PerTrustedProxy)), (1, 0));
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let listener = listener(100, 4);
    let within = |network: u16, host: u16| IpAddr::from([0x2001, 0xdb8, 0, network, host, 0, 0, host]);
    let held: Vec<_> = (0..4).map(|host| listener.busy(within(1, host), false).unwrap()).collect();
    assert!(listener.busy(within(1, 9_999), false).is_none());
    assert!(listener.busy(within(2, 1), false).is_some());
    drop(held);
    assert!(listener.is_empty());
}

#[test]
fn a_listener_holds_so_many_busy_connections_and_no_more() {
    let listener = listener(100, 4);
    let mut held: Vec<_> = (0..100).map(|number| listener.busy(address(number), false).unwrap()).collect();
    assert!(listener.busy(address(100), false).is_none());
    assert!(listener.busy(address(100), true).is_none(), "not even a proxy");
    held.pop();
    assert!(listener.busy(address(100), false).is_some());
    assert_eq!(listener.hits(Limit::Connections), 2);
    drop(held);
    assert!(listener.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_was_idle_for_longest_gives_way() {
    let listener = listener(3, 3);
    let mut held = Vec::new();
    for number in 0..3 {
        held.push(listener.connections.admit(address(number), false).unwrap());
        advance(Duration::from_secs(1)).await;
    }
    let work = held[0].presence.busy();
    advance(Duration::from_secs(1)).await;
    drop(work); // the first has rested for the shortest time now
    let new = listener.connections.admit(address(9), false).unwrap();
    let endings = |held: &[Slot]| held.iter().map(|slot| slot.presence.ending()).collect::<Vec<_>>();
    assert_eq!(endings(&held), [Ending::None, Ending::Cut, Ending::None], "nothing was asked: cut at once");
    // Those that are told to go count no more, and are gone only later.
    let newest = listener.connections.admit(address(9), false).unwrap();
    assert_eq!(endings(&held), [Ending::None, Ending::Cut, Ending::Cut]);
    let another = listener.connections.admit(address(9), false).unwrap();
    assert_eq!(endings(&held), [Ending::Leave, Ending::Cut, Ending::Cut]);
    drop((held, new, newest, another));
    assert!(listener.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_full_displaces_none_but_its_own() {
    let listener = listener(100, 2);
    let other = listener.connections.admit(address(1), false).unwrap();
    advance(Duration::from_secs(1)).await;
    let own: Vec<_> = (0..3).map(|_| listener.connections.admit(address(2), false).unwrap()).collect();
    assert_eq!(other.presence.ending(), Ending::None);
    assert_eq!(own.iter().filter(|slot| slot.presence.ending() == Ending::None).count(), 2);
    let busy: Vec<_> = own.iter().map(|slot| slot.presence.busy()).collect();
    assert!(listener.connections.admit(address(2), false).is_none(), "only busy ones are left");
    drop(busy);
}

/// However fast they come: descriptors are held until those that give way are gone.
#[test]
fn not_all_leave_at_once() {
    let listener = listener(16, 16);
    let held: Vec<_> = (0..1_000).filter_map(|_| listener.connections.admit(address(1), false)).collect();
    assert!(held.len() < 16 + 20, "{}", held.len());
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_idle_for_too_long_leave() {
    let listener = listener(10, 10);
    let (idle, busy) = (listener.connections.admit(address(1), false), listener.busy(address(1), false));
    let (idle, busy) = (idle.unwrap(), busy.unwrap());
    drop(idle.presence.busy());
    advance(Duration::from_secs(5)).await;
    listener.connections.end_idle(Duration::from_secs(6));
    assert_eq!(idle.presence.ending(), Ending::None);
    advance(Duration::from_secs(1)).await;
    listener.connections.end_idle(Duration::from_secs(6));
    assert_eq!((idle.presence.ending(), busy.presence.ending()), (Ending::Leave, Ending::None));
}

/// A connection at work whose heads hold something.
struct Holder {
    slot: Slot,
    account: Account,
    _work: Busy,
}

impl Holder {
    fn ending(&self) -> Ending {
        self.slot.presence.ending()
    }
}

fn holding(listener: &Listener, bytes: usize) -> Holder {
    let slot = listener.connections.admit(address(1), true).unwrap();
    let (mut account, work) = (slot.account(), slot.presence.busy());
    account.hold(FREE + bytes).unwrap();
    Holder { slot, account, _work: work }
}

#[test]
fn whoever_holds_most_is_closed_when_all_hold_too_much() {
    let listener = listener(100, 100);
    let memory = Arc::clone(&listener.connections.memory);
    let mut small = holding(&listener, 1_000);
    let mut large = holding(&listener, 600_000);
    let mut middle = holding(&listener, 300_000);
    assert!(small.account.hold(FREE + 200_000).is_ok(), "a bystander goes on");
    assert_eq!((small.ending(), large.ending(), middle.ending()), (Ending::None, Ending::Cut, Ending::None));
    assert_eq!(large.account.hold(FREE + 600_001), Err(TooMuch));
    assert_eq!(listener.hits(Limit::HeaderBytes), 1);
    assert_eq!(middle.account.hold(FREE + 900_000), Err(TooMuch), "it holds most now");
    assert_eq!(memory.living(), 200_000);
    assert!(small.account.should_wait(), "until those who were told to end have");
    let Holder { slot, account, _work: work } = large;
    drop((slot, account));
    assert!(small.account.should_wait(), "a request is left");
    drop((work, middle));
    assert!(!small.account.should_wait());
    assert_eq!(memory.living(), 200_000);
    drop(small);
    assert!(listener.is_empty());
    let left = (memory.held.load(Ordering::Relaxed), memory.dying.load(Ordering::Relaxed));
    assert_eq!(left, (0, 0));
}

#[test]
fn one_connection_holds_so_much_and_no_more() {
    let limits = Arc::<Limits>::default();
    let connections = Connections::new(ConnectionLimits::default(), limits);
    let slot = connections.admit(address(1), false).unwrap();
    let mut account = slot.account();
    assert_eq!(account.hold(FREE + PER_CONNECTION), Ok(()));
    assert_eq!(account.hold(FREE + PER_CONNECTION + 1), Err(TooMuch));
    assert_eq!(account.hold(FREE), Ok(()), "it may give back");
}

#[test]
fn one_of_many_must_do_with_less() {
    let listener = listener(64, 64);
    let held: Vec<_> = (0..4).map(|_| listener.busy(address(1), true).unwrap()).collect();
    let many: Vec<_> = held.iter().map(|slot| slot.is_one_of_many).collect();
    assert_eq!(many, [false, false, true, true]);
}
