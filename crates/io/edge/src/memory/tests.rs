use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::static_key::{KeyHash, KeyTable, StaticKey};

use super::{Held, Holder, LEAST_ROOM, Memory, MemoryLimits, OverBudget};
use crate::limits::{Limit, Limits};
use crate::rejection::{Rejection, RejectionKind};

const LIMITS: MemoryLimits = MemoryLimits { total: 1000, per_holder: 400 };

fn caller(name: &str) -> Holder {
    let key = StaticKey {
        name: name.to_owned(),
        hash: KeyHash::of("key"),
        groups: Arc::default(),
        expires_at: None,
    };
    let table = KeyTable::new(Issuer::new("urn:keys"), [key]);
    let principal = table.authenticate_hash(&KeyHash::of("key"), Timestamp::from_unix_seconds(0));
    Holder::caller(&Arc::new(principal.expect("a key of the table")))
}

fn network(last: u8) -> Holder {
    Holder::Network(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
}

fn hold(memory: &Memory, holder: &Holder, bytes: usize) -> Result<Held, OverBudget> {
    memory.account(holder).hold(bytes)
}

#[test]
fn a_holder_gets_its_share_and_no_more_over_all_its_requests() {
    let memory = Memory::new(LIMITS);
    let first = hold(&memory, &caller("ada"), 300).expect("room");
    assert_eq!(hold(&memory, &caller("ada"), 101).err(), Some(OverBudget::Share { held: 300, limit: 400 }));
    let second = hold(&memory, &caller("ada"), 100).expect("exactly its share");
    assert_eq!(memory.held(), 400);
    drop((first, second));
    assert_eq!(memory.held(), 0);
    assert_eq!(memory.refused(), 1);
}

#[test]
fn it_is_told_which_limit_was_met() {
    let met = Arc::<Limits>::default();
    met.set(Limit::BufferedBytes, 1000);
    met.set(Limit::BufferedBytesPerCaller, 400);
    let memory = Memory::counting(LIMITS, Arc::clone(&met));
    let hits = |limit| met.standing().find(|one| one.limit == limit).map_or(0, |one| one.hits);
    let ada = hold(&memory, &caller("ada"), 400).expect("its share");
    assert!(hold(&memory, &caller("ada"), 1).is_err());
    assert_eq!((hits(Limit::BufferedBytes), hits(Limit::BufferedBytesPerCaller)), (0, 1));
    let bob = hold(&memory, &caller("bob"), 300).expect("half of what is left");
    assert!(hold(&memory, &caller("bob"), 50).is_err(), "as much as is free");
    assert!(hold(&memory, &network(1), 301).is_err(), "more than there is");
    assert_eq!((hits(Limit::BufferedBytes), hits(Limit::BufferedBytesPerCaller)), (2, 1));
    drop((ada, bob));
}

#[test]
fn a_newcomer_finds_room_while_those_who_hold_most_do_not() {
    let memory = Memory::new(LIMITS);
    let mut heavy: Vec<Held> = (1..=9).filter_map(|last| hold(&memory, &network(last), 1).ok()).collect();
    // All nine take one byte at a time until none of them may have another.
    while heavy.iter_mut().filter_map(|held| held.grow(1).ok()).count() > 0 {}
    let shares: Vec<usize> = heavy.iter().map(Held::bytes).collect();
    assert!(shares.iter().all(|share| (98..=102).contains(share)), "a tenth each: {shares:?}");
    let newcomer = hold(&memory, &caller("bob"), 60).expect("a bystander is served");
    assert!(heavy.iter_mut().all(|held| held.grow(1).is_err()), "nobody else is");
    drop(newcomer);
}

#[test]
fn one_alone_leaves_half_of_the_budget() {
    let memory = Memory::new(MemoryLimits { total: 1000, per_holder: usize::MAX });
    let mut held = hold(&memory, &caller("ada"), 0).expect("nothing is always there");
    while held.grow(10).is_ok() {}
    assert_eq!(held.bytes(), 500);
}

#[test]
fn more_than_all_there_is_overflows_nothing() {
    let memory = Memory::new(LIMITS);
    let mut held = hold(&memory, &caller("ada"), 10).expect("room");
    assert_eq!(held.grow(usize::MAX), Err(OverBudget::Process { held: 10, limit: 1000 }));
    assert_eq!((held.bytes(), memory.held()), (10, 10));
}

#[test]
fn what_is_not_needed_is_given_back_at_once() {
    let memory = Memory::new(LIMITS);
    let mut held = hold(&memory, &caller("ada"), 300).expect("room");
    held.shrink_to(20);
    held.shrink_to(500);
    assert_eq!((held.bytes(), memory.held()), (20, 20));
}

#[test]
fn an_account_is_one_whoever_counts_for_it() {
    let memory = Memory::new(LIMITS);
    let (one, other) = (hold(&memory, &network(1), 1), hold(&memory, &network(1), 1));
    drop(one);
    assert_eq!(hold(&memory, &network(1), 400).err(), Some(OverBudget::Share { held: 1, limit: 400 }));
    drop(other);
    assert!(hold(&memory, &network(1), 400).is_ok());
}

#[test]
fn accounts_that_nobody_uses_do_not_stay() {
    let memory = Memory::new(LIMITS);
    let used: Vec<Held> = (0..=200).filter_map(|last| hold(&memory, &network(last), 1).ok()).collect();
    assert_eq!(used.len(), 201);
    for stranger in 0..100_000_u32 {
        let address = IpAddr::V4(Ipv4Addr::from(0x0B00_0000 + stranger));
        drop(hold(&memory, &Holder::Network(address), 1));
    }
    let accounts: usize =
        memory.0.accounts.iter().map(|shard| shard.lock().expect("no panic").held.len()).sum();
    assert!((201..=32 * LEAST_ROOM).contains(&accounts), "{accounts}");
    assert_eq!(hold(&memory, &network(7), 400).err(), Some(OverBudget::Share { held: 1, limit: 400 }));
    drop(used);
    assert_eq!(memory.held(), 0);
}

#[test]
fn concurrent_holders_never_exceed_the_budget() {
    let memory = Memory::new(LIMITS);
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let memory = &memory;
            scope.spawn(move || {
                for round in 0..2_000_usize {
                    let held = hold(memory, &network(thread % 3), round % 300);
                    assert!(memory.held() <= LIMITS.total);
                    drop(held);
                }
            });
        }
    });
    assert_eq!(memory.held(), 0);
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let share = Rejection::from(OverBudget::Share { held: 1, limit: 1 });
    let process = Rejection::from(OverBudget::Process { held: 1, limit: 1 });
    assert_eq!((share.kind, share.reason), (RejectionKind::RateLimited, "memory_share"));
    assert_eq!((process.kind, process.reason), (RejectionKind::Unavailable, "memory_full"));
    assert!(share.retry_after.is_some() && process.retry_after.is_some());
}
