//! `demo --check`: plays every client of the demo itself, over HTTP, and tells what came of it.

mod discovery;
mod evidence;
mod form;
mod http;
mod mcp;
mod messages;
mod models;
mod sign_in;
mod story;
mod tools;
mod trail;

use std::io::Write;

use gatehouse_identity::rng::Rng;

use self::discovery::{Discovery, discover};
use self::sign_in::{Application, Flow, Journey, Session};
use self::story::{Broken, Mismatch, Story, expect};
use super::credentials::Person;
use super::stack::Stack;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Score {
    /// Steps that were taken.
    pub(crate) steps: usize,
    /// Those that did not go as they should.
    pub(crate) broken: usize,
}

/// Both people, signed in.
struct Guests {
    ada: Session,
    bob: Session,
}

/// Plays the clients of `world` and writes the story to `out`.
pub(crate) async fn run(world: &Stack, rng: &dyn Rng, out: &mut (dyn Write + Send)) -> Score {
    let mut story = Story::new(out);
    let cast = &world.cast;
    for secret in [&cast.ada.password, &cast.bob.password, &cast.confidential_secret, &cast.exchange_secret] {
        world.seen.watch(secret.clone());
    }
    world.seen.watch(cast.api_key.clone());
    // A broken step has been told and counted; the chapters that need its result are left out.
    let _told: Result<(), Broken> = chapters(&mut story, world, rng).await;
    let (steps, broken) = story.score();
    Score { steps, broken }
}

async fn chapters(story: &mut Story<'_>, world: &Stack, rng: &dyn Rng) -> Result<(), Broken> {
    story.chapter("Finding the way, from the one URL that a client is given");
    let discovery = discover(story, &world.origin).await?;
    story.chapter("Signing in");
    let guests = sign_everybody_in(story, world, &discovery, rng).await?;
    story.chapter("What each of them sees");
    let listed = tools::lists(story, &discovery.resource, &guests).await;
    story.chapter("Ada works");
    let worked = tools::ada_works(story, world, &discovery.resource, &guests).await;
    story.chapter("Bob is stopped");
    let stopped = tools::bob_is_stopped(story, world, &discovery.resource, &guests).await;
    story.chapter("Models, with the same token");
    let modelled = models::talk(story, world, &discovery.resource, &guests).await;
    story.chapter("The evidence");
    evidence::examine(story, world, &guests).await?;
    listed.and(worked).and(stopped).and(modelled)
}

/// Ada uses a client without secret on a port that is not registered, Bob one with a secret.
async fn sign_everybody_in(
    story: &mut Story<'_>,
    world: &Stack,
    discovery: &Discovery,
    rng: &dyn Rng,
) -> Result<Guests, Broken> {
    let public = Application {
        client_id: "claude-public",
        secret: None,
        redirect_uri: "http://localhost:51732/callback",
    };
    let confidential = Application {
        client_id: "claude-confidential",
        secret: Some(&world.cast.confidential_secret),
        redirect_uri: "http://localhost:29352/callback",
    };
    let refused = wrong_password(world, Flow::new(discovery, public, rng)).await;
    story.step("a wrong password leads back to the sign-in page", refused)?;
    let ada = sign_in(world, discovery, Flow::new(discovery, public, rng), &world.cast.ada).await;
    let ada = story
        .step("ada signs in and consents, through claude-public: PKCE, no secret, any loopback port", ada)?;
    tell_token(story, &ada);
    let bob = sign_in(world, discovery, Flow::new(discovery, confidential, rng), &world.cast.bob).await;
    let bob = story
        .step("bob signs in and consents, through claude-confidential: PKCE and a client secret", bob)?;
    tell_token(story, &bob);
    Ok(Guests { ada, bob })
}

async fn wrong_password(world: &Stack, flow: Flow<'_>) -> Result<(), Mismatch> {
    match flow.walk(&world.cast.ada, "not-her-password", &world.seen).await? {
        Journey::Refused => Ok(()),
        Journey::Arrived(url) => Err(Mismatch::new("the sign-in page again", url)),
    }
}

async fn sign_in(
    world: &Stack,
    discovery: &Discovery,
    flow: Flow<'_>,
    person: &Person,
) -> Result<Session, Mismatch> {
    let session = match flow.walk(person, person.password.expose(), &world.seen).await? {
        Journey::Arrived(url) => flow.redeem(&url, &world.seen).await?,
        Journey::Refused => return Err(Mismatch::new("a redirect with a code", "the sign-in page again")),
    };
    let claims = &session.claims;
    let says = |pointer: &str, value: &str| {
        claims.pointer(pointer).and_then(serde_json::Value::as_str) == Some(value)
    };
    let audience = says("/aud", discovery.resource.as_str()) || says("/aud/0", discovery.resource.as_str());
    expect(audience, format!("aud {}", discovery.resource), claims)?;
    let named = says("/sub", person.username) && says("/client_id", &session.client_id);
    expect(named, format!("sub {} and client_id {}", person.username, session.client_id), claims)?;
    Ok(session)
}

fn tell_token(story: &mut Story<'_>, session: &Session) {
    let claim = |name: &str| session.claims.get(name).map(ToString::to_string).unwrap_or_default();
    story.detail(&format!(
        "access token: sub {} aud {} groups {}",
        claim("sub"),
        claim("aud"),
        claim("groups")
    ));
}
