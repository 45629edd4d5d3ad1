//! Requests that keep failing, so that clients which try again by themselves stop while somebody still waits.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many requests are remembered; those that fail beyond that leave it to the client when to stop.
const MOST: usize = 4_096;
/// After this long without another failure, a request is a new one: clients wait less between their tries.
const FORGOTTEN: Duration = Duration::from_secs(90);
/// How much of a body's beginning and end tells it from others. Tries of one request are alike to the last byte.
const TELLING: usize = 64 * 1024;

/// When which request failed first and last. It is only looked at when a request fails.
#[derive(Default)]
pub(crate) struct Recurring {
    hasher: RandomState,
    failing: Mutex<HashMap<u64, Failing>>,
}

#[derive(Clone, Copy)]
struct Failing {
    first: Instant,
    last: Instant,
}

impl Recurring {
    /// What stands for one request of `caller`: issuer and subject, as one subject may be another person elsewhere.
    pub(crate) fn key(&self, caller: (&str, &str), path: &str, body: &[u8]) -> u64 {
        let start = body.get(..TELLING).unwrap_or(body);
        let end = body.get(body.len().saturating_sub(TELLING)..).unwrap_or_default();
        self.hasher.hash_one((caller, path, body.len(), start, end))
    }

    /// The request failed, now. Whether it has kept failing for `bearable`: then its user has waited long enough, and
    /// the next time counts as the first again.
    pub(crate) fn has_lasted(&self, request: u64, bearable: Duration, now: Instant) -> bool {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |known: &Failing| now.duration_since(known.last) > FORGOTTEN;
        if failing.len() >= MOST {
            failing.retain(|_, known| !is_over(known));
        }
        let full = failing.len() >= MOST;
        match failing.entry(request) {
            Entry::Occupied(mut entry) if is_over(entry.get()) => {
                entry.insert(Failing { first: now, last: now });
                false
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().last = now;
                let lasted = now.duration_since(entry.get().first) >= bearable;
                if lasted {
                    entry.remove();
                }
                lasted
            }
            Entry::Vacant(entry) => {
                if !full {
                    entry.insert(Failing { first: now, last: now });
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
