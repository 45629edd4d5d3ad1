//! One-time values and revoked tokens.

use std::time::Duration;

use futures_util::future::join_all;
use gatehouse_identity::id::TokenId;

use super::{Finding, Scene, ensure, equal, lost, won};
use crate::one_time::Namespace;

const MINUTE: Duration = Duration::from_mins(1);

pub(super) async fn claims_last_until_they_expire(scene: &Scene<'_>) -> Result<(), Finding> {
    const ONE: Namespace = Namespace::new("conformance.one");
    const OTHER: Namespace = Namespace::new("conformance.other");
    let claims = scene.store.one_time();
    let Scene { now, .. } = *scene;
    let until = scene.later(MINUTE);
    let long = "k".repeat(100_000);
    for key in ["", "jti", long.as_str()] {
        won("a first claim", claims.claim(ONE, key, until, now).await?)?;
        lost("a second claim", claims.claim(ONE, key, until, now).await?)?;
        won("the same key elsewhere", claims.claim(OTHER, key, until, now).await?)?;
    }
    let last_moment = scene.later(MINUTE.saturating_sub(Duration::from_nanos(1)));
    lost("at the last moment", claims.claim(ONE, "jti", until, last_moment).await?)?;
    won("once it has expired", claims.claim(ONE, "jti", until.plus(MINUTE), until).await?)?;
    lost("and again", claims.claim(ONE, "jti", until.plus(MINUTE), until).await?)
}

pub(super) async fn revoked_tokens_form_a_feed(scene: &Scene<'_>) -> Result<(), Finding> {
    let revocations = scene.store.revocations();
    let Scene { now, .. } = *scene;
    let until = scene.later(MINUTE);
    let token = TokenId::random(scene.rng);
    equal("before", &revocations.is_revoked(&token, now).await?, &false)?;
    revocations.revoke_token(&token, until).await?;
    revocations.revoke_token(&token, until).await?;
    equal("after", &scene.other_node.revocations().is_revoked(&token, now).await?, &true)?;
    equal("once the token has expired", &revocations.is_revoked(&token, until).await?, &false)?;

    let feed = revocations.revoked_since(0, now).await?;
    equal("entries", &feed.iter().filter(|entry| entry.token == token).count(), &1)?;
    let position = feed.iter().map(|entry| entry.seq).max().unwrap_or(0);
    equal("nothing new", &revocations.revoked_since(position, now).await?, &Vec::new())?;
    let more: Vec<TokenId> = (0..20).map(|_| TokenId::random(scene.rng)).collect();
    for outcome in join_all(more.iter().map(|token| revocations.revoke_token(token, until))).await {
        outcome?;
    }
    let feed = scene.other_node.revocations().revoked_since(position, now).await?;
    equal("new entries", &feed.len(), &more.len())?;
    let ascending = feed.iter().zip(feed.iter().skip(1)).all(|(before, after)| before.seq < after.seq);
    ensure(ascending, "positions ascend")?;
    ensure(more.iter().all(|token| feed.iter().any(|entry| entry.token == *token)), "each entry is there")?;
    equal("entries of expired tokens", &revocations.revoked_since(0, until).await?, &Vec::new())
}
