//! Device cookies: by them a browser is known that a person has signed in with before (OWASP "device cookies").
//!
//! Nothing is signed in by one. Who guesses at a password cannot make one, so guessing never closes the way of the
//! browsers that have one.

use std::time::Duration;

use http::header::HeaderValue;

use gatehouse_config::snapshot::connector::LocalUser;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::fingerprint::Fingerprint;

use crate::cookie::Cookies;
use crate::server::AuthServer;
use crate::settings::configured;

/// How long a browser is known after its last sign-in.
const LIFETIME: Duration = Duration::from_hours(24 * 180);
/// What device cookies are called.
const COOKIE: &str = "device-";
/// Most people whom one browser is known by; another then takes the place of all of them.
const HELD: usize = 8;
/// What the seal on a cookie is for.
const PURPOSE: &str = "device cookie";

/// The browser of this request, when `user` has signed in with it before and has had the same password since.
pub(crate) fn known(
    door: &AuthServer,
    user: &LocalUser,
    context: &Context<Public>,
) -> Result<Option<Fingerprint>, Rejection> {
    let jar = Cookies::of(configured(context)?);
    let Some(value) = jar.read(&context.head, &name(user)) else { return Ok(None) };
    Ok(verified(door, user, value, context.now).map(|nonce| Fingerprint::of(["device", nonce])))
}

/// The cookies that make this browser one that `user` is known by.
pub(crate) fn remember(
    door: &AuthServer,
    user: &LocalUser,
    context: &Context<Public>,
) -> Result<Vec<HeaderValue>, Rejection> {
    let jar = Cookies::of(configured(context)?);
    let (own, mut cookies) = (name(user), Vec::new());
    let others: Vec<&str> =
        jar.names(&context.head, COOKIE).into_iter().filter(|held| *held != own).collect();
    if others.len() >= HELD {
        for held in others {
            cookies.push(jar.set(held, "", 0)?);
        }
    }
    let (since, nonce) = (context.now.unix_seconds().to_string(), door.rng.token(16));
    if let Some(mark) = door.issuer.keys().seal(PURPOSE, &fields(user, &since, &nonce)) {
        cookies.push(jar.set(&own, &format!("{since}.{nonce}.{mark}"), LIFETIME.as_secs())?);
    }
    Ok(cookies)
}

/// The nonce of a cookie that we made for `user` and that is not too old.
fn verified<'a>(door: &AuthServer, user: &LocalUser, value: &'a str, now: Timestamp) -> Option<&'a str> {
    let (since, rest) = value.split_once('.')?;
    let (nonce, mark) = rest.split_once('.')?;
    if !door.issuer.keys().is_sealed(PURPOSE, &fields(user, since, nonce), mark) {
        return None;
    }
    let since = Timestamp::from_unix_seconds(since.parse().ok()?);
    (now.since(since) < LIFETIME).then_some(nonce)
}

fn fields<'a>(user: &'a LocalUser, since: &'a str, nonce: &'a str) -> [&'a str; 4] {
    [user.subject.as_str(), user.password_hash.expose(), since, nonce]
}

/// One cookie for each person who uses the browser. The name tells nobody who that is who does not know already.
fn name(user: &LocalUser) -> String {
    let of = Fingerprint::of([PURPOSE, user.subject.as_str()]).to_string();
    let short: String = of.chars().take(16).collect();
    format!("{COOKIE}{short}")
}
