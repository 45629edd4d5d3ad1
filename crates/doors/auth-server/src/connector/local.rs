//! Users in the configuration, with argon2id hashes of their passwords.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Argon2, PasswordVerifier as _};
use tokio::sync::Semaphore;

use gatehouse_config::snapshot::connector::{LocalConnector, LocalUser};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::claims::texts;
use gatehouse_oauth::grant::AuthenticatedUser;

/// How many passwords are hashed at the same time: each takes a core and tens of megabytes.
const AT_ONCE: usize = 2;
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// A password as it was typed.
pub(crate) struct Password(Secret);

/// The room for password hashing, small enough to leave the process its cores.
pub(crate) struct PasswordChecks(Arc<Semaphore>);

impl Password {
    /// Takes over a typed password.
    pub(crate) fn new(text: &str) -> Self {
        Self(Secret::new(text.to_owned()))
    }
}

impl PasswordChecks {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// Whether `password` belongs to `hash`, worked out away from the reactor.
    async fn matches(&self, password: Password, hash: Secret) -> Result<bool, Rejection> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Rejection::unavailable("password_checks_busy", "no turn within 5 s"));
        };
        let work = move || {
            let known = Argon2::default().verify_password(password.0.expose().as_bytes(), hash.expose());
            drop(turn);
            known.is_ok()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Rejection::internal("password_check_failed", error.to_string()))
    }
}

/// The user, when the password is right. A name that nobody has costs as much time as one that somebody has.
pub(crate) async fn authenticate(
    checks: &PasswordChecks,
    connector: &LocalConnector,
    username: &str,
    password: Password,
    now: Timestamp,
) -> Result<Option<AuthenticatedUser>, Rejection> {
    let user = connector.users.get(username);
    let Some(measure) = user.or_else(|| connector.users.values().next()) else { return Ok(None) };
    let matches = checks.matches(password, measure.password_hash.clone()).await?;
    Ok(user.filter(|_| matches).map(|user| signed_in(connector, username, user, now)))
}

fn signed_in(
    connector: &LocalConnector,
    username: &str,
    user: &LocalUser,
    now: Timestamp,
) -> AuthenticatedUser {
    AuthenticatedUser {
        subject: user.subject.clone(),
        connector: connector.name.clone(),
        upstream_issuer: None,
        upstream_subject: username.to_owned(),
        groups: texts(user.claims.get("groups")),
        attributes: user.claims.clone(),
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        session: None,
    }
}
