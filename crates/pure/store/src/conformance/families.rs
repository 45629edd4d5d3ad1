//! Refresh families between rotations.

use std::time::Duration;

use gatehouse_identity::id::GrantId;
use gatehouse_oauth::refresh::FamilyId;

use super::fixtures::profile;
use super::{Finding, Scene, equal, lost, won};

pub(super) async fn change_in_place(scene: &Scene<'_>) -> Result<(), Finding> {
    let families = scene.store.refresh_families();
    let Scene { now, .. } = *scene;
    let redeemable = scene.family("marks", "ada").await?;
    let id = &redeemable.family.id;
    lost("a stale hit with another count", families.count_stale_hit(id, 1, 1, now).await?)?;
    won("a stale hit", families.count_stale_hit(id, 1, 0, now).await?)?;
    lost("the same stale hit", families.count_stale_hit(id, 1, 0, now).await?)?;
    let expected = redeemable.family.with_stale_hit();
    equal("the count", &families.find(id, now).await?, &Some(expected.clone()))?;

    let rotation = scene.rotation(&expected, &redeemable.token)?;
    lost("expecting a wrong generation", families.rotate(&rotation.next, 2, now).await?)?;
    won("rotating", families.rotate(&rotation.next, 1, now).await?)?;
    equal("a rotation wipes the marks", &families.find(id, now).await?, &Some(rotation.next))?;
    lost("a stale hit of the generation before", families.count_stale_hit(id, 1, 0, now).await?)?;
    won("revoking", families.revoke(id, now).await?)?;
    lost("revoking again", families.revoke(id, now).await?)?;
    let stranger: FamilyId = serde_json::from_value("stranger".into()).map_err(|e| Finding(e.to_string()))?;
    lost("revoking an unknown family", families.revoke(&stranger, now).await?)?;
    equal("an unknown family", &families.find(&stranger, now).await?, &None)
}

pub(super) async fn notice_use(scene: &Scene<'_>) -> Result<(), Finding> {
    let families = scene.store.refresh_families();
    let Scene { now, .. } = *scene;
    let redeemable = scene.family("uses", "ada").await?;
    let (id, grant) = (&redeemable.family.id, &redeemable.family.grant);
    let rotation = scene.rotation(&redeemable.family, &redeemable.token)?;
    lost("a use of what comes later", families.mark_generation_used(grant, 2, now).await?)?;
    won("rotating", families.rotate(&rotation.next, 1, now).await?)?;
    lost("a use of the one before", families.mark_generation_used(grant, 1, now).await?)?;
    lost("a use of another grant", families.mark_generation_used(&GrantId::new("x"), 2, now).await?)?;
    equal("no use yet", &families.find(id, now).await?, &Some(rotation.next.clone()))?;
    won("a use", families.mark_generation_used(grant, 2, now).await?)?;
    lost("another use", families.mark_generation_used(grant, 2, now).await?)?;
    let mut used = rotation.next.clone();
    used.successor_used = true;
    equal("the use", &families.find(id, now).await?, &Some(used.clone()))?;

    let next = scene.rotation(&used, &rotation.successor)?;
    won("rotating again", families.rotate(&next.next, 2, now).await?)?;
    equal("a rotation wipes the mark", &families.find(id, now).await?, &Some(next.next))?;
    won("revoking", families.revoke(id, now).await?)?;
    lost("a use of a revoked family", families.mark_generation_used(grant, 3, now).await?)
}

pub(super) async fn expire_when_idle(scene: &Scene<'_>) -> Result<(), Finding> {
    let families = scene.store.refresh_families();
    let redeemable = scene.family("idle", "ada").await?;
    let id = &redeemable.family.id;
    let idle = profile().idle_lifetime.unwrap_or_default();
    let last_moment = scene.later(idle.saturating_sub(Duration::from_nanos(1)));
    let too_late = scene.later(idle);
    equal("at its last moment", &families.find(id, last_moment).await?, &Some(redeemable.family.clone()))?;
    equal("an idle family", &families.find(id, too_late).await?, &None)?;
    let rotation = scene.rotation(&redeemable.family, &redeemable.token)?;
    lost("rotating an idle family", families.rotate(&rotation.next, 1, too_late).await?)?;
    won("rotating in time", families.rotate(&rotation.next, 1, last_moment).await?)
}
