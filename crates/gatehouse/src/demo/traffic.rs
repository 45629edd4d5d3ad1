//! What the demo's upstreams saw, for the demo's own check of the gateway.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use gatehouse_identity::secret::Secret;
use serde_json::Value;

/// How many calls are remembered.
const REMEMBERED: usize = 256;

/// One authenticated call at an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What was called: an MCP tool or an OpenAPI operation.
    pub(crate) operation: String,
    /// The claims of the token that came with it.
    pub(crate) claims: Value,
}

/// The calls that the upstreams saw, and whether a credential that must not reach them did.
///
/// One log is shared by all three upstreams. It never keeps a credential that it saw.
#[derive(Default)]
pub(crate) struct TrafficLog {
    calls: Mutex<VecDeque<Seen>>,
    canaries: Mutex<Vec<Secret>>,
    leaks: AtomicUsize,
}

impl TrafficLog {
    /// Looks for `canary` in every request from now on.
    pub(crate) fn watch(&self, canary: Secret) {
        if !canary.expose().is_empty() {
            locked(&self.canaries).push(canary);
        }
    }

    /// How many requests carried a watched credential in a header or in the body.
    pub(crate) fn leaks(&self) -> usize {
        self.leaks.load(Ordering::Relaxed)
    }

    /// The latest call of `operation`.
    pub(crate) fn latest(&self, operation: &str) -> Option<Seen> {
        locked(&self.calls).iter().rev().find(|seen| seen.operation == operation).cloned()
    }

    /// Searches one request for watched credentials.
    pub(crate) fn inspect(&self, target: &str, headers: &HeaderMap, body: &[u8]) {
        let carries = |canary: &Secret| {
            let canary = canary.expose().as_bytes();
            let holds = |bytes: &[u8]| bytes.windows(canary.len()).any(|window| window == canary);
            holds(target.as_bytes()) || holds(body) || headers.values().any(|value| holds(value.as_bytes()))
        };
        if locked(&self.canaries).iter().any(carries) {
            self.leaks.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn record(&self, operation: &str, claims: Value) {
        let mut calls = locked(&self.calls);
        if calls.len() == REMEMBERED {
            calls.pop_front();
        }
        calls.push_back(Seen { operation: operation.to_owned(), claims });
    }
}

/// Locks, also after a panic elsewhere: every value here is sound between any two statements.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
