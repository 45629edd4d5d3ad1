//! A server that is known to be down, or that cannot write any more, is not waited for: requests hear it at once while
//! one task looks for a server that can.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::time::{self, Instant};

use super::server::Servers;

/// How long the task rests between two looks.
const REST: Duration = Duration::from_millis(200);

/// Whether the server is known to be down, and which connections are not to be trusted.
#[derive(Clone)]
pub(super) struct Outage(Arc<Known>);

struct Known {
    is_on: AtomicBool,
    /// Why the server that a new connection led to cannot be the store.
    unfit: Mutex<Option<String>>,
    /// When this was made; other times are nanoseconds since then.
    beginning: Instant,
    /// Connections from before this time may lead to a server that is not the primary any more.
    suspect_before: AtomicU64,
}

impl Default for Outage {
    fn default() -> Self {
        Self(Arc::new(Known {
            is_on: AtomicBool::new(false),
            unfit: Mutex::new(None),
            beginning: Instant::now(),
            suspect_before: AtomicU64::new(0),
        }))
    }
}

impl Outage {
    pub(super) fn is_on(&self) -> bool {
        self.0.is_on.load(Ordering::Acquire)
    }

    /// A new connection has led to a server that cannot be the store.
    pub(super) fn refuse(&self, reason: &str) {
        *self.0.unfit.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    /// Why the last connection led to a server that cannot be the store, if it did.
    pub(super) fn refusal(&self) -> Option<String> {
        self.0.unfit.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No connection that exists now is used again.
    pub(super) fn suspect(&self) {
        self.0.suspect_before.fetch_max(self.now(), Ordering::AcqRel);
    }

    /// Whether a connection of this age is from before the last suspicion.
    pub(super) fn is_suspect(&self, age: Duration) -> bool {
        let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        self.now().saturating_sub(age) < self.0.suspect_before.load(Ordering::Acquire)
    }

    /// Nanoseconds since the beginning, from one on.
    fn now(&self) -> u64 {
        u64::try_from(self.0.beginning.elapsed().as_nanos()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Ends by itself when a server is found that can write, or the pool is closed.
    pub(super) fn begin(&self, pool: &PgPool, servers: &Arc<Servers>) {
        self.suspect();
        if self.0.is_on.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!("the PostgreSQL server is down");
        let (outage, pool, servers) = (self.clone(), pool.clone(), Arc::clone(servers));
        let look = async move {
            while !pool.is_closed() {
                if let Ok(found) = servers.find().await {
                    tracing::info!("the PostgreSQL server is back");
                    found.proof.warn();
                    pool.set_connect_options(found.options);
                    break;
                }
                time::sleep(REST).await;
            }
            outage.suspect();
            // Those that nobody uses would stay with the old server for long.
            while let Some(idle) = pool.try_acquire() {
                drop(idle.detach());
            }
            *outage.0.unfit.lock().unwrap_or_else(PoisonError::into_inner) = None;
            outage.0.is_on.store(false, Ordering::Release);
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with the outage or with the pool")]
        drop(tokio::spawn(look));
    }
}

#[cfg(test)]
mod tests;
