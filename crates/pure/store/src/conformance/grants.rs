//! Grants, one step after the other.

use std::time::Duration;

use gatehouse_identity::id::{ClientId, GrantId, SubjectId};
use gatehouse_oauth::grant::{CODE_LIFETIME, CodeHash, Grant, Stage};

use super::fixtures::SIGN_IN;
use super::{Finding, Scene, ensure, equal, lost, won};

pub(super) async fn live_a_whole_life(scene: &Scene<'_>) -> Result<(), Finding> {
    let grants = scene.store.grants();
    let Scene { now, .. } = *scene;
    let pending = scene.pending("whole-life")?;
    let id = pending.id.clone();
    equal("an unknown grant", &grants.find(&id, now).await?, &None)?;
    won("insert", grants.insert(&pending).await?)?;
    equal("pending", &grants.find(&id, now).await?, &Some(Grant::Pending(pending.clone())))?;
    lost("inserting an id twice", grants.insert(&pending).await?)?;

    let redeemable = scene.stored("whole-life", "ada").await?;
    let id = redeemable.active.id.clone();
    let waiting = grants.find_by_code(&redeemable.code, now).await?;
    ensure(
        waiting.as_ref().is_some_and(|grant| grant.stage() == Stage::Consented && *grant.id() == id),
        "the code finds its consented grant",
    )?;
    equal("by id and by code", &grants.find(&id, now).await?, &waiting)?;
    won("redeem", grants.redeem(&redeemable.active, Some(&redeemable.family), now).await?)?;
    lost("a second redemption", grants.redeem(&redeemable.active, Some(&redeemable.family), now).await?)?;

    let active = Some(Grant::Active(redeemable.active.clone()));
    equal("active", &grants.find(&id, now).await?, &active)?;
    equal("a used code finds its grant", &grants.find_by_code(&redeemable.code, now).await?, &active)?;
    let families = scene.other_node.refresh_families();
    let family = families.find(&redeemable.family.id, now).await?;
    equal("the family, on another node", &family, &Some(redeemable.family.clone()))?;
    equal("an unknown code", &grants.find_by_code(&CodeHash::of("guess"), now).await?, &None)
}

pub(super) async fn steps_are_taken_once(scene: &Scene<'_>) -> Result<(), Finding> {
    let grants = scene.store.grants();
    let Scene { now, .. } = *scene;
    let pending = scene.pending("steps")?;
    let step = pending.clone().authenticate(scene.user("ada"), now);
    let step = Grant::Authenticated(step.map_err(|error| Finding(error.to_string()))?);
    lost("advancing an absent grant", grants.advance(Stage::Pending, &step, now).await?)?;
    won("insert", grants.insert(&pending).await?)?;
    lost("advancing from another stage", grants.advance(Stage::Authenticated, &step, now).await?)?;
    won("advancing", grants.advance(Stage::Pending, &step, now).await?)?;
    lost("advancing again", grants.advance(Stage::Pending, &step, now).await?)?;
    equal("after all", &grants.find(&pending.id, now).await?, &Some(step))?;

    let mut redeemable = scene.stored("steps", "ada").await?;
    let code = std::mem::replace(&mut redeemable.active.code, CodeHash::of("another code"));
    lost("redeeming with another code", grants.redeem(&redeemable.active, None, now).await?)?;
    redeemable.active.code = code;
    won("redeeming without a family", grants.redeem(&redeemable.active, None, now).await?)
}

pub(super) async fn are_abandoned_before_consent_only(scene: &Scene<'_>) -> Result<(), Finding> {
    let grants = scene.store.grants();
    let Scene { now, .. } = *scene;
    lost("abandoning an unknown grant", grants.abandon(&GrantId::new("unknown")).await?)?;
    let pending = scene.pending("abandoned")?;
    won("insert", grants.insert(&pending).await?)?;
    won("abandoning", grants.abandon(&pending.id).await?)?;
    lost("abandoning again", grants.abandon(&pending.id).await?)?;
    equal("an abandoned grant", &grants.find(&pending.id, now).await?, &None)?;
    let step = pending.clone().authenticate(scene.user("ada"), now);
    let step = Grant::Authenticated(step.map_err(|error| Finding(error.to_string()))?);
    lost("advancing an abandoned grant", grants.advance(Stage::Pending, &step, now).await?)?;

    won("the id is free again", grants.insert(&pending).await?)?;
    won("advancing", grants.advance(Stage::Pending, &step, now).await?)?;
    won("abandoning after the sign-in", scene.other_node.grants().abandon(&pending.id).await?)?;
    equal("abandoned after the sign-in", &grants.find(&pending.id, now).await?, &None)?;

    let redeemable = scene.stored("abandoned", "ada").await?;
    let id = redeemable.active.id.clone();
    lost("abandoning what was consented to", grants.abandon(&id).await?)?;
    won("redeem", grants.redeem(&redeemable.active, Some(&redeemable.family), now).await?)?;
    lost("abandoning an active grant", grants.abandon(&id).await?)
}

