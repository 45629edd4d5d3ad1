//! Nothing acknowledged is lost when the store is closed and opened again.

use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::TokenId;
use gatehouse_oauth::grant::{Grant, SessionHash};
use gatehouse_oauth::refresh::RefreshFamily;

use super::{Finding, Scene, consents, equal, lost, won};
use crate::Store;
use crate::consent::Consent;
use crate::one_time::Namespace;
use crate::session::Session;

const NAMESPACE: Namespace = Namespace::new("conformance.reopen");

/// What was stored before.
pub(super) struct Before {
    grant: Grant,
    family: RefreshFamily,
    spent: super::Redeemable,
    session: (SessionHash, Session),
    consent: Consent,
    token: TokenId,
    kids: Vec<String>,
    until: Timestamp,
}

pub(super) async fn write(scene: &Scene<'_>) -> Result<Before, Finding> {
    let store = scene.store;
    let Scene { now, .. } = *scene;
    let until = scene.later(Duration::from_hours(1));
    let kept = scene.family("reopen", "ada").await?;
    let rotation = scene.rotation(&kept.family, &kept.token)?;
    won("rotate", store.refresh_families().rotate(&rotation.next, 1, now).await?)?;
    won("stale hit", store.refresh_families().count_stale_hit(&kept.family.id, 2, 0, now).await?)?;
    let spent = scene.family("reopen", "ada").await?;
    won("revoke", store.grants().revoke(&spent.active.id, now).await?)?;
    let session = scene.session("ada");
    won("session", store.sessions().insert(&session.0, &session.1).await?)?;
    let consent = consents::consent("reopener")?;
    store.consents().remember(&consent, now, until).await?;
    won("claim", store.one_time().claim(NAMESPACE, "jti", until, now).await?)?;
    let token = TokenId::random(scene.rng);
    store.revocations().revoke_token(&token, until).await?;
    let kids = store.signing_keys().all().await?.into_iter().map(|key| key.kid).collect();
    let family = rotation.next.with_stale_hit();
    Ok(Before { grant: Grant::Active(kept.active), family, spent, session, consent, token, kids, until })
}

pub(super) async fn read(store: &dyn Store, before: &Before, now: Timestamp) -> Result<(), Finding> {
    let found = store.grants().find(before.grant.id(), now).await?;
    equal("the grant", &found.as_ref(), &Some(&before.grant))?;
    let found = store.refresh_families().find(&before.family.id, now).await?;
    equal("the family", &found.as_ref(), &Some(&before.family))?;
    let spent = &before.spent;
    lost("redeeming a spent code", store.grants().redeem(&spent.active, None, now).await?)?;
    let found = store.grants().find(&spent.active.id, now).await?;
    equal("the revoked grant", &found, &Some(Grant::Active(spent.active.clone().revoked(now))))?;
    let found = store.refresh_families().find(&spent.family.id, now).await?;
    equal("its family", &found.map(|family| family.revoked_at), &Some(Some(now)))?;
    let (hash, session) = &before.session;
    equal("the session", &store.sessions().find(hash, now).await?.as_ref(), &Some(session))?;
    equal("the consent", &store.consents().is_remembered(&before.consent, now).await?, &true)?;
    lost("claiming a claimed key", store.one_time().claim(NAMESPACE, "jti", before.until, now).await?)?;
    equal("the revoked token", &store.revocations().is_revoked(&before.token, now).await?, &true)?;
    let kids: Vec<String> = store.signing_keys().all().await?.into_iter().map(|key| key.kid).collect();
    equal("the signing keys", &kids, &before.kids)
}
