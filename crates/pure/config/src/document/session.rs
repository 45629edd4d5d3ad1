//! `session`: browser sessions at the authorization server.

use std::time::Duration;

use super::section::{choice, section};
use super::spot::{Placed, Spot, Value};
use crate::problem::Report;

section! {
    /// `session`.
    Session {
        cookie: Cookie = nested("cookie"),
        lifetime: Lifetime = nested("lifetime"),
    }
    also { checked::<SessionStore>("store") }
}

section! {
    /// `session.cookie`.
    Cookie {
        name: CookieName = or("name", CookieName("maverics_session".into())),
    }
    also {
        only("secure", &["true"], "cookies are always Secure on https origins");
        only("httpOnly", &["true"], "cookies are always HttpOnly");
    }
}

/// A cookie name (RFC 6265 §4.1.1).
#[derive(Clone, Debug)]
pub(crate) struct CookieName(pub(crate) String);

impl Value for CookieName {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        spot.parsed("a cookie name of letters, digits, `-` and `_`", report, |text| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            (!text.is_empty() && text.chars().all(plain)).then(|| Self(text.to_owned()))
        })
    }
}

section! {
    /// `session.lifetime`.
    Lifetime {
        max_timeout: Placed<Duration> = or("maxTimeout", Placed::unwritten(Duration::from_hours(24))),
        idle_timeout: Placed<Duration> = or("idleTimeout", Placed::unwritten(Duration::from_mins(15))),
    }
}

section! {
    /// `session.store`.
    SessionStore {}
    also {
        checked::<SessionStoreKind>("type");
        refused("cluster", "sessions live in `store:`, which several nodes can share");
        refused("local", "sessions live in `store:` and have no capacity of their own");
    }
}

choice! {
    /// Where sessions live; they are in `store` whatever is said here.
    pub(crate) SessionStoreKind {
        /// The store of this deployment.
        Local = "local",
    }
    refused { "cluster" | "redis" => "sessions live in `store:`; use `store: { type: postgres }` for several nodes" }
}
