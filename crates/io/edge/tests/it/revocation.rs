//! The deny-list: what this node revokes, what other nodes revoke, and what has expired anyway.

use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::TokenId;
use gatehouse_store::Store as _;

use crate::store::MemoryStore;

fn token(id: &str) -> Map<String, Value> {
    let Value::Object(claims) = json!({ "jti": id }) else { unreachable!() };
    claims
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

#[tokio::test]
async fn what_the_store_did_not_keep_is_not_revoked() {
    let (store, revocations) = (MemoryStore::default(), Revocations::default());
    store.down.store(true, Ordering::SeqCst);
    assert!(revocations.revoke(&store, &TokenId::new("a"), at(100)).await.is_err());
    assert!(!revocations.covers(&token("a")), "durable first, or not at all");
    store.down.store(false, Ordering::SeqCst);
    revocations.revoke(&store, &TokenId::new("a"), at(100)).await.unwrap();
    assert!(revocations.covers(&token("a")));
}

#[tokio::test]
async fn another_node_learns_of_everything_however_much_it_is() {
    let (store, here, there) = (MemoryStore::default(), Revocations::default(), Revocations::default());
    let many = 2_500;
    for number in 0..many {
        store.revocations().revoke_token(&TokenId::new(format!("t-{number}")), at(100)).await.unwrap();
    }
    there.refresh(&store, at(0)).await.unwrap();
    for number in [0, 1, 999, 1_000, 1_001, many - 1] {
        assert!(there.covers(&token(&format!("t-{number}"))), "{number}");
    }
    here.revoke(&store, &TokenId::new("late"), at(100)).await.unwrap();
    there.refresh(&store, at(1)).await.unwrap();
    assert!(there.covers(&token("late")));
    assert!(!there.covers(&token("other")));
    assert!(!there.covers(&Map::new()), "a token without an id is covered by nothing");
}

#[tokio::test]
async fn a_node_that_lost_its_store_keeps_what_it_knows() {
    let (store, revocations) = (MemoryStore::default(), Revocations::default());
    revocations.revoke(&store, &TokenId::new("a"), at(100)).await.unwrap();
    store.down.store(true, Ordering::SeqCst);
    assert!(revocations.refresh(&store, at(10)).await.is_err());
    assert!(revocations.covers(&token("a")));
}

#[tokio::test]
async fn what_has_expired_is_forgotten() {
    let (store, revocations) = (MemoryStore::default(), Revocations::default());
    revocations.revoke(&store, &TokenId::new("a"), at(100)).await.unwrap();
    revocations.revoke(&store, &TokenId::new("b"), at(200)).await.unwrap();
    revocations.refresh(&store, at(99)).await.unwrap();
    assert!(revocations.covers(&token("a")));
    store.revocations().revoke_token(&TokenId::new("c"), at(300)).await.unwrap();
    revocations.refresh(&store, at(150)).await.unwrap();
    let covered = ["a", "b", "c"].map(|id| revocations.covers(&token(id)));
    assert_eq!(covered, [false, true, true]);
}
