//! One sign-in in one browser: a grant, and the cookie that only the browser which began it has.
//!
//! Each transaction has a cookie of its own, so several can run side by side in one browser.

use std::time::Duration;

use http::Method;
use http::header::HeaderValue;

use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_identity::id::GrantId;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::authorization::AuthorizationRequest;
use gatehouse_oauth::form::Form;
use gatehouse_oauth::grant::{Authenticated, BrowserBinding, Grant, Pending};
use gatehouse_store::fingerprint::Fingerprint;

use crate::cookie::Cookies;
use crate::server::AuthServer;
use crate::settings::{configured, store_failed};

/// How long a person may take from the authorization request to the decision.
const LIFETIME: Duration = Duration::from_mins(10);
/// What transaction cookies are called.
const COOKIE: &str = "txn-";
/// Most transactions that one browser may hold; beginning another then forgets all others.
const HELD: usize = 24;

/// A transaction whose browser has proven to be the one that began it.
pub(crate) struct Transaction {
    /// Its grant.
    pub(crate) grant: Grant,
    csrf: Secret,
}

/// A transaction that has just begun.
pub(crate) struct Begun {
    /// Its grant, which is not stored yet.
    pub(crate) grant: Pending,
    /// The cookies to set.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// Begins a transaction for a checked request.
pub(crate) fn begin(
    door: &AuthServer,
    request: AuthorizationRequest,
    context: &Context<Public>,
) -> Result<Begun, Rejection> {
    let jar = Cookies::of(configured(context)?);
    let secret = door.rng.token(32);
    let id = GrantId::random(door.rng.as_ref());
    let mut cookies = Vec::new();
    let held = jar.names(&context.head, COOKIE);
    if held.len() >= HELD {
        for name in held {
            cookies.push(jar.set(name, "", 0)?);
        }
    }
    cookies.push(jar.set(&format!("{COOKIE}{id}"), &secret, LIFETIME.as_secs())?);
    let grant = Pending::new(id, request, BrowserBinding::of(&secret), context.now, LIFETIME);
    Ok(Begun { grant, cookies })
}

/// `Set-Cookie` that ends a transaction's cookie.
pub(crate) fn end(id: &GrantId, server: &AuthorizationServer) -> Result<HeaderValue, Rejection> {
    Cookies::of(server).set(&format!("{COOKIE}{id}"), "", 0)
}

impl Transaction {
    /// The transaction that a request names, when its browser is the one that began it.
    pub(crate) async fn open(
        door: &AuthServer,
        id: Option<&str>,
        context: &Context<Public>,
    ) -> Result<Self, Rejection> {
        let foreign = || foreign(&context.head.method);
        let id = id.ok_or_else(foreign)?;
        let jar = Cookies::of(configured(context)?);
        let secret = jar.read(&context.head, &format!("{COOKIE}{id}")).ok_or_else(foreign)?;
        let id = GrantId::new(id);
        let grant = door.store.grants().find(&id, context.now).await.map_err(store_failed)?;
        let binding = match &grant {
            Some(Grant::Pending(grant)) => &grant.browser,
            Some(Grant::Authenticated(grant)) => &grant.browser,
            Some(Grant::Consented(_) | Grant::Active(_)) => return Err(over()),
            None => return Err(foreign()),
        };
        if !binding.matches(secret) {
            return Err(foreign());
        }
        context.note(|event| event.with_grant(&id));
        let csrf = Secret::new(Fingerprint::of(["csrf", secret, id.as_str()]).to_string());
        grant.map(|grant| Self { grant, csrf }).ok_or_else(foreign)
    }

    /// The token that forms of this transaction carry.
    pub(crate) fn csrf(&self) -> &str {
        self.csrf.expose()
    }

    /// Refuses a form that does not come from a page of this transaction.
    pub(crate) fn check_form(&self, form: &Form) -> Result<(), Rejection> {
        if form.one("csrf").is_some_and(|sent| self.csrf.matches(sent)) {
            return Ok(());
        }
        Err(foreign_form())
    }

    /// The grant, while the user has not signed in.
    pub(crate) fn into_pending(self) -> Result<Pending, Rejection> {
        match self.grant {
            Grant::Pending(grant) => Ok(grant),
            Grant::Authenticated(_) | Grant::Consented(_) | Grant::Active(_) => Err(over()),
        }
    }

    /// The grant, while the user has signed in and not decided.
    pub(crate) fn into_authenticated(self) -> Result<Authenticated, Rejection> {
        match self.grant {
            Grant::Authenticated(grant) => Ok(grant),
            Grant::Pending(_) | Grant::Consented(_) | Grant::Active(_) => Err(over()),
        }
    }
}

/// The step was taken before, or the one before it was not.
pub(crate) fn over() -> Rejection {
    Rejection::malformed(
        "transaction_over",
        "This step of the sign-in is over. Go back to the application and start again.",
    )
}

fn foreign(method: &Method) -> Rejection {
    let kind = if method == Method::POST { RejectionKind::Forbidden } else { RejectionKind::Malformed };
    Rejection::new(
        kind,
        "transaction_unknown",
        "This sign-in was begun in another browser, or it took too long. Go back to the application and start again.",
    )
}

/// A form that is none of ours: another site may have made the browser send it.
pub(crate) fn foreign_form() -> Rejection {
    Rejection::new(
        RejectionKind::Forbidden,
        "csrf_token_wrong",
        "This form did not come from our own page. Go back to the application and start again.",
    )
}
