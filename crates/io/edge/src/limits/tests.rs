use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::advance;

use super::{Limit, Limits, QUIET};

#[test]
fn every_limit_has_a_key_of_its_own() {
    let keys: HashSet<_> = Limit::ALL.iter().map(|limit| limit.key()).collect();
    assert_eq!(keys.len(), Limit::ALL.len());
    for (number, limit) in Limit::ALL.iter().enumerate() {
        assert_eq!(*limit as usize, number);
    }
}

#[test]
fn only_what_is_set_stands() {
    let limits = Limits::default();
    assert_eq!(limits.standing().count(), 0);
    limits.set(Limit::PerAddress, 7);
    limits.hit(Limit::PerAddress);
    limits.hit(Limit::PerAddress);
    limits.hit(Limit::Connections);
    let standing: Vec<_> = limits.standing().map(|one| (one.limit, one.bound, one.hits)).collect();
    assert_eq!(standing, [(Limit::PerAddress, 7, 2)]);
    assert_eq!(limits.bound(Limit::PerAddress), 7);
}

#[tokio::test(start_paused = true)]
async fn the_log_is_told_at_once_and_then_once_a_minute() {
    let limits = Limits::default();
    let told = || limits.meters[0].told.load(Ordering::Relaxed);
    limits.hit(Limit::Connections);
    assert_eq!(told(), 1);
    for _ in 0..10 {
        limits.hit(Limit::Connections);
    }
    assert_eq!(told(), 1);
    advance(Duration::from_secs(QUIET)).await;
    limits.hit(Limit::Connections);
    assert_eq!(told(), 12);
    limits.hit(Limit::Connections);
    assert_eq!(told(), 12);
}
