//! What follows once a store was put back.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::{Issuer, TokenId};

use super::{Finding, Scene, consents, ensure, equal, lost, won};
use crate::epoch::{Begun, Epoch};
use crate::one_time::Namespace;

const MINUTE: Duration = Duration::from_mins(1);

/// A clock that stands still.
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(super) async fn end_what_was_alive(scene: &Scene<'_>) -> Result<(), Finding> {
    const NAMESPACE: Namespace = Namespace::new("conformance.epochs");
    let (store, other) = (scene.store, scene.other_node);
    let Scene { now, .. } = *scene;
    let until = scene.later(MINUTE);
    let waiting = scene.stored("epochs", "ada").await?;
    let rotating = scene.family("epochs", "ada").await?;
    let rotation = scene.rotation(&rotating.family, &rotating.token)?;
    won("rotating", store.refresh_families().rotate(&rotation.next, 1, now).await?)?;
    let (hash, session) = scene.session("ada");
    won("a session", store.sessions().insert(&hash, &session).await?)?;
    let consent = consents::consent("epochs")?;
    store.consents().remember(&consent, now, until).await?;
    won("a claim", store.one_time().claim(NAMESPACE, "jti", until, now).await?)?;
    let token = TokenId::random(scene.rng);
    store.revocations().revoke_token(&token, until).await?;
    let keys = store.signing_keys().all().await?.len();
    equal("epochs before", &other.epochs().current().await?, &Vec::new())?;

    let issuer = Issuer::new("https://gateway.example");
    let Begun { epoch, ended } = store.epochs().begin(&issuer, Arc::new(Still(until))).await?;
    equal("what has begun", &epoch, &Epoch::written_at(until, &issuer))?;
    let some = [ended.grants >= 2, ended.families >= 1, ended.sessions >= 1, ended.consents >= 1];
    ensure(some.iter().all(|some| *some), &format!("all kinds are counted, not {ended:?}"))?;

    equal("the epoch", &other.epochs().current().await?, &vec![epoch.clone()])?;
    lost("redeeming a code", other.grants().redeem(&waiting.active, Some(&waiting.family), now).await?)?;
    equal("a code", &other.grants().find_by_code(&waiting.code, now).await?, &None)?;
    equal("a grant", &other.grants().find(&rotating.active.id, now).await?, &None)?;
    equal("a family", &other.refresh_families().find(&rotating.family.id, now).await?, &None)?;
    let again = scene.rotation(&rotation.next, &rotation.successor)?;
    lost("rotating on", other.refresh_families().rotate(&again.next, 2, now).await?)?;
    equal("a session", &other.sessions().find(&hash, now).await?, &None)?;
    equal("a consent", &other.consents().is_remembered(&consent, now).await?, &false)?;
    lost("a claimed value", other.one_time().claim(NAMESPACE, "jti", until, now).await?)?;
    equal("a revoked token", &other.revocations().is_revoked(&token, now).await?, &true)?;
    equal("the signing keys", &other.signing_keys().all().await?.len(), &keys)?;

    the_latest_of_each_issuer_counts(scene, epoch).await?;
    scene.family("epochs", "ada").await.map(|_| ())
}

async fn the_latest_of_each_issuer_counts(scene: &Scene<'_>, first: Epoch) -> Result<(), Finding> {
    let epochs = scene.store.epochs();
    let (issuer, now) = (first.issuer, scene.now);
    let elsewhere = Issuer::new("https://other.example");
    let late = first.began_at.plus(MINUTE);
    let (later, other) = (Epoch::written_at(late, &issuer), Epoch::written_at(now, &elsewhere));
    for (issuer, time, in_force) in
        [(&issuer, late, &later), (&issuer, now, &later), (&issuer, late, &later), (&elsewhere, now, &other)]
    {
        let begun = epochs.begin(issuer, Arc::new(Still(time))).await?;
        equal("the epoch in force", &begun.epoch, in_force)?;
    }
    let mut current = scene.other_node.epochs().current().await?;
    current.sort_by(|one, other| one.issuer.as_str().cmp(other.issuer.as_str()));
    equal("the latest epochs", &current, &vec![later, other])
}
