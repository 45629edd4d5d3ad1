//! The deny-list: what this node revokes, what other nodes revoke, and what has expired anyway.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tracing::dispatcher::set_default;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{Issuer, TokenId};
use gatehouse_store::Store;
use gatehouse_testkit::host::HandClock;
use gatehouse_testkit::outage::FickleStore;

fn token(id: &str) -> Map<String, Value> {
    let Value::Object(claims) = json!({ "jti": id }) else { unreachable!() };
    claims
}

const ISSUER: &str = "https://gw.example.com";

/// Begins an epoch at `now`.
async fn begin(store: &dyn Store, now: Timestamp) {
    store.epochs().begin(&Issuer::new(ISSUER), Arc::new(HandClock::at(now))).await.unwrap();
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

#[tokio::test]
async fn what_the_store_did_not_keep_is_not_revoked() {
    let (store, revocations) = (FickleStore::create(), Revocations::default());
    store.set_away(true);
    assert!(revocations.revoke(&store, &TokenId::new("a"), at(100)).await.is_err());
    assert!(!revocations.covers(&token("a")), "durable first, or not at all");
    store.set_away(false);
    revocations.revoke(&store, &TokenId::new("a"), at(100)).await.unwrap();
    assert!(revocations.covers(&token("a")));
}

#[tokio::test]
async fn another_node_learns_of_everything_however_much_it_is() {
    let (store, here, there) = (FickleStore::create(), Revocations::default(), Revocations::default());
    let many = 2_500;
    let tokens: Vec<TokenId> = (0..many).map(|number| TokenId::new(format!("t-{number}"))).collect();
    for revoked in join_all(tokens.iter().map(|id| store.revocations().revoke_token(id, at(100)))).await {
        revoked.unwrap();
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
    let (store, revocations) = (FickleStore::create(), Revocations::default());
    revocations.revoke(&store, &TokenId::new("a"), at(100)).await.unwrap();
    store.set_away(true);
    assert!(revocations.refresh(&store, at(10)).await.is_err());
    assert!(revocations.covers(&token("a")));
}

#[tokio::test]
async fn what_has_expired_is_forgotten() {
    let (store, revocations) = (FickleStore::create(), Revocations::default());
    revocations.revoke(&store, &TokenId::new("a"), at(100)).await.unwrap();
    revocations.revoke(&store, &TokenId::new("b"), at(200)).await.unwrap();
    revocations.refresh(&store, at(99)).await.unwrap();
    assert!(revocations.covers(&token("a")));
    store.revocations().revoke_token(&TokenId::new("c"), at(300)).await.unwrap();
    revocations.refresh(&store, at(150)).await.unwrap();
    let covered = ["a", "b", "c"].map(|id| revocations.covers(&token(id)));
    assert_eq!(covered, [false, true, true]);
}

#[tokio::test]
async fn after_a_restore_older_tokens_of_that_issuer_are_void_on_every_node() {
    let (store, node) = (FickleStore::create(), Revocations::default());
    let issued = |issuer: &str, second: i64| {
        let Value::Object(claims) = json!({ "jti": "a", "iss": issuer, "iat": second }) else {
            unreachable!()
        };
        claims
    };
    let own = ISSUER;
    node.refresh(&store, at(50)).await.unwrap();
    assert!(!node.covers(&issued(own, 99)));
    begin(&store, at(98)).await;
    store.set_away(true);
    assert!(node.refresh(&store, at(101)).await.is_err());
    store.set_away(false);
    node.refresh(&store, at(101)).await.unwrap();
    assert!(node.covers(&issued(own, 99)));
    assert!(!node.covers(&issued(own, 100)));
    assert!(!node.covers(&issued("https://idp.example.com", 99)));
    let fresh = Revocations::default();
    fresh.refresh(&store, at(102)).await.unwrap();
    assert!(fresh.covers(&issued(own, 99)));
}

/// The messages of all errors.
struct Errors(Arc<Mutex<Vec<String>>>);

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| write!(text, "{field}={value:?} ").unwrap());
        self.0.lock().unwrap().push(text);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn an_epoch_that_a_wrong_clock_began_is_told_once() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let _listening = set_default(&Dispatch::new(Errors(Arc::clone(&errors))));
    let (store, node) = (FickleStore::create(), Revocations::default());
    begin(&store, at(1_000)).await;
    node.refresh(&store, at(999)).await.unwrap();
    assert!(errors.lock().unwrap().is_empty(), "this one was just begun");
    begin(&store, at(9_000)).await;
    for now in [1_000, 1_001] {
        node.refresh(&store, at(now)).await.unwrap();
    }
    let told = errors.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("begins in the future") && told[0].contains("1970-01-01T02:30:02Z"), "{told:?}");
}

/// The store of before: its feed is shorter than what the node has read.
#[tokio::test]
async fn after_a_restore_the_feed_is_read_anew() {
    let (before, after) = (FickleStore::create(), FickleStore::create());
    let node = Revocations::default();
    for id in ["a", "b", "c"] {
        before.revocations().revoke_token(&TokenId::new(id), at(100)).await.unwrap();
    }
    node.refresh(&before, at(0)).await.unwrap();
    begin(&after, at(10)).await;
    after.revocations().revoke_token(&TokenId::new("d"), at(100)).await.unwrap();
    node.refresh(&after, at(11)).await.unwrap();
    let covered = ["a", "b", "c", "d"].map(|id| node.covers(&token(id)));
    assert_eq!(covered, [true; 4]);
}
