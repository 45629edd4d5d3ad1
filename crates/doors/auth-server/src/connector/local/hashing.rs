//! The lane for password hashing.

use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use argon2::{Argon2, PasswordVerifier as _};
use tokio::sync::oneshot;

use gatehouse_edge::lane::{Job, Lane, LaneSize};
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_identity::secret::Secret;

use super::Password;

/// Most passwords that are hashed at the same time: each takes a processor and tens of megabytes.
const MOST_AT_ONCE: usize = 2;
/// Most sign-ins that wait for their turn: those that one thread gets done in a second or two.
const WAITING: usize = 64;
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Threads that hash leave the processor to those that serve.
const NICE: i32 = 10;

/// The room for password hashing. Its threads are half the processors at most, and of low priority.
pub(crate) struct PasswordChecks(Lane<(), Check>);

/// What a password is held against.
pub(crate) struct Measure {
    /// The user's hash; `None` for a name that nobody has.
    pub(crate) own: Option<Secret>,
    /// Hashes of others that cost the rest of what every attempt costs.
    pub(crate) others: Vec<Secret>,
}

struct Check {
    password: Password,
    measure: Measure,
    done: oneshot::Sender<bool>,
}

impl PasswordChecks {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = (processors / 2).clamp(1, MOST_AT_ONCE);
        let size = LaneSize { threads, at_once: threads, waiting: WAITING, nice: NICE };
        Ok(Self(Lane::start("password", size)?))
    }

    /// Whether `password` belongs to the hash that is the user's own.
    pub(super) async fn matches(
        &self,
        password: Password,
        measure: Measure,
        from: IpAddr,
    ) -> Result<bool, Rejection> {
        let (done, answer) = oneshot::channel();
        self.0.push((), from, Check { password, measure, done }).map_err(|_| busy("the queue is full"))?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(matches)) => Ok(matches),
            Ok(Err(_dropped)) => Err(busy("gave way to a network that asked for less")),
            Err(_elapsed) => Err(busy("no turn within 5 s")),
        }
    }
}

impl Job for Check {
    fn is_wanted(&self) -> bool {
        !self.done.is_closed()
    }

    fn run(self) {
        let Self { password, measure, done } = self;
        let belongs = |hash: &Secret| {
            let known = Argon2::default().verify_password(password.0.expose().as_bytes(), hash.expose());
            known.is_ok()
        };
        let matches = measure.own.as_ref().is_some_and(belongs);
        for hash in &measure.others {
            std::hint::black_box(belongs(hash));
        }
        // Whoever asked may have gone away meanwhile.
        let _ = done.send(matches);
    }
}

fn busy(why: &str) -> Rejection {
    let public = "Too many people are signing in at this moment. Wait a few seconds and try again.";
    let mut rejection = Rejection::new(RejectionKind::RateLimited, "password_checks_busy", public);
    rejection.retry_after = Some(Duration::from_secs(2));
    rejection.because(why)
}

#[cfg(test)]
mod tests;
