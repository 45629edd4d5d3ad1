//! Browser sessions.

use std::time::Duration;

use gatehouse_identity::id::SubjectId;
use gatehouse_oauth::grant::SessionHash;

use super::{Finding, Scene, equal, lost, won};
use crate::session::Session;

const LIFETIME: Duration = Duration::from_hours(12);

impl Scene<'_> {
    pub(super) fn session(&self, user: &str) -> (SessionHash, Session) {
        let session =
            Session { user: self.user(user), created_at: self.now, expires_at: self.later(LIFETIME) };
        (SessionHash::of(&self.rng.token(32)), session)
    }
}

pub(super) async fn begin_and_end(scene: &Scene<'_>) -> Result<(), Finding> {
    let sessions = scene.store.sessions();
    let Scene { now, .. } = *scene;
    let (hash, session) = scene.session("grace");
    equal("an unknown session", &sessions.find(&hash, now).await?, &None)?;
    won("insert", sessions.insert(&hash, &session).await?)?;
    lost("inserting a hash twice", sessions.insert(&hash, &scene.session("mallory").1).await?)?;
    let elsewhere = scene.other_node.sessions().find(&hash, now).await?;
    equal("a session, on another node", &elsewhere, &Some(session))?;
    equal("an expired session", &sessions.find(&hash, scene.later(LIFETIME)).await?, &None)?;
    let longer = scene.later(LIFETIME * 2);
    won("extend", sessions.extend(&hash, longer, now).await?)?;
    let extended = scene.other_node.sessions().find(&hash, scene.later(LIFETIME)).await?;
    equal("an extended session ends later", &extended.map(|session| session.expires_at), &Some(longer))?;
    lost("extending an expired session", sessions.extend(&hash, longer, longer).await?)?;
    won("end", sessions.end(&hash).await?)?;
    lost("ending again", sessions.end(&hash).await?)?;
    equal("an ended session", &sessions.find(&hash, now).await?, &None)?;

    let others = [scene.session("grace"), scene.session("grace"), scene.session("ada")];
    for (hash, session) in &others {
        won("insert", sessions.insert(hash, session).await?)?;
    }
    equal("sessions of the user", &sessions.end_all_of_user(&SubjectId::new("grace")).await?, &2)?;
    let [(first, _), (second, _), (third, kept)] = &others;
    equal("an ended session", &sessions.find(first, now).await?, &None)?;
    equal("an ended session", &sessions.find(second, now).await?, &None)?;
    equal("a session of another user", &sessions.find(third, now).await?.as_ref(), &Some(kept))
}
