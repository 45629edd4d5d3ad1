//! Many callers, one winner.

use std::time::Duration;

use futures_util::future::{join, join_all};

use super::{Finding, Scene, equal, one_winner};
use crate::Store;
use crate::one_time::Namespace;

/// How many callers race.
const CALLERS: usize = 64;

impl<'a> Scene<'a> {
    /// The two nodes in turn.
    fn nodes(&self) -> impl Iterator<Item = &'a dyn Store> + use<'a> {
        [self.store, self.other_node].into_iter().cycle().take(CALLERS)
    }
}

pub(super) async fn redeem_one_code_in_parallel(scene: &Scene<'_>) -> Result<(), Finding> {
    let redeemable = scene.stored("race", "ada").await?;
    let (active, family) = (&redeemable.active, &redeemable.family);
    let callers = scene.nodes().map(|node| node.grants().redeem(active, Some(family), scene.now));
    one_winner("winners of one code", join_all(callers).await)?;
    let found = scene.store.refresh_families().find(&family.id, scene.now).await?;
    equal("the one family", &found.as_ref(), &Some(family))
}

pub(super) async fn rotate_one_family_in_parallel(scene: &Scene<'_>) -> Result<(), Finding> {
    let redeemable = scene.family("race", "ada").await?;
    let (mut family, mut token) = (redeemable.family, redeemable.token);
    for generation in 1..=8 {
        // Every caller has made a successor of its own; only one of them may ever be stored.
        let rotations =
            (0..CALLERS).map(|_| scene.rotation(&family, &token)).collect::<Result<Vec<_>, Finding>>()?;
        let callers = scene.nodes().zip(&rotations).map(|(node, rotation)| {
            node.refresh_families().rotate(&rotation.next, rotation.expected_generation, scene.now)
        });
        let outcomes = join_all(callers).await;
        let winner =
            outcomes.iter().position(|outcome| outcome.as_ref().is_ok_and(|outcome| outcome.is_won()));
        one_winner(&format!("winners of generation {generation}"), outcomes)?;
        let stored = scene.other_node.refresh_families().find(&family.id, scene.now).await?;
        let won = winner.and_then(|index| rotations.into_iter().nth(index));
        let won = won.ok_or_else(|| Finding("a winner without a rotation".to_owned()))?;
        equal("the stored family is the winner's", &stored.as_ref(), &Some(&won.next))?;
        (family, token) = (won.next, won.successor);
    }
    equal("the generation after eight rotations", &family.generation, &9)
}

pub(super) async fn claim_one_key_in_parallel(scene: &Scene<'_>) -> Result<(), Finding> {
    const NAMESPACE: Namespace = Namespace::new("conformance.race");
    let until = scene.later(Duration::from_mins(1));
    let callers = scene.nodes().map(|node| node.one_time().claim(NAMESPACE, "jti-1", until, scene.now));
    one_winner("winners of one key", join_all(callers).await)?;
    // A claim that has run out is one key again.
    let later = until.plus(Duration::from_mins(1));
    let callers = scene.nodes().map(|node| node.one_time().claim(NAMESPACE, "jti-1", later, until));
    one_winner("winners of an expired key", join_all(callers).await)
}

/// Whoever comes first, no live family is left behind.
pub(super) async fn revoke_while_redeeming(scene: &Scene<'_>) -> Result<(), Finding> {
    for _ in 0..16 {
        let redeemable = scene.stored("race", "ada").await?;
        let redeem = scene.store.grants().redeem(&redeemable.active, Some(&redeemable.family), scene.now);
        let revoke = scene.other_node.grants().revoke(&redeemable.active.id, scene.now);
        let (redeemed, revoked) = join(redeem, revoke).await;
        let redeemed = redeemed?;
        one_winner("revocations", vec![revoked])?;
        let family = scene.store.refresh_families().find(&redeemable.family.id, scene.now).await?;
        let expected = redeemed.is_won().then_some(Some(scene.now));
        equal("the revocation of the family", &family.map(|family| family.revoked_at), &expected)?;
    }
    Ok(())
}
