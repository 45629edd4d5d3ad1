//! The limits of the process that a deployment can run into: what they are, how often they were met, and the warning.
//!
//! Whoever keeps a limit counts here each time that it had to act on it. That costs two atomic operations; the log is
//! told at once of the first time, and then at most once a minute of all times since.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::rejection::{Rejection, RejectionKind};

/// How long the log is told nothing more of a limit, in seconds.
const QUIET: u64 = 60;

/// Declares the limits: a name, and the key that sets it.
macro_rules! limits {
    ($( $(#[$meta:meta])* $name:ident = $key:literal, )*) => {
        /// A limit with a key in the configuration.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit {
            $( $(#[$meta])* $name, )*
        }

        impl Limit {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$name, )*];

            /// The key that sets it.
            pub const fn key(self) -> &'static str {
                match self {
                    $( Self::$name => $key, )*
                }
            }
        }
    };
}

limits! {
    /// Connections of a listener.
    Connections = "http.limits.connections",
    /// Connections of one address.
    PerAddress = "http.limits.perAddress",
    /// Connections of one trusted proxy.
    PerTrustedProxy = "http.limits.perTrustedProxy",
    /// Memory for heads of requests.
    HeaderBytes = "http.limits.headerBytes",
    /// Memory for bodies and what is made of them.
    BufferedBytes = "http.limits.bufferedBytes",
    /// The same for one caller, network or upstream.
    BufferedBytesPerCaller = "http.limits.bufferedBytesPerCaller",
    /// Open sessions of MCP.
    Sessions = "mcpProvider.limits.sessions",
    /// Open sessions of MCP of one caller.
    SessionsPerCaller = "mcpProvider.limits.sessionsPerCaller",
    /// Tools that one caller is shown.
    Tools = "mcpProvider.limits.tools",
    /// Tools of one app.
    AppTools = "apps[].limits.tools",
    /// Bytes of one list of tools.
    ListBytes = "apps[].limits.listBytes",
    /// Pages of one list of tools.
    ListPages = "apps[].limits.listPages",
    /// The answer to one call.
    Response = "apps[].limits.responseBytes",
    /// A request of MCP.
    McpBody = "mcpProvider.limits.bodyBytes",
    /// A request for a model.
    LlmBody = "llmProvider.limits.bodyBytes",
    /// A form of the authorization server.
    OidcForm = "oidcProvider.limits.formBytes",
    /// Sign-ins that were begun and led to nothing yet.
    PendingSignIns = "oidcProvider.limits.pendingSignIns",
    /// Those of one network.
    PendingSignInsPerNetwork = "oidcProvider.limits.pendingSignInsPerNetwork",
    /// Those that one network begins in a minute.
    SignInsPerMinutePerNetwork = "oidcProvider.limits.signInsPerMinutePerNetwork",
}

/// How the limits of a process stand. Made once; outlives a configuration.
pub struct Limits {
    meters: Vec<Meter>,
    made: Instant,
}

#[derive(Default)]
struct Meter {
    bound: AtomicU64,
    hits: AtomicU64,
    /// How many of them the log knows.
    told: AtomicU64,
    /// From when on the log may be told again, in seconds since the registry was made.
    quiet_until: AtomicU64,
}

/// One limit as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which one.
    pub limit: Limit,
    /// What it is set to.
    pub bound: u64,
    /// How often it was met.
    pub hits: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { meters: Limit::ALL.iter().map(|_| Meter::default()).collect(), made: Instant::now() }
    }
}

impl Limits {
    /// Notes what `limit` is set to. One that was never set is not in force here.
    pub fn set(&self, limit: Limit, bound: u64) {
        if let Some(meter) = self.meter(limit) {
            meter.bound.store(bound, Ordering::Relaxed);
        }
    }

    /// What `limit` is set to.
    pub fn bound(&self, limit: Limit) -> u64 {
        self.meter(limit).map_or(0, |meter| meter.bound.load(Ordering::Relaxed))
    }

    /// Counts that `limit` was met: something was refused, or had to give way.
    pub fn hit(&self, limit: Limit) {
        let Some(meter) = self.meter(limit) else { return };
        let hits = meter.hits.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.made.elapsed().as_secs();
        let quiet_until = meter.quiet_until.load(Ordering::Relaxed);
        let turn = || {
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            meter.quiet_until.compare_exchange(quiet_until, now + QUIET, success, failure).is_ok()
        };
        if now >= quiet_until && turn() {
            let since = hits.saturating_sub(meter.told.swap(hits, Ordering::Relaxed));
            let bound = meter.bound.load(Ordering::Relaxed);
            tracing::warn!(limit = limit.key(), limit.bound = bound, limit.hits = since, "limit reached");
        }
    }

    /// `read`, counted when the body was refused for exceeding `limit`.
    pub fn counted<T>(&self, limit: Limit, read: Result<T, Rejection>) -> Result<T, Rejection> {
        if read.as_ref().is_err_and(|rejection| rejection.kind == RejectionKind::TooLarge) {
            self.hit(limit);
        }
        read
    }

    /// Those that are in force, as they stand.
    pub fn standing(&self) -> impl Iterator<Item = Standing> {
        let all = Limit::ALL.iter().zip(&self.meters).map(|(limit, meter)| Standing {
            limit: *limit,
            bound: meter.bound.load(Ordering::Relaxed),
            hits: meter.hits.load(Ordering::Relaxed),
        });
        all.filter(|standing| standing.bound > 0)
    }

    fn meter(&self, limit: Limit) -> Option<&Meter> {
        self.meters.get(limit as usize)
    }
}

#[cfg(test)]
mod tests;
