//! Signing keys.

use futures_util::future::join_all;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::secret::Secret;

use super::{Finding, Scene, ensure, equal, lost, won};
use crate::signing_key::StoredSigningKey;

impl Scene<'_> {
    /// A key of the scene; what it holds is opaque to the store.
    pub(super) fn key(&self, algorithm: Algorithm) -> StoredSigningKey {
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", self.rng.token(48));
        StoredSigningKey {
            kid: self.rng.token(32),
            algorithm,
            private_key: Secret::new(pem),
            created_at: self.now,
            retired_at: None,
        }
    }
}

pub(super) async fn one_stands_after_a_race(scene: &Scene<'_>) -> Result<(), Finding> {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let keys: Vec<_> = (0..16).map(|_| scene.key(algorithm)).collect();
        let nodes = [scene.store, scene.other_node].into_iter().cycle();
        let callers = nodes.zip(&keys).map(|(node, key)| node.signing_keys().insert_if_none_of(key));
        let standing = join_all(callers).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let first = standing.first().ok_or_else(|| Finding("no key".to_owned()))?;
        ensure(standing.iter().all(|key| key.kid == first.kid), "every node is told the same key")?;
        let ours = keys.iter().find(|key| key.kid == first.kid);
        ensure(
            ours.is_some_and(|key| key.private_key.matches(first.private_key.expose())),
            "the key that stands is one of those offered, private part included",
        )?;
    }
    equal("keys", &scene.other_node.signing_keys().all().await?.len(), &2)
}

pub(super) async fn are_replaced_and_removed(scene: &Scene<'_>) -> Result<(), Finding> {
    let keys = scene.store.signing_keys();
    let current = keys.insert_if_none_of(&scene.key(Algorithm::EdDsa)).await?;
    let next = scene.key(Algorithm::EdDsa);
    lost("replacing an unknown key", keys.replace("unknown", &next, scene.now).await?)?;
    let other = scene.key(Algorithm::Ps256);
    lost("replacing by another algorithm", keys.replace(&current.kid, &other, scene.now).await?)?;
    lost("removing a key that signs", keys.remove_retired(&current.kid).await?)?;
    won("replacing", keys.replace(&current.kid, &next, scene.now).await?)?;
    lost("replacing again", keys.replace(&current.kid, &scene.key(Algorithm::EdDsa), scene.now).await?)?;
    equal("the key that signs", &keys.insert_if_none_of(&other_of(scene)).await?.kid, &next.kid)?;
    let all = keys.all().await?;
    let retired = all.iter().find(|key| key.kid == current.kid).map(|key| key.retired_at);
    equal("the key before", &retired, &Some(Some(scene.now)))?;
    ensure(
        keys.replace(&next.kid, &current, scene.now).await.is_err(),
        "a key id cannot come back, and its refusal leaves the current key",
    )?;
    equal("the key that signs", &keys.insert_if_none_of(&other_of(scene)).await?.kid, &next.kid)?;
    won("removing", keys.remove_retired(&current.kid).await?)?;
    lost("removing again", keys.remove_retired(&current.kid).await?)
}

fn other_of(scene: &Scene<'_>) -> StoredSigningKey {
    scene.key(Algorithm::EdDsa)
}
