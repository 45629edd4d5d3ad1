//! One code, 64 tasks on several threads and two nodes.

use std::sync::Arc;

use gatehouse_store::Store;
use gatehouse_store::conformance::Scene;
use gatehouse_store::transition::Transition;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::random::{KernelRng, NOW};

/// How many tasks present the code at the same time.
const TASKS: usize = 64;

/// Redeems each of `codes` codes from [`TASKS`] tasks at once: one wins, and its family is the one stored.
pub(crate) async fn redeem_each_code_once(one: Arc<dyn Store>, other: Arc<dyn Store>, codes: usize) {
    for _ in 0..codes {
        let scene = Scene { store: &*one, other_node: &*other, rng: &KernelRng, now: NOW };
        let redeemable = Arc::new(scene.redeemable("race", "ada").await.unwrap());
        let start = Arc::new(Barrier::new(TASKS));
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let node = Arc::clone(if number % 2 == 0 { &one } else { &other });
            let (redeemable, start) = (Arc::clone(&redeemable), Arc::clone(&start));
            tasks.spawn(async move {
                start.wait().await;
                node.grants().redeem(&redeemable.active, Some(&redeemable.family), NOW).await.unwrap()
            });
        }
        let outcomes = tasks.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Transition::Won).count(), 1);
        let family = other.refresh_families().find(&redeemable.family.id, NOW).await.unwrap();
        assert_eq!(family.as_ref(), Some(&redeemable.family));
    }
}
