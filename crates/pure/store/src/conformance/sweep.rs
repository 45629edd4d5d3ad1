//! Removal of expired rows.

use std::time::Duration;

use futures_util::future::join_all;
use gatehouse_identity::id::TokenId;

use super::fixtures::profile;
use super::{Finding, Scene, consents, equal, won};
use crate::maintenance::{ENDED_FAMILIES_KEPT, SWEEP_BATCH, Swept};
use crate::one_time::Namespace;

/// Runs on an empty store and leaves it empty.
pub(super) async fn removes_expired_rows_only(scene: &Scene<'_>) -> Result<(), Finding> {
    const NAMESPACE: Namespace = Namespace::new("conformance.sweep");
    let store = scene.store;
    let Scene { now, .. } = *scene;
    let until = scene.later(Duration::from_hours(1));
    let swept = scene.family("sweep", "ada").await?.family;
    let (hash, session) = scene.session("ada");
    won("a session", store.sessions().insert(&hash, &session).await?)?;
    store.consents().remember(&consents::consent("sweeper")?, now, until).await?;
    let claims = u64::from(SWEEP_BATCH) + 1;
    let keys: Vec<String> = (0..claims).map(|number| number.to_string()).collect();
    let claimed = join_all(keys.iter().map(|key| store.one_time().claim(NAMESPACE, key, until, now)));
    for outcome in claimed.await {
        won("a claim", outcome?)?;
    }
    store.revocations().revoke_token(&TokenId::random(scene.rng), until).await?;

    equal("nothing has expired", &store.maintenance().sweep(now).await?, &Swept::default())?;
    let the_end = scene.later(profile().lifetime);
    let first = store.maintenance().sweep(the_end).await?;
    let expected = Swept {
        grants: 1,
        families: 0,
        sessions: 1,
        consents: 1,
        claims: u64::from(SWEEP_BATCH),
        revocations: 1,
    };
    equal("the first sweep", &first, &expected)?;
    equal("a full sweep says so", &first.is_full(), &true)?;
    let second = scene.other_node.maintenance().sweep(the_end).await?;
    equal("the second sweep", &second, &Swept { claims: 1, ..Swept::default() })?;
    equal("the third sweep", &store.maintenance().sweep(the_end).await?, &Swept::default())?;
    let families = store.refresh_families();
    equal("an expired family is absent", &families.find(&swept.id, the_end).await?, &None)?;
    equal("an expired family, for evidence", &families.find_ended(&swept.id).await?, &Some(swept.clone()))?;
    let long_after = the_end.plus(ENDED_FAMILIES_KEPT);
    let last = store.maintenance().sweep(long_after).await?;
    equal("a family that ended long ago", &last, &Swept { families: 1, ..Swept::default() })?;
    equal("a swept family", &families.find_ended(&swept.id).await?, &None)
}