pub(super) async fn expire_without_a_sweep(scene: &Scene<'_>) -> Result<(), Finding> {
    let grants = scene.store.grants();
    let pending = scene.pending("expiry")?;
    won("insert", grants.insert(&pending).await?)?;
    let last_moment = scene.later(SIGN_IN.saturating_sub(Duration::from_nanos(1)));
    let too_late = scene.later(SIGN_IN);
    ensure(grants.find(&pending.id, last_moment).await?.is_some(), "a grant lives until its last moment")?;
    equal("an expired grant", &grants.find(&pending.id, too_late).await?, &None)?;
    let step = pending.authenticate(scene.user("ada"), scene.now);
    let step = Grant::Authenticated(step.map_err(|error| Finding(error.to_string()))?);
    lost("advancing an expired grant", grants.advance(Stage::Pending, &step, too_late).await?)?;

    let redeemable = scene.stored("expiry", "ada").await?;
    let too_late = scene.later(CODE_LIFETIME);
    equal("an expired code", &grants.find_by_code(&redeemable.code, too_late).await?, &None)?;
    lost(
        "redeeming an expired code",
        grants.redeem(&redeemable.active, Some(&redeemable.family), too_late).await?,
    )?;
    let family = scene.store.refresh_families().find(&redeemable.family.id, scene.now).await?;
    equal("the family of a lost redemption", &family, &None)
}

pub(super) async fn are_revoked_with_their_families(scene: &Scene<'_>) -> Result<(), Finding> {
    let grants = scene.store.grants();
    let families = scene.store.refresh_families();
    let Scene { now, .. } = *scene;
    let redeemable = scene.family("revocation", "ada").await?;
    let id = redeemable.active.id.clone();
    won("revoke", grants.revoke(&id, now).await?)?;
    lost("revoking again", grants.revoke(&id, scene.later(SIGN_IN)).await?)?;
    lost("revoking an unknown grant", grants.revoke(&GrantId::new("unknown"), now).await?)?;
    let expected = Some(Grant::Active(redeemable.active.clone().revoked(now)));
    equal("a revoked grant keeps its first time", &grants.find(&id, now).await?, &expected)?;
    let family = families.find(&redeemable.family.id, now).await?;
    equal("its family", &family.map(|family| family.revoked_at), &Some(Some(now)))?;
    let rotation = scene.rotation(&redeemable.family, &redeemable.token)?;
    lost("rotating a revoked family", families.rotate(&rotation.next, 1, now).await?)?;

    let waiting = scene.stored("revocation", "ada").await?;
    won("revoking before redemption", grants.revoke(&waiting.active.id, now).await?)?;
    equal("a grant revoked before it was active", &grants.find(&waiting.active.id, now).await?, &None)?;
    equal("its code", &grants.find_by_code(&waiting.code, now).await?, &None)?;
    lost("redeeming a revoked grant", grants.redeem(&waiting.active, Some(&waiting.family), now).await?)?;
    equal("its family", &families.find(&waiting.family.id, now).await?, &None)
}

pub(super) async fn are_revoked_by_user_and_client(scene: &Scene<'_>) -> Result<(), Finding> {
    let grants = scene.store.grants();
    let families = scene.store.refresh_families();
    let Scene { now, .. } = *scene;
    let leaving = [scene.family("one", "leaver").await?, scene.family("two", "leaver").await?];
    let staying = scene.family("two", "stayer").await?;
    equal("grants of the user", &grants.revoke_all_of_user(&SubjectId::new("leaver"), now).await?, &2)?;
    let mut ids = leaving.each_ref().map(|gone| gone.active.id.clone());
    ids.sort();
    equal(
        "revoked grants of the user",
        &grants.all_of(&SubjectId::new("leaver"), now).await?,
        &ids.to_vec(),
    )?;
    equal("grants of nobody", &grants.all_of(&SubjectId::new("nobody"), now).await?, &Vec::new())?;
    for gone in &leaving {
        let family = families.find(&gone.family.id, now).await?;
        equal("a family of the user", &family.map(|family| family.revoked_at), &Some(Some(now)))?;
    }
    let family = families.find(&staying.family.id, now).await?;
    equal("a family of another user", &family.map(|family| family.revoked_at), &Some(None))?;
    equal("grants of the client", &grants.revoke_all_of_client(&ClientId::new("two"), now).await?, &1)?;
    let family = families.find(&staying.family.id, now).await?;
    equal("a family of the client", &family.map(|family| family.revoked_at), &Some(Some(now)))
}
